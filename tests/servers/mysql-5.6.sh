# Of my_cluster.sh: what is otherwise with Oracle's MySQL 5.6.

home=/opt/ringway/mysql-5.6
program() { echo "$home/mysqld"; }
[[ -x $home/mysqld ]] || die "no $home: scripts/install_mysql.sh installs it"

write_settings() { # DATADIR PORT SERVER_ID DOMAIN
  as tee "$1.cnf" >/dev/null <<CONF
[mysqld]
$(shared_settings "$@")
basedir = $home
lc-messages-dir = $home/share
character-sets-dir = $home/share/charsets
gtid-mode = ON
enforce-gtid-consistency = ON
relay-log = relay
innodb-log-file-size = 48M
innodb-stats-persistent = OFF
explicit-defaults-for-timestamp = ON
${MY_EXTRA:-}
CONF
}

make_template() {
  as cp -r "$home/data" "$dir/template"
  as rm -f "$dir/template/auto.cnf"
  as rm -rf "$dir/template/test"
}

make_node() { # DATADIR PORT SERVER_ID DOMAIN
  as cp -r "$dir/template" "$1"
  write_settings "$@"
  # What the package's data directory has of users is not what a test wants; without a word in the binary log.
  as bash -c "cd / && printf '%s\n' 'SET sql_log_bin = 0;' 'DELETE FROM mysql.user;' 'DELETE FROM mysql.db;' \
    'FLUSH PRIVILEGES;' 'GRANT ALL ON *.* TO root@\"127.0.0.1\" WITH GRANT OPTION;' \
    'GRANT ALL ON *.* TO root@localhost WITH GRANT OPTION;' >'$1.init'"
  echo "init-file = $1.init" >>"$1.cnf"
  start_node "$1" "$2"
  sed -i '/^init-file/d' "$1.cnf"
}

make_users() { # PORT
  sql "$1" -e "CREATE USER app@'%' IDENTIFIED BY '${MY_PASSWORD:-app}';
    GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES,
      CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, EVENT,
      TRIGGER, FILE, REPLICATION CLIENT ON *.* TO app@'%';
    CREATE USER monitor@'%' IDENTIFIED BY 'monitor';
    GRANT SELECT, SHOW VIEW, TRIGGER, EXECUTE, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO monitor@'%'"
}

follow() { # REPLICA_PORT PRIMARY_PORT
  sql "$1" -e "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=$2, MASTER_USER='monitor',
    MASTER_PASSWORD='monitor', MASTER_CONNECT_RETRY=1, MASTER_AUTO_POSITION=1; SET GLOBAL read_only=1; START SLAVE"
}
