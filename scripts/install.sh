#!/usr/bin/env bash
# Installs what scripts/packages.txt, or another list there, names and this machine lacks. As root, or as a user with sudo.
# A line is a package, or a package and a program: who has the program, from wherever, needs no package.
# Nothing to install: does nothing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

missing=()
while read -r package program; do
  [[ -n $package && $package != \#* ]] || continue
  [[ -z $program ]] || ! command -v "$program" >/dev/null || continue
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done <"$here/${1:-packages.txt}"
((${#missing[@]})) || exit 0

as_root=()
[[ $(id -u) == 0 ]] || as_root=(sudo -n)
echo "installing: ${missing[*]}" >&2

# Debian's packages would start servers of their own: a default PostgreSQL cluster, PgBouncer, HAProxy. Not here.
made=()
undo() { for file in "${made[@]}"; do "${as_root[@]}" rm -f "$file"; done; }
trap undo EXIT
if [[ ! -e /etc/postgresql-common/createcluster.conf ]]; then
  "${as_root[@]}" mkdir -p /etc/postgresql-common
  echo 'create_main_cluster = false' | "${as_root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
fi
if [[ ! -e /usr/sbin/policy-rc.d ]]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee /usr/sbin/policy-rc.d >/dev/null
  "${as_root[@]}" chmod 755 /usr/sbin/policy-rc.d
  made+=(/usr/sbin/policy-rc.d)
fi

quiet=$(mktemp)
run() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "$@" >"$quiet" 2>&1 </dev/null || { tail -n 30 "$quiet" >&2; exit 1; }; }
run apt-get update -q
run apt-get install -y -q --no-install-recommends -o Dpkg::Options::=--force-confold "${missing[@]}"
rm -f "$quiet"
