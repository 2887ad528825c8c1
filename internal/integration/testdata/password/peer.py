"""A peer of password_interop_test.go: passlib and Django from Debian. It reads
one request as JSON and answers it as JSON."""

import json
import sys
import warnings

warnings.simplefilter("ignore")  # of what these versions mean to drop

from django.conf import settings
from passlib import hash as passlib

settings.configure(PASSWORD_HASHERS=["django.contrib.auth.hashers." + h for h in (
    "PBKDF2PasswordHasher", "BCryptSHA256PasswordHasher", "BCryptPasswordHasher", "Argon2PasswordHasher")])
from django.contrib.auth import hashers as django


class BCryptSHA256(django.BCryptSHA256PasswordHasher):
    rounds = 4


class Argon2(django.Argon2PasswordHasher):
    time_cost, memory_cost, parallelism = 1, 64, 8


def make(password):
    yield "passlib bcrypt", passlib.bcrypt.using(rounds=4).hash(password)
    yield "passlib argon2id", passlib.argon2.using(type="ID", rounds=1, memory_cost=64, parallelism=2).hash(password)
    yield "passlib argon2i", passlib.argon2.using(type="I", rounds=1, memory_cost=64, parallelism=1).hash(password)
    yield "passlib pbkdf2_sha1", passlib.pbkdf2_sha1.using(rounds=1000).hash(password)
    yield "passlib pbkdf2_sha256", passlib.pbkdf2_sha256.using(rounds=1000).hash(password)
    yield "passlib pbkdf2_sha512", passlib.pbkdf2_sha512.using(rounds=1000).hash(password)
    yield "passlib scrypt", passlib.scrypt.using(rounds=8).hash(password)
    yield "passlib bcrypt_sha256", passlib.bcrypt_sha256.using(rounds=4).hash(password)
    yield "passlib bcrypt_sha256 v1", passlib.bcrypt_sha256.using(rounds=4, version=1).hash(password)
    yield "django pbkdf2_sha256", django.PBKDF2PasswordHasher().encode(password, "abcdefghijkl", 1000)
    for hasher in BCryptSHA256(), Argon2():
        yield "django " + hasher.algorithm, hasher.encode(password, hasher.salt())


def verify(hash, password):
    if hash.startswith("$2"):
        return {"passlib": passlib.bcrypt.verify(password, hash), "django": django.check_password(password, "bcrypt$" + hash)}
    return {"passlib": passlib.argon2.verify(password, hash), "django": django.check_password(password, "argon2" + hash)}


request = json.load(sys.stdin)
made = [{"tool": tool, "hash": hash, "password": p} for p in request["passwords"] for tool, hash in make(p)]
verified = {row["hash"]: verify(**row) for row in request["verify"]}
json.dump({"made": made, "verified": verified}, sys.stdout)
