#!/usr/bin/env bash
# Runs every fuzz target of the workspace for some executions. A target without a
# committed corpus fails: an empty one would find nothing new, ever. A package is
# linked once for all its targets, which go test would do for each.
# Usage: internal/ci/fuzz.sh 20000x
set -euo pipefail
cd "$(dirname "$0")/../.."
time=${1:-20000x}
cache=$(go env GOCACHE)/fuzz
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
log=$temp/log
targets=0
while read -r dir; do
  binary=
  for target in $(cd "$dir" && grep -hoE '^func Fuzz[A-Za-z0-9_]+' ./*_test.go 2>/dev/null | awk '{print $2}'); do
    if ! compgen -G "$dir/testdata/fuzz/$target/*" >/dev/null; then
      echo "fuzz: $dir: $target has no corpus in testdata/fuzz/$target" >&2
      exit 1
    fi
    if [ -z "$binary" ]; then
      binary=$temp/fuzz.test
      # -fuzz has the code instrumented that guides the fuzzer.
      (cd "$dir" && go test -c -fuzz=. -o "$binary" .)
      package=$(cd "$dir" && go list .)
    fi
    echo "fuzz $dir $target"
    (cd "$dir" && "$binary" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$time" -test.fuzzcachedir "$cache/$package") >"$log" 2>&1 || { cat "$log"; exit 1; }
    grep '^fuzz: elapsed' "$log" | tail -n 1
    targets=$((targets + 1))
  done
done < <(git ls-files '*_test.go' | xargs -r -n1 dirname | sort -u)
[ "$targets" -gt 0 ] || { echo "fuzz: no targets found" >&2; exit 1; }
