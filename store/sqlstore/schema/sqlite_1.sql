CREATE TABLE IF NOT EXISTS {api_keys} (
	id            TEXT NOT NULL PRIMARY KEY,
	owner         TEXT NOT NULL,
	name          TEXT NOT NULL,
	prefix        TEXT NOT NULL,
	last_four     TEXT NOT NULL,
	digest        BLOB NOT NULL UNIQUE,
	scopes        TEXT NOT NULL, -- JSON array
	metadata      TEXT NOT NULL, -- JSON object
	created_at    TEXT NOT NULL, -- UTC, 2006-01-02 15:04:05.000000, as all times
	expires_at    TEXT,
	revoked_at    TEXT,
	replaced_by   TEXT NOT NULL,
	last_used_at  TEXT,
	last_addr     TEXT NOT NULL,
	uses          INTEGER NOT NULL,
	warned_within INTEGER -- microseconds before its end; NULL: not warned of
) STRICT;

CREATE INDEX IF NOT EXISTS {schema.}"{prefix}api_keys_owner" ON "{prefix}api_keys" (owner, created_at, id);

CREATE INDEX IF NOT EXISTS {schema.}"{prefix}api_keys_expires_at" ON "{prefix}api_keys" (expires_at);

CREATE INDEX IF NOT EXISTS {schema.}"{prefix}api_keys_created_at" ON "{prefix}api_keys" (created_at);

