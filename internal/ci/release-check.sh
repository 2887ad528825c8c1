#!/usr/bin/env bash
# Plays a release of this working tree: a repository in a folder of its own gets
# the tags, and a module outside of everything gets the released ones from there
# as go would from GitHub, with no replacement, no workspace and a module cache of
# its own; it builds and runs. Other modules come from the cache that is there.
# Usage: internal/ci/release-check.sh v0.1.0
set -euo pipefail
cd "$(dirname "$0")/../.."
version=${1:-v0.999.0} # one that is never released
repo=github.com/gatehouse-go/authn
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

while read -r dir; do
  (cd "$dir" && GOWORK=off go mod tidy -diff) || { echo "release-check: go mod tidy in $dir" >&2; exit 1; }
done <internal/ci/released.txt

mkdir "$tmp/repo" "$tmp/consumer"
git ls-files -z --cached --others --exclude-standard |
  while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
  tar --create --null --files-from=- | tar --extract --directory="$tmp/repo"

# What only this script's git and go see.
export GIT_CONFIG_GLOBAL="$tmp/gitconfig" GIT_CONFIG_NOSYSTEM=1
cat >"$tmp/gitconfig" <<CONFIG
[user]
	name = release-check
	email = release-check@localhost
[init]
	defaultBranch = main
[url "file://$tmp/repo"]
	insteadOf = https://$repo
CONFIG
GOPROXY="file://$(go env GOMODCACHE)/cache/download,$(go env GOPROXY)"
GOFLAGS="$(go env GOFLAGS) -modcacherw -trimpath"
export GOPROXY GOFLAGS GOWORK=off GOMODCACHE="$tmp/modules" GONOPROXY=$repo GONOSUMDB=$repo

(
  cd "$tmp/repo"
  git init --quiet
  git add --all
  internal/ci/set-version.sh "$version"
  git add --all
  git commit --quiet --message="release $version"
  while read -r dir; do git tag "${dir#.}${dir:+/}$version"; done < <(sed 's/^\.$//' internal/ci/released.txt)
)

cp internal/ci/testdata/consumer/main.go "$tmp/consumer"
cat go.sum store/redisstore/go.sum | sort -u >"$tmp/consumer/go.sum"
goversion=$(go mod edit -json | sed -n 's/^\t"Go": "\(.*\)".*/\1/p')
cd "$tmp/consumer"
go mod init example.com/consumer 2>/dev/null
go mod edit -go="$goversion"
modules=()
while read -r dir; do modules+=("$repo${dir:+/}$dir@$version"); done < <(sed 's/^\.$//' "$tmp/repo/internal/ci/released.txt")
go get "${modules[@]}" >"$tmp/log" 2>&1 || { cat "$tmp/log" >&2; exit 1; }
go vet .
go run .
for m in "${modules[@]}"; do
  at=$(go list -m -f '{{.Version}} {{.Dir}}' "${m%@*}")
  [ "${at%% *}" = "$version" ] || { echo "release-check: ${m%@*} is at ${at%% *}" >&2; exit 1; }
  [ -f "${at#* }/LICENSE" ] || { echo "release-check: $m has no LICENSE" >&2; exit 1; }
  echo "release-check $m: $(du -sh --apparent-size "${at#* }" | cut -f1), builds and runs"
done
