#!/usr/bin/env bash
# Prints the coverage of each package of the core module, by all tests of the
# module, and fails below 90 %. sqlstore and redisstore are covered by the tests
# against servers, and fail below 85 %.
set -euo pipefail
cd "$(dirname "$0")/../.."
profile=$(mktemp)
trap 'rm -f "$profile" "$profile.servers" "$profile.out"' EXIT
packages=$(go list -f '{{if ne .Name "main"}}{{.ImportPath}}{{end}}' ./... | paste -sd, -)
go test -coverpkg="$packages" -coverprofile="$profile" ./... >"$profile.out" || { cat "$profile.out" >&2; exit 1; }
# Without what takes long and covers nothing more: processes, failovers, costs,
# peers, browsers.
stores=github.com/gatehouse-go/authn/store
(cd internal/integration && go test -timeout=30m -coverpkg=$stores/sqlstore,$stores/redisstore -coverprofile="$profile.servers" \
  -skip 'Process|Failover|Cost|Killed|AnyOptions|Quickstart|Jose|KeysRotate|AcrossARevocation|RequestsRaces|Browser|BackShows|Interop|EmbeddedList|CommonPasswords|Replay' .) >"$profile.out" || { cat "$profile.out" >&2; exit 1; }
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
  }' "$profile" "$profile.servers" | sort -k4
