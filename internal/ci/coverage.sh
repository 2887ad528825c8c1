#!/usr/bin/env bash
# Prints the coverage of each package of the core module, by all tests of the
# module, and fails below 90 %.
set -euo pipefail
cd "$(dirname "$0")/../.."
profile=$(mktemp)
trap 'rm -f "$profile" "$profile.out"' EXIT
go test -coverpkg=./... -coverprofile="$profile" ./... >"$profile.out" || { cat "$profile.out" >&2; exit 1; }
# A block that several test binaries report counts once, covered if any of them ran it.
awk '
  /^mode:/ { next }
  { split($1, at, ":"); n[$1] = $2; if ($3 > 0) hit[$1] = 1 }
  END {
    for (block in n) {
      pkg = block; sub(/\/[^\/]*$/, "", pkg)
      total[pkg] += n[block]; if (hit[block]) covered[pkg] += n[block]
    }
    for (pkg in total) {
      percent = 100 * covered[pkg] / total[pkg]
      printf "coverage %5.1f %%  %s\n", percent, pkg
      # The SQL stores are covered by the integration module, against servers.
      if (percent < 90 && pkg !~ /sqlstore$/) low = 1
    }
    exit low
  }' "$profile" | sort -k4