-- A row is written to before the keys of its owner are counted, rotated or revoked, as in the other dialects.
CREATE TABLE IF NOT EXISTS {api_key_owners} (
	owner   TEXT NOT NULL PRIMARY KEY,
	changes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS {once} (
	purpose TEXT NOT NULL,
	digest  BLOB NOT NULL,
	ends_at TEXT NOT NULL,
	PRIMARY KEY (purpose, digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS {schema.}"{prefix}once_ends_at" ON "{prefix}once" (ends_at);

CREATE TABLE IF NOT EXISTS {revoked_tokens} (
	digest     BLOB NOT NULL PRIMARY KEY, -- of issuer and jti
	subject    TEXT NOT NULL,
	expires_at TEXT NOT NULL -- of the token
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS {schema.}"{prefix}revoked_tokens_expires_at" ON "{prefix}revoked_tokens" (expires_at);

CREATE TABLE IF NOT EXISTS {refresh_families} (
	id         TEXT NOT NULL PRIMARY KEY, -- sid of access tokens
	tag        TEXT NOT NULL, -- of the subject
	subject    TEXT NOT NULL,
	client_id  TEXT NOT NULL,
	identity   TEXT NOT NULL, -- JSON object
	scopes     TEXT NOT NULL, -- JSON array
	audience   TEXT NOT NULL, -- JSON array
	confirm    TEXT NOT NULL, -- x5t#S256 of the client's certificate
	version    INTEGER NOT NULL, -- of the subject, as of the login
	generation INTEGER NOT NULL,
	key_id     TEXT NOT NULL,
	rotated_at TEXT NOT NULL,
	idle_until TEXT NOT NULL,
	expires_at TEXT NOT NULL,
	revoked_at TEXT
) STRICT;

CREATE INDEX IF NOT EXISTS {schema.}"{prefix}refresh_families_idle_until" ON "{prefix}refresh_families" (idle_until);

-- Never deleted. A subject without a row has version 1 and was never revoked; its first refresh family makes the row.
CREATE TABLE IF NOT EXISTS {token_subjects} (
	subject    TEXT NOT NULL PRIMARY KEY,
	version    INTEGER NOT NULL, -- tokens and families of any other are dead
	revoked_at TEXT -- when version was moved on last
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS {signing_keys} (
	id         TEXT NOT NULL PRIMARY KEY, -- kid
	position   INTEGER NOT NULL UNIQUE, -- the order in which they were added
	algorithm  TEXT NOT NULL,
	public_key BLOB NOT NULL, -- JWK
	sealed_key BLOB NOT NULL, -- PKCS #8, encrypted by the application
	created_at TEXT NOT NULL,
	sign_from  TEXT NOT NULL,
	sign_until TEXT,
	expires_at TEXT
) STRICT;

CREATE INDEX IF NOT EXISTS {schema.}"{prefix}signing_keys_expires_at" ON "{prefix}signing_keys" (expires_at);

CREATE TABLE IF NOT EXISTS {sessions} (
	digest     BLOB NOT NULL PRIMARY KEY, -- of the cookie
	tag        TEXT NOT NULL, -- of the subject, or random of nobody
	id         TEXT NOT NULL, -- public, stays when the cookie changes
	subject    TEXT NOT NULL, -- '' is nobody
	identity   TEXT NOT NULL, -- JSON object
	pending    INTEGER NOT NULL, -- 1: it owes a factor
	data       BLOB NOT NULL, -- JSON of the application, in UTF-8
	revision   INTEGER NOT NULL, -- of data
	remember   INTEGER NOT NULL, -- 1: the cookie outlives the browser
	user_agent TEXT NOT NULL,
	addr       TEXT NOT NULL,
	created_at TEXT NOT NULL,
	seen_at    TEXT NOT NULL,
	idle_until TEXT NOT NULL,
	expires_at TEXT NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS {schema.}"{prefix}sessions_subject" ON "{prefix}sessions" (subject, created_at, id);

CREATE INDEX IF NOT EXISTS {schema.}"{prefix}sessions_idle_until" ON "{prefix}sessions" (idle_until);

-- A row is written to before the sessions of its subject are created, rotated or revoked, as in the other dialects.
CREATE TABLE IF NOT EXISTS {session_subjects} (
	subject    TEXT NOT NULL PRIMARY KEY,
	revoked_at TEXT -- when all sessions were revoked last: an older proof gives no new one
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS {passwords} (
	subject    TEXT NOT NULL PRIMARY KEY,
	name       TEXT NOT NULL UNIQUE, -- in lower case
	hash       TEXT NOT NULL, -- '' is none
	changes    INTEGER NOT NULL, -- of hash
	created_at TEXT NOT NULL,
	changed_at TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS {one_time_tokens} (
	digest     BLOB NOT NULL PRIMARY KEY, -- of the secret
	purpose    TEXT NOT NULL,
	subject    TEXT NOT NULL,
	bound      TEXT NOT NULL, -- to an address, to a hash
	created_at TEXT NOT NULL,
	expires_at TEXT NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS {schema.}"{prefix}one_time_tokens_subject" ON "{prefix}one_time_tokens" (subject, purpose, expires_at);

CREATE INDEX IF NOT EXISTS {schema.}"{prefix}one_time_tokens_expires_at" ON "{prefix}one_time_tokens" (expires_at);

-- A row is written to before the tokens of its subject are counted, as in the other dialects.
CREATE TABLE IF NOT EXISTS {one_time_subjects} (
	subject TEXT NOT NULL PRIMARY KEY,
	ends_at TEXT NOT NULL -- of the last token: then the row may go
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS {schema.}"{prefix}one_time_subjects_ends_at" ON "{prefix}one_time_subjects" (ends_at);

-- One row for each counter. Without it nothing was taken.
CREATE TABLE IF NOT EXISTS {limits} (
	id      BLOB NOT NULL PRIMARY KEY, -- SHA-256 of policy and key
	state   BLOB NOT NULL, -- times in microseconds
	ends_at TEXT NOT NULL -- when nothing is spent any more
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS {schema.}"{prefix}limits_ends_at" ON "{prefix}limits" (ends_at);

-- As limits. The rows of a policy and key are next to each other.
CREATE TABLE IF NOT EXISTS {attempts} (
	id      BLOB NOT NULL PRIMARY KEY, -- SHA-256 of policy and key, then that of sub
	state   BLOB NOT NULL,
	ends_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS {schema.}"{prefix}attempts_ends_at" ON "{prefix}attempts" (ends_at);

-- One row for each subject. What of it is left without a secret goes at ends_at, a year later.
CREATE TABLE IF NOT EXISTS {totps} (
	subject           TEXT NOT NULL PRIMARY KEY,
	changes           INTEGER NOT NULL, -- of the row
	secret            BLOB NOT NULL, -- encrypted by the application; empty is none
	unconfirmed       BLOB NOT NULL, -- as secret: waits for the first code
	enrolled_at       TEXT,
	begins_until      TEXT, -- of unconfirmed
	step              INTEGER NOT NULL, -- the time step of the last code
	recovery          BLOB NOT NULL, -- digests of unused recovery codes, 32 bytes each
	device_epoch      INTEGER NOT NULL,
	code_row          INTEGER NOT NULL, -- wrong codes in a row
	code_recent       INTEGER NOT NULL, -- and since code_recent_at
	code_recent_at    TEXT,
	code_wait_until   TEXT,
	backup_row        INTEGER NOT NULL, -- the same of recovery codes
	backup_recent     INTEGER NOT NULL,
	backup_recent_at  TEXT,
	backup_wait_until TEXT,
	ends_at           TEXT -- NULL: there is a secret
) STRICT;

CREATE INDEX IF NOT EXISTS {schema.}"{prefix}totps_ends_at" ON "{prefix}totps" (ends_at);

-- Service accounts. Never deleted, so that no id gets a new owner.
CREATE TABLE IF NOT EXISTS {oauth_clients} (
	id           TEXT NOT NULL PRIMARY KEY,
	name         TEXT NOT NULL,
	auth_method  TEXT NOT NULL, -- as of RFC 7591
	secrets      TEXT NOT NULL, -- JSON array of digests and times, newest first
	jwks         BLOB NOT NULL, -- JSON; empty is none
	cert_subject TEXT NOT NULL,
	scopes       TEXT NOT NULL, -- JSON array
	audience     TEXT NOT NULL, -- JSON array
	serves       TEXT NOT NULL, -- JSON array
	created_at   TEXT NOT NULL,
	disabled_at  TEXT,
	revision     INTEGER NOT NULL
) STRICT;

-- Tokens for the APIs of other providers.
CREATE TABLE IF NOT EXISTS {provider_tokens} (
	subject  TEXT NOT NULL,
	provider TEXT NOT NULL,
	sealed   BLOB NOT NULL, -- encrypted by the application
	changes  INTEGER NOT NULL, -- of sealed
	PRIMARY KEY (subject, provider)
) STRICT;
