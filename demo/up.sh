#!/usr/bin/env bash
# Starts three real clusters and the proxy in front of them, and says what to try. Run again: says it again.
# RINGWAY_DEMO_DIR and RINGWAY_DEMO_{DATA,MYSQL,ADMIN,HTTP,APP,SHOP,MARKET}_PORT move it elsewhere.
set -euo pipefail
source "$(dirname "$0")/place.sh"
cluster=$root/tests/servers/pg_cluster.sh

say_what_to_try() { as_it_is_here "$root/demo/lines.txt"; }

if running "$place/ringway.pid"; then
  say_what_to_try
  exit 0
fi
"$root/demo/down.sh" quietly
for port in $data_port $mysql_port $admin_port $http_port $((market_port)) $((market_port + 1)) $((market_port + 2)) $((app_port)) $((app_port + 1)) $((app_port + 2)) \
  $((shop_port)) $((shop_port + 1)) $((shop_port + 10)) $((shop_port + 11)) $((shop_port + 20)) $((shop_port + 21)) $((shop_port + 22)); do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "demo: port $port is taken by another program; the demo needs it" >&2
    exit 1
  fi
done
mkdir -p "$place"
chmod 755 "$place"
export PG_SUPERUSER=app PG_PASSWORD=demo PG_AUTH=scram-sha-256 PG_MAX_CONNECTIONS=100

echo "starting 3 clusters: app (1 shard, 2 replicas), shop (3 shards, 1 replica each), market (MariaDB, 2 replicas) ..."
PG_BASE_PORT=$app_port PG_DATABASES=app PG_INIT_SQL=$root/demo/app.sql "$cluster" up "$place/app" 1 2 >"$place/app.log" 2>&1 &
first=$!
PG_BASE_PORT=$shop_port PG_DATABASES=shop PG_INIT_SQL=$root/demo/shop.sql "$cluster" up "$place/shop" 3 1 >"$place/shop.log" 2>&1 &
second=$!
MY_BASE_PORT=$market_port MY_PASSWORD=demo MY_DATABASES=market MY_INIT_SQL=$root/demo/market.sql \
  "$root/tests/servers/my_cluster.sh" up "$place/market" 1 2 >"$place/market.log" 2>&1 &
third=$!
wait $first || { cat "$place/app.log" >&2; exit 1; }
wait $second || { cat "$place/shop.log" >&2; exit 1; }
wait $third || { cat "$place/market.log" >&2; exit 1; }

as_it_is_here "$root/demo/ringway.toml" >"$place/ringway.toml"
"$binary" init --config "$place/ringway.toml" --cluster shop >"$place/init.log" 2>&1 || { cat "$place/init.log" >&2; exit 1; }
setsid "$binary" --config "$place/ringway.toml" >"$place/ringway.log" 2>&1 </dev/null &
echo $! >"$place/ringway.pid"
for ((i = 0; i < 150; i++)); do
  running "$place/ringway.pid" || { cat "$place/ringway.log" >&2; exit 1; }
  if PGPASSWORD=demo PGCONNECT_TIMEOUT=5 $psql -X -h 127.0.0.1 -p $data_port -U app -d shop -Atc 'SELECT 1' >/dev/null 2>&1 &&
    [[ $(PGPASSWORD=demo $psql -X -h 127.0.0.1 -p $admin_port -U admin -d ringway -Atc 'SHOW LAG' 2>/dev/null | grep -c '|up|') == 12 ]] &&
    MYSQL_PWD=demo mysql --no-defaults -h 127.0.0.1 -P $mysql_port -u app market -e 'SELECT 1' >/dev/null 2>&1; then
    break
  fi
  sleep 0.2
done
if ((i == 150)); then echo "demo: the proxy is not ready after 30 s; its log is $place/ringway.log" >&2; exit 1; fi

# Some rows, written through the proxy like any application would.
PGPASSWORD=demo $psql -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p $data_port -U app -d shop -f "$root/demo/rows.sql" >"$place/rows.log" 2>&1 || { cat "$place/rows.log" >&2; exit 1; }
say_what_to_try
