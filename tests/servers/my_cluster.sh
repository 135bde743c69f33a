#!/usr/bin/env bash
# MariaDB or MySQL primaries with GTID replicas for tests, on free loopback ports below 32768, in a directory of their own.
#
#   my_cluster.sh up DIR [SHARDS=1] [REPLICAS=0]    prints its nodes: SHARD ROLE HOST PORT DATADIR
#   my_cluster.sh stop DIR PORT [kill]              ends one server: kill is -9
#   my_cluster.sh start DIR PORT
#   my_cluster.sh down DIR                          ends all servers, by pid, and removes the directory
#
# Environment:
#   MY_SERVER     mariadb, or mysql-5.6: /opt/ringway/mysql-5.6 (scripts/install_mysql.sh) [mariadb]
#   MY_DATABASES  databases to make on every primary [shop]     MY_EXTRA  more lines for [mariadbd]
#   MY_INIT_SQL   file run on every primary, in the first of MY_DATABASES
#   MY_RUN_AS     account for the servers when we are root [mysql]
#   MY_BASE_PORT  of the first primary; replicas follow, each shard is 10 above the one before   MY_PASSWORD  of app [app]
# Users: root (no password, all hosts), app and monitor/monitor; of MariaDB ed too.
set -euo pipefail

run_as=${MY_RUN_AS:-mysql}
here=$(cd "$(dirname "$0")" && pwd)
die() { echo "my_cluster: $*" >&2; exit 1; }

as() {
  if [[ $(id -u) == 0 ]]; then (cd / && exec runuser -u "$run_as" -- "$@"); else (cd / && exec "$@"); fi
}
taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
sql() { # PORT mariadb-arguments...
  local port=$1
  shift
  mariadb --no-defaults --protocol=tcp -h 127.0.0.1 -P "$port" -u root -N -B "$@"
}

program() { echo mariadbd; }

