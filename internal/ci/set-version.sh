#!/usr/bin/env bash
# Makes every module of this repository require the released ones at a version.
# Here that changes nothing, since each replaces them by their folders; who gets a
# released module sees its requirements and no replacement.
# Usage: internal/ci/set-version.sh v0.1.0
set -euo pipefail
cd "$(dirname "$0")/../.."
[[ ${1:-} =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || { echo "set-version: a version such as v0.1.0 is wanted" >&2; exit 1; }
while read -r dir; do
  module=$(cd "$dir" && go mod edit -json | sed -n 's/^\t\t"Path": "\(.*\)".*/\1/p' | head -n 1)
  while read -r file; do
    if grep -qE "^(require)?[[:space:]]+$module v" "$file"; then
      go mod edit -require="$module@$1" "$file"
    fi
  done < <(git ls-files 'go.mod' '*/go.mod')
done <internal/ci/released.txt
