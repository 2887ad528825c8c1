#!/usr/bin/env bash
# Compares the public API of each released module with its newest tag. What is
# incompatible fails, unless CHANGELOG.md says so under Unreleased, in a line that
# begins "- **Breaking**".
# Usage: internal/ci/apidiff.sh PATH_TO_APIDIFF
set -euo pipefail
cd "$(dirname "$0")/../.."
apidiff=$(realpath "$1")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export GOWORK=off

announced=$(awk '/^## /{on = /^## Unreleased/} on && /^- \*\*Breaking\*\*/' CHANGELOG.md)
failed=
while read -r dir; do
  module=$(cd "$dir" && go list -m)
  prefix=${dir#.} prefix=${prefix:+$prefix/}
  if ! tag=$(git describe --tags --abbrev=0 --match "${prefix}v[0-9]*" 2>/dev/null); then
    if [ "$(git rev-parse --is-shallow-repository)" = true ]; then
      echo "apidiff: NOT COMPARED: $module has no tag in this shallow clone: git fetch --unshallow --tags" >&2
    else
      echo "apidiff $module: no release to compare with"
    fi
    continue
  fi
  old="$tmp/$tag"
  mkdir -p "$old"
  git archive "$tag" | tar --extract --directory="$old"
  (cd "$old/$dir" && "$apidiff" -m -w "$tmp/old.api" "$module") 2>"$tmp/log" || { cat "$tmp/log" >&2; exit 1; }
  (cd "$dir" && "$apidiff" -m -incompatible "$tmp/old.api" "$module") >"$tmp/changes" 2>"$tmp/log" || { cat "$tmp/log" >&2; exit 1; }
  if [ ! -s "$tmp/changes" ]; then
    echo "apidiff $module: compatible with $tag"
  elif [ -n "$announced" ]; then
    printf 'apidiff %s: incompatible with %s, as CHANGELOG.md says\n%s\n' "$module" "$tag" "$(cat "$tmp/changes")"
  else
    printf 'apidiff: %s is incompatible with %s, and CHANGELOG.md has no "- **Breaking**" under Unreleased:\n%s\n' "$module" "$tag" "$(cat "$tmp/changes")" >&2
    failed=yes
  fi
done <internal/ci/released.txt
[ -z "$failed" ]
