#!/usr/bin/env bash
# Starts a fourth server for the demo's cluster shop, adds it to the demo's file with a weight that is a third of the ring, and RELOADs.
# A little load then runs for two minutes: orders of random users, read and written.
set -euo pipefail
source "$(dirname "$0")/place.sh"
running "$place/ringway.pid" || { echo "demo: it does not run; make demo starts it" >&2; exit 1; }
export PG_SUPERUSER=app PG_PASSWORD=demo PG_AUTH=scram-sha-256 PGPASSWORD=demo
port=$((shop_port + 22))
if [[ ! -e $place/more/nodes ]]; then
  PG_BASE_PORT=$port PG_DATABASES=shop "$root/tests/servers/pg_cluster.sh" up "$place/more" 1 0 >"$place/more.log" 2>&1 ||
    { cat "$place/more.log" >&2; exit 1; }
fi
grep -q '^s3 = ' "$place/ringway.toml" ||
  sed -i "/^s2 = .*:$((shop_port + 20))/a s3 = { nodes = [\"127.0.0.1:$port\"], weight = 1.5 }" "$place/ringway.toml"
"$binary" admin --config "$place/ringway.toml" RELOAD >/dev/null
cat >"$place/load.sql" <<'SQL'
\set user random(1, 2000)
\set order random(1000000, 2000000000)
INSERT INTO orders VALUES (:order, :user, 'pen', 1) ON CONFLICT DO NOTHING;
SELECT count(*) FROM orders WHERE user_id = :user;
SQL
setsid "$(dirname "$psql")/pgbench" -n -f "$place/load.sql" -c 4 -T 120 -R 200 -h 127.0.0.1 -p "$data_port" -U app shop \
  >"$place/load.log" 2>&1 </dev/null &
echo $! >"$place/load.pid"
echo "shard s3 is at 127.0.0.1:$port; a load runs for two minutes. Now:"
echo "  $binary admin --config $place/ringway.toml \"REBALANCE shop\" --follow"
echo "  $binary admin --config $place/ringway.toml \"SHOW REBALANCE\""
