# Where the demo lives; sourced by the scripts beside it. The servers' account must reach it, so it is under /tmp.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
place=${RINGWAY_DEMO_DIR:-/tmp/ringway-demo-$(id -u)}
binary=${RINGWAY_BINARY:-$root/build/ringway}
psql=/usr/lib/postgresql/15/bin/psql
data_port=${RINGWAY_DEMO_DATA_PORT:-6432} mysql_port=${RINGWAY_DEMO_MYSQL_PORT:-6433} admin_port=${RINGWAY_DEMO_ADMIN_PORT:-6434} http_port=${RINGWAY_DEMO_HTTP_PORT:-6480}
app_port=${RINGWAY_DEMO_APP_PORT:-5500}   # and the 2 above it
shop_port=${RINGWAY_DEMO_SHOP_PORT:-5510} # 2 each from here, 10 above and 20 above; and 22 above, for add_shard.sh
market_port=${RINGWAY_DEMO_MARKET_PORT:-5540} # and the 2 above it

running() { # PIDFILE
  [[ -e $1 ]] && kill -0 "$(cat "$1")" 2>/dev/null
}

# The files beside this one name the usual ports and @PLACES@: gives a file as it is here.
as_it_is_here() { # FILE
  local from=() to=() pair
  for pair in 6432:$data_port 6433:$mysql_port 6434:$admin_port 6480:$http_port \
    5500:$app_port 5501:$((app_port + 1)) 5502:$((app_port + 2)) 5510:$shop_port 5511:$((shop_port + 1)) \
    5540:$market_port 5541:$((market_port + 1)) 5542:$((market_port + 2)) \
    5520:$((shop_port + 10)) 5521:$((shop_port + 11)) 5530:$((shop_port + 20)) 5531:$((shop_port + 21)); do
    from+=(-e "s#\b${pair%:*}\b#@${pair%:*}@#g") # all are marked before the first is replaced
    to+=(-e "s#@${pair%:*}@#${pair#*:}#g")
  done
  sed "${from[@]}" "${to[@]}" -e "s#@ROOT@#$root#g" -e "s#@PLACE@#$place#g" -e "s#@RINGWAY@#$binary#g" "$1"
}
