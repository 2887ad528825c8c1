#!/usr/bin/env bash
# Prints the coverage of each package of the core module, and fails below 90 %.
# sqlstore and redisstore are covered by the tests against servers, and fail below
# 85 %. The profiles are those that `make tests standalone` leaves.
set -euo pipefail
cd "$(dirname "$0")/../../coverage"
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
      if (percent < (pkg ~ /(sql|redis)store$/ ? 85 : 90)) low = 1
    }
    exit low
  }' core.out servers-1.out servers-2.out | sort -k4
