# Where the demo lives; sourced by the scripts beside it. The servers' account must reach it, so it is under /tmp.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
place=${RINGWAY_DEMO_DIR:-/tmp/ringway-demo-$(id -u)}
binary=${RINGWAY_BINARY:-$root/build/ringway}
psql=/usr/lib/postgresql/15/bin/psql
app_port=5500 shop_port=5510 data_port=6432 admin_port=6434 http_port=6480

running() { # PIDFILE
  [[ -e $1 ]] && kill -0 "$(cat "$1")" 2>/dev/null
}
