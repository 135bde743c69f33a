#!/usr/bin/env bash
# PostgreSQL shards with streaming replicas on free loopback ports, in one directory; for tests and the demo.
#
#   pg_cluster.sh up DIR [SHARDS=1] [REPLICAS=0]   DIR is made; then DIR/nodes lists: SHARD ROLE HOST PORT DATADIR
#   pg_cluster.sh status DIR                       one line a node: role now, position
#   pg_cluster.sh ctl DIR PORT ARGUMENTS...        pg_ctl for the node on PORT: stop -m immediate | start | promote
#   pg_cluster.sh down DIR                         stops every node and removes DIR
#
# Shards are s0, s1, ...; shard i's primary listens on BASE+10*i, its replica j on BASE+10*i+j. ROLE is the role at birth.
# Environment:
#   PG_BASE_PORT  fixed BASE [a free one is looked for]     PG_AUTH      trust | md5 | scram-sha-256 | ... [trust]
#   PG_SUPERUSER  [postgres]   PG_PASSWORD  [postgres]      PG_DATABASES databases to make on every shard [none]
#   PG_MAX_CONNECTIONS  [100]                               PG_DURABLE   1 keeps fsync on [0]
#   PG_EXTRA      more lines for postgresql.conf            PG_HBA       lines that stand first in pg_hba.conf
#   PG_INIT_SQL   file run on every primary, in each of PG_DATABASES (else in "postgres")
#   PG_BIN        [/usr/lib/postgresql/15/bin]              PG_RUN_AS    account for the servers when we are root [postgres]
set -euo pipefail

bin=${PG_BIN:-/usr/lib/postgresql/15/bin}
run_as=${PG_RUN_AS:-postgres}
superuser=${PG_SUPERUSER:-postgres}
export PGPASSWORD=${PG_PASSWORD:-postgres} PGCONNECT_TIMEOUT=10
auth=${PG_AUTH:-trust}

die() { echo "pg_cluster: $*" >&2; exit 1; }

# PostgreSQL refuses to run as root.
as() {
  if [[ $(id -u) == 0 ]]; then (cd / && exec runuser -u "$run_as" -- "$@"); else (cd / && exec "$@"); fi
}

sql() { # PORT DATABASE psql-arguments...
  local port=$1 database=$2
  shift 2
  "$bin/psql" -X -q -At -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U "$superuser" -d "$database" "$@"
}

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Sets `base` so that all ports of the cluster are free, and keeps it from others who look at the same time.
find_base() { # SHARDS REPLICAS
  local try i j
  if [[ -n ${PG_BASE_PORT:-} ]]; then base=$PG_BASE_PORT; return; fi
  for ((try = 0; try < 200; try++)); do
    base=$((20000 + (RANDOM % 110) * 100))
    mkdir "/tmp/.ringway_ports.$base" 2>/dev/null || continue
    for ((i = 0; i < $1; i++)); do
      for ((j = 0; j <= $2; j++)); do
        if taken $((base + 10 * i + j)); then rmdir "/tmp/.ringway_ports.$base"; continue 3; fi
      done
    done
    echo "/tmp/.ringway_ports.$base" >"$dir/ports"
    return
  done
  die "no free ports"
}

write_settings() { # DATADIR PORT
  as tee -a "$1/postgresql.conf" >/dev/null <<CONF
listen_addresses = '127.0.0.1'
port = $2
unix_socket_directories = ''
max_connections = ${PG_MAX_CONNECTIONS:-100}
shared_buffers = 64MB
wal_level = logical
max_wal_senders = 20
max_replication_slots = 20
max_prepared_transactions = 50
wal_keep_size = 256MB
wal_retrieve_retry_interval = 200ms
hot_standby_feedback = on
jit = off
fsync = $([[ ${PG_DURABLE:-0} == 1 ]] && echo on || echo off)
${PG_EXTRA:-}
CONF
}

start_node() { # DATADIR
  as "$bin/pg_ctl" -D "$1" -s -w -t 60 -l "$1.log" start </dev/null >/dev/null 2>&1 ||
    { tail -n 20 "$1.log" >&2; die "no start: $1"; }
}

make_primary() { # DATADIR PORT
  as "$bin/initdb" -D "$1" -U "$superuser" -A "$auth" --pwfile="$dir/password" -E UTF8 --locale=C.UTF-8 \
    --no-sync --no-instructions >/dev/null
  if [[ -n ${PG_HBA:-} ]]; then
    printf '%s\n' "$PG_HBA" | as sh -c "cat - '$1/pg_hba.conf' >'$1/hba.new' && mv '$1/hba.new' '$1/pg_hba.conf'"
  fi
  write_settings "$1" "$2"
  start_node "$1"
}

