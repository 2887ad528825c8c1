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
echo '| package | target | executions without a finding | inputs of its corpus |'
echo '|---|---|---:|---:|'
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
    (cd "$dir" && "$binary" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$time" -test.fuzzcachedir "$cache/$package") >"$log" 2>&1 || { cat "$log"; exit 1; }
    # fuzz: elapsed: 2s, execs: 20000 (9950/sec), new interesting: 1 (total: 31)
    sed -n 's/^fuzz: elapsed: .* execs: \([0-9]*\) .*(total: \([0-9]*\))$/\1 | \2 |/p' "$log" | tail -n 1 | sed "s#^#| $dir | $target | #"
    targets=$((targets + 1))
  done
done < <(git ls-files '*_test.go' | xargs -r -n1 dirname | sort -u)
[ "$targets" -gt 0 ] || { echo "fuzz: no targets found" >&2; exit 1; }