find_base() { # SHARDS REPLICAS
  local try i j
  base=${MY_BASE_PORT:-0}
  if ((base)); then return; fi
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

# A tmpdir of each its own: a server that starts deletes the temporary tables (#sql*) it finds there, and another server
# whose table that was then crashes.
shared_settings() { # DATADIR PORT SERVER_ID
  cat <<CONF
datadir = $1
tmpdir = $1.tmp
socket = $1.sock
pid-file = $1.pid
log-error = $1.log
bind-address = 127.0.0.1
port = $2
server-id = $3
log-bin = binlog
log-slave-updates = ON
binlog-format = ROW
skip-name-resolve
performance-schema = OFF
max-connections = 500
max-allowed-packet = 256M
slave-max-allowed-packet = 1G
innodb-buffer-pool-size = 64M
innodb-flush-log-at-trx-commit = 0
sync-binlog = 0
innodb-use-native-aio = OFF
innodb-lock-wait-timeout = 5
local-infile = ON
log-bin-trust-function-creators = ON
CONF
}

write_settings() { # DATADIR PORT SERVER_ID DOMAIN
  as tee "$1.cnf" >/dev/null <<CONF
[mariadbd]
$(shared_settings "$@")
gtid-domain-id = $4
innodb-log-file-size = 32M
plugin-load-add = auth_ed25519
${MY_EXTRA:-}
CONF
}

start_node() { # DATADIR PORT
  local i
  as mkdir -p "$1.tmp"
  if [[ $(id -u) == 0 ]]; then
    (cd / && setsid runuser -u "$run_as" -- "$(program)" --defaults-file="$1.cnf" </dev/null >/dev/null 2>&1 &)
  else
    (cd / && setsid "$(program)" --defaults-file="$1.cnf" </dev/null >/dev/null 2>&1 &)
  fi
  for ((i = 0; i < 600; i++)); do
    sql "$2" -e 'SELECT 1' >/dev/null 2>&1 && return
    sleep 0.1
  done
  tail -n 20 "$1.log" >&2
  die "no start: $1"
}

# Once, and copied for each node. Seen to fail one time in twenty on a busy machine: tried again.
make_template() {
  local try
  for try in 1 2 3; do
    as rm -rf "$dir/template"
    as mkdir -p "$dir/template"
    as mariadb-install-db --no-defaults --datadir="$dir/template" --auth-root-authentication-method=normal --skip-test-db \
      --innodb-use-native-aio=OFF --innodb-log-file-size=32M >"$dir/install.log" 2>&1 && return
  done
  tail -n 60 "$dir/install.log" >&2
  die "no install in $dir/template"
}

make_node() { # DATADIR PORT SERVER_ID DOMAIN
  as cp -a "$dir/template" "$1"
  write_settings "$@"
  as bash -c "cd / && echo \"SET sql_log_bin = 0; CREATE USER root@'127.0.0.1'; GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION; GRANT PROXY ON ''@'%' TO root@'127.0.0.1' WITH GRANT OPTION\" >'$1.init'"
  echo "init-file = $1.init" >>"$1.cnf"
  start_node "$1" "$2"
  sed -i '/^init-file/d' "$1.cnf"
}

make_users() { # PORT
  sql "$1" -e "CREATE USER app@'%' IDENTIFIED BY '${MY_PASSWORD:-app}'; GRANT ALL ON *.* TO app@'%';
    REVOKE SUPER, READ_ONLY ADMIN ON *.* FROM app@'%';
    CREATE USER monitor@'%' IDENTIFIED BY 'monitor'; GRANT SELECT, SHOW VIEW, TRIGGER, EXECUTE, REPLICATION SLAVE, SLAVE MONITOR, BINLOG MONITOR ON *.* TO monitor@'%';
    CREATE USER ed@'%' IDENTIFIED VIA ed25519 USING PASSWORD('ed'); GRANT ALL ON *.* TO ed@'%'"
}

follow() { # REPLICA_PORT PRIMARY_PORT
  sql "$1" -e "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=$2, MASTER_USER='monitor',
    MASTER_PASSWORD='monitor', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos; SET GLOBAL read_only=1; START SLAVE"
}

make_shard() { # NUMBER REPLICAS
  local port=$((base + 10 * $1)) j one waits=()
  make_node "$dir/s$1n0" "$port" $((100 * ($1 + 1))) "$1" &
  waits+=($!)
  for ((j = 1; j <= $2; j++)); do
    make_node "$dir/s$1n$j" $((port + j)) $((100 * ($1 + 1) + j)) "$1" &
    waits+=($!)
  done
  for one in "${waits[@]}"; do wait "$one"; done
  make_users "$port"
  local database
  for database in ${MY_DATABASES:-shop}; do sql "$port" -e "CREATE DATABASE \`$database\`"; done
  if [[ -n ${MY_INIT_SQL:-} ]]; then
    database=${MY_DATABASES:-shop}
    sql "$port" "${database%% *}" <"$MY_INIT_SQL"
  fi
  for ((j = 1; j <= $2; j++)); do
    follow $((port + j)) "$port"
    echo 'read-only = ON' >>"$dir/s$1n$j.cnf"  # after a crash too
  done
}

up() { # SHARDS REPLICAS
  [[ ! -e $dir/nodes ]] || die "already up in $dir"
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  find_base "$1" "$2"
  local i j waits=()
  for ((i = 0; i < $1; i++)); do
    for ((j = 0; j <= $2; j++)); do
      echo "s$i $([[ $j == 0 ]] && echo primary || echo replica) 127.0.0.1 $((base + 10 * i + j)) $dir/s${i}n$j"
    done
  done >"$dir/nodes"
  if [[ $(id -u) == 0 ]]; then chown -R "$run_as" "$dir"; fi
  trap '[[ $? == 0 ]] || down' EXIT
  make_template
  for ((i = 0; i < $1; i++)); do
    make_shard "$i" "$2" &
    waits+=($!)
  done
  for i in "${waits[@]}"; do wait "$i" || die "shard did not come up"; done
  cat "$dir/nodes"
}

data_of() { awk -v port="$1" '$4 == port { print $5 }' "$dir/nodes"; }

stop_node() { # DATADIR SIGNAL
  local pid i
  pid=$(cat "$1.pid" 2>/dev/null || true)
  [[ -n $pid ]] || return 0
  kill -CONT "$pid" 2>/dev/null || true
  kill "-$2" "$pid" 2>/dev/null || true
  for ((i = 0; i < 300; i++)); do
    [[ -d /proc/$pid ]] || { rm -f "$1.pid"; return 0; }
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
}

down() {
  local data waits=() one
  if [[ -e $dir/nodes ]]; then
    for data in $(awk '{ print $5 }' "$dir/nodes"); do stop_node "$data" KILL & waits+=($!); done
    for one in "${waits[@]}"; do wait "$one" || true; done
  fi
  if [[ -e $dir/ports ]]; then rmdir "$(cat "$dir/ports")" 2>/dev/null || true; fi
  rm -rf "$dir"
}

# Another server's way of doing the above.
if [[ ${MY_SERVER:-mariadb} != mariadb ]]; then source "$here/${MY_SERVER}.sh"; fi

command=${1:-} dir=${2:-}
[[ -n $dir ]] || { sed -n '2,14p' "$0" | sed 's/^# \{0,1\}//'; exit 2; }
shift 2
case $command in
  up) up "${1:-1}" "${2:-0}" ;;
  stop) data=$(data_of "$1"); [[ -n $data ]] || die "no node on port $1"; stop_node "$data" "$([[ ${2:-} == kill ]] && echo KILL || echo TERM)" ;;
  start) data=$(data_of "$1"); [[ -n $data ]] || die "no node on port $1"; start_node "$data" "$1" ;;
  down) down ;;
  *) die "unknown command $command" ;;
esac