fill_primary() { # PORT
  local database
  for database in ${PG_DATABASES:-}; do sql "$1" postgres -c "CREATE DATABASE \"$database\""; done
  [[ -n ${PG_INIT_SQL:-} ]] || return 0
  for database in ${PG_DATABASES:-postgres}; do sql "$1" "$database" -f "$PG_INIT_SQL" >/dev/null; done
}

make_replica() { # DATADIR PORT PRIMARY_PORT NAME
  PGPASSWORD=$PGPASSWORD as "$bin/pg_basebackup" -D "$1" -R -X stream -c fast --no-sync \
    -d "host=127.0.0.1 port=$3 user=$superuser application_name=$4"
  as sh -c "echo 'port = $2' >>'$1/postgresql.conf'"
  start_node "$1"
}

make_shard() { # NUMBER REPLICAS
  local port=$((base + 10 * $1)) j waits=()
  make_primary "$dir/s$1n0" "$port"
  fill_primary "$port"
  for ((j = 1; j <= $2; j++)); do
    make_replica "$dir/s$1n$j" $((port + j)) "$port" "s$1n$j" &
    waits+=($!)
  done
  for j in "${waits[@]}"; do wait "$j"; done
}

up() { # SHARDS REPLICAS
  [[ ! -e $dir/nodes ]] || die "already up in $dir"
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  find_base "$1" "$2"
  printf '%s\n' "$PGPASSWORD" >"$dir/password"
  local i j waits=()
  for ((i = 0; i < $1; i++)); do
    for ((j = 0; j <= $2; j++)); do
      echo "s$i $([[ $j == 0 ]] && echo primary || echo replica) 127.0.0.1 $((base + 10 * i + j)) $dir/s${i}n$j"
    done
  done >"$dir/nodes"
  if [[ $(id -u) == 0 ]]; then chown -R "$run_as" "$dir"; fi
  trap '[[ $? == 0 ]] || down' EXIT
  for ((i = 0; i < $1; i++)); do
    make_shard "$i" "$2" &
    waits+=($!)
  done
  for i in "${waits[@]}"; do wait "$i" || die "shard did not come up"; done
  cat "$dir/nodes"
}

data_of() { # PORT
  awk -v port="$1" '$4 == port { print $5 }' "$dir/nodes"
}

status() {
  local shard role host port data
  while read -r shard role host port data; do
    echo "$shard $host:$port $(sql "$port" postgres -c "SELECT CASE WHEN pg_is_in_recovery() THEN 'replica ' || pg_last_wal_replay_lsn() ELSE 'primary ' || pg_current_wal_insert_lsn() END" 2>/dev/null || echo down)"
  done <"$dir/nodes"
}

ctl() { # PORT pg_ctl-arguments...
  local data port=$1
  shift
  data=$(data_of "$port")
  [[ -n $data ]] || die "no node on port $port"
  as "$bin/pg_ctl" -D "$data" -s -w -t 60 -l "$data.log" "$@" </dev/null >/dev/null
}

down() {
  local data waits=() one
  if [[ -e $dir/nodes ]]; then
    # Replicas too at once: immediate, for nothing here outlives the directory.
    for data in $(awk '{ print $5 }' "$dir/nodes"); do
      [[ -e $data/postmaster.pid ]] || continue
      one=$(head -n 1 "$data/postmaster.pid")
      kill -CONT "$one" 2>/dev/null || true
      as "$bin/pg_ctl" -D "$data" -s -m immediate -w -t 30 stop </dev/null >/dev/null 2>&1 &
      waits+=($!)
    done
    for one in "${waits[@]}"; do wait "$one" || true; done
  fi
  if [[ -e $dir/ports ]]; then rmdir "$(cat "$dir/ports")" 2>/dev/null || true; fi
  rm -rf "$dir"
}

command=${1:-} dir=${2:-}
[[ -n $dir ]] || { sed -n '2,18p' "$0" | sed 's/^# \{0,1\}//'; exit 2; }
shift 2
case $command in
  up) up "${1:-1}" "${2:-0}" ;;
  status) status ;;
  ctl) ctl "$@" ;;
  down) down ;;
  *) die "unknown command $command" ;;
esac
