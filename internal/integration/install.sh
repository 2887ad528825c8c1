#!/usr/bin/env bash
# Installs the servers and proxies that the integration tests start, node,
# Chromium, clients for TLS, and the tools that they exchange password hashes and
# one-time codes with, where that is possible: as root, on Debian and its kin, and
# only what is missing. The tests start servers of their own and use no daemon of
# the packages.
set -euo pipefail

missing=()
have() { command -v "$1" >/dev/null 2>&1; }

have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
have mariadbd || [[ -x /usr/sbin/mariadbd ]] || missing+=(mariadb-server)
have redis-server || missing+=(redis-server)
# For the peers in node, of which npm gets what their package-lock.json name.
have node || missing+=(nodejs)
have npm || missing+=(npm)
# For chromium_*_test.go and totp_interop_test.go.
have chromium || missing+=(chromium)
# For mtls_*_test.go.
have nginx || [[ -x /usr/sbin/nginx ]] || missing+=(nginx)
have haproxy || [[ -x /usr/sbin/haproxy ]] || missing+=(haproxy)
have curl || missing+=(curl)
have openssl || missing+=(openssl)
# For password_interop_test.go.
have argon2 || missing+=(argon2)
have htpasswd || missing+=(apache2-utils)
for module in passlib django argon2 bcrypt; do
	/usr/bin/python3 -c "import $module" 2>/dev/null || missing+=("python3-$module")
done
# For totp_interop_test.go.
have oathtool || missing+=(oathtool)
have zbarimg || missing+=(zbar-tools)

if [[ ${#missing[@]} -eq 0 ]]; then
	exit 0
fi
if [[ $(id -u) -ne 0 ]] || ! have apt-get; then
	echo "install.sh: missing: ${missing[*]}: install them as root, or their tests are skipped" >&2
	exit 0
fi
echo "install.sh: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get install -y --no-install-recommends "${missing[@]}" >/dev/null ||
	{ apt-get update >/dev/null && apt-get install -y --no-install-recommends "${missing[@]}" >/dev/null; } ||
	echo "install.sh: could not install ${missing[*]}: their tests are skipped" >&2
