#!/usr/bin/env bash
# Ends the demo: the proxy by its pid, the servers by theirs; removes its folder.
set -euo pipefail
source "$(dirname "$0")/place.sh"
if running "$place/ringway.pid"; then
  pid=$(cat "$place/ringway.pid")
  kill "$pid"
  for ((i = 0; i < 100; i++)); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  kill -9 "$pid" 2>/dev/null || true
fi
if running "$place/load.pid"; then kill "$(cat "$place/load.pid")" 2>/dev/null || true; fi
for one in app shop more; do
  if [[ -e $place/$one/nodes ]]; then PG_SUPERUSER=app PG_PASSWORD=demo "$root/tests/servers/pg_cluster.sh" down "$place/$one"; fi
done
if [[ -e $place/market/nodes ]]; then "$root/tests/servers/my_cluster.sh" down "$place/market"; fi
rm -rf "$place"
[[ ${1:-} == quietly ]] || echo "the demo has ended"
