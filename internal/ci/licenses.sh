#!/usr/bin/env bash
# Writes into docs/licenses.md what programs link beside the released modules,
# and fails when a licence is none of those that a host may take without asking.
# Usage: internal/ci/licenses.sh PATH_TO_GO_LICENSES
set -euo pipefail
cd "$(dirname "$0")/../.."
licenses=$(realpath "$1")
allowed='Apache-2.0|BSD-2-Clause|BSD-3-Clause|ISC|MIT'
page=docs/licenses.md
ours=github.com/gatehouse-go/authn
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export GOWORK=off

printf '{{range .}}{{.Name}} {{.Version}} {{.LicenseName}}\n{{end}}' >"$tmp/template"
while read -r dir; do
  (cd "$dir" && "$licenses" report --template="$tmp/template" --ignore="$ours" ./...) >"$tmp/report" 2>"$tmp/log" || { cat "$tmp/log" >&2; exit 1; }
  printf '\n### %s\n\n| what | version | licence |\n|---|---|---|\n' "$(cd "$dir" && go list -m)"
  sed '/^$/d; s/ / | /g; s/.*/| & |/' "$tmp/report" | LC_ALL=C sort
done <internal/ci/released.txt >"$tmp/tables"

grep '^| [a-z]*[./]' "$tmp/tables" | grep -vE "\| ($allowed) \|\$" >"$tmp/refused" || true
if [ -s "$tmp/refused" ]; then
  echo "licenses: none of $allowed:" >&2
  cat "$tmp/refused" >&2
  exit 1
fi
awk -v tables="$tmp/tables" '
  /^<!-- end -->/ { while ((getline line < tables) > 0) print line; print ""; skip = 0 }
  !skip
  /^<!-- make licenses -->/ { skip = 1 }
' "$page" >"$tmp/page"
cp "$tmp/page" "$page"
