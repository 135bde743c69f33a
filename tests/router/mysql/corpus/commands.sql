BEGIN
BEGIN WORK
START TRANSACTION
START TRANSACTION READ ONLY
START TRANSACTION READ WRITE
START TRANSACTION WITH CONSISTENT SNAPSHOT
START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY
START TRANSACTION READ WRITE, WITH CONSISTENT SNAPSHOT
COMMIT
COMMIT WORK
COMMIT AND CHAIN
COMMIT AND NO CHAIN
COMMIT WORK AND CHAIN NO RELEASE
COMMIT NO RELEASE
ROLLBACK
ROLLBACK WORK
ROLLBACK AND CHAIN
ROLLBACK AND NO CHAIN NO RELEASE
SAVEPOINT x
SAVEPOINT `x y`
ROLLBACK TO x
ROLLBACK TO SAVEPOINT x
ROLLBACK WORK TO SAVEPOINT x
RELEASE SAVEPOINT x
XA START 'x'
XA BEGIN 'x'
XA START 'x', 'y', 1
XA START 'x' JOIN
XA START 0x7465, b'1'
XA END 'x'
XA END 'x' SUSPEND
XA END 'x' SUSPEND FOR MIGRATE
XA PREPARE 'x'
XA COMMIT 'x'
XA COMMIT 'x' ONE PHASE
XA COMMIT 'x','y',7
XA ROLLBACK 'x'
XA RECOVER
XA RECOVER FORMAT='SQL'
LOCK TABLES t READ
LOCK TABLE t WRITE
LOCK TABLES t READ LOCAL, u WRITE
LOCK TABLES t AS x READ, t y WRITE, shop.u LOW_PRIORITY WRITE
LOCK TABLES t WRITE CONCURRENT
LOCK TABLES t READ NOWAIT
LOCK TABLES t READ WAIT 1
UNLOCK TABLES
UNLOCK TABLE
USE shop
USE `shop`
PREPARE s1 FROM 'SELECT 1'
PREPARE s1 FROM "SELECT ? + ?"
PREPARE s1 FROM @text
PREPARE s1 FROM CONCAT('SELECT ', '1')
PREPARE `s 1` FROM 'SELECT 1'
EXECUTE s1
EXECUTE s1 USING @a
EXECUTE s1 USING @a, @b
EXECUTE s1 USING 1, 'x', 1 + 1
EXECUTE IMMEDIATE 'SELECT 1'
EXECUTE IMMEDIATE 'SELECT ?' USING 1
EXECUTE IMMEDIATE @text USING @a
EXECUTE IMMEDIATE CONCAT('SELECT', ' 1')
DEALLOCATE PREPARE s1
DROP PREPARE s1
HANDLER t OPEN
HANDLER t OPEN AS h
HANDLER shop.t OPEN h
HANDLER h READ FIRST
HANDLER h READ NEXT WHERE a > 1 LIMIT 2
HANDLER h READ a = (1)
HANDLER h READ `PRIMARY` >= (1) WHERE b = 2 LIMIT 1, 2
HANDLER h READ a PREV
HANDLER h CLOSE
HANDLER t CLOSE
EXPLAIN t
EXPLAIN t a
DESCRIBE t
DESC t
DESC shop.t
DESCRIBE t 'a%'
DESC t `a`
EXPLAIN SELECT 1
EXPLAIN EXTENDED SELECT * FROM t
EXPLAIN PARTITIONS SELECT * FROM t
EXPLAIN FORMAT=JSON SELECT * FROM t JOIN u USING (id)
EXPLAIN FORMAT = 'traditional' SELECT 1
EXPLAIN FOR CONNECTION 1
DESCRIBE SELECT * FROM t WHERE id = 1
DESC FORMAT=JSON SELECT 1
EXPLAIN INSERT INTO t (id) VALUES (1)
EXPLAIN INSERT INTO t (id, a) SELECT id, a FROM u
EXPLAIN REPLACE INTO t (id) VALUES (1)
EXPLAIN SELECT * FROM t UNION SELECT * FROM u
EXPLAIN (SELECT 1) UNION (SELECT 2)
EXPLAIN WITH x AS (SELECT 1) SELECT * FROM x
EXPLAIN SELECT changes(1)
ANALYZE SELECT * FROM t
ANALYZE FORMAT=JSON SELECT * FROM t WHERE id = 1
ANALYZE INSERT INTO t (id) VALUES (1)
ANALYZE TABLE t
ANALYZE TABLE t, u
ANALYZE LOCAL TABLE t
ANALYZE NO_WRITE_TO_BINLOG TABLE t PERSISTENT FOR ALL
ANALYZE TABLE t PERSISTENT FOR COLUMNS (a) INDEXES (a)
OPTIMIZE TABLE t
OPTIMIZE LOCAL TABLE t, u
CHECK TABLE t
CHECK TABLE t, u FOR UPGRADE
CHECK TABLE t QUICK FAST
REPAIR TABLE t
REPAIR TABLE t QUICK EXTENDED USE_FRM
CHECKSUM TABLE t
CHECKSUM TABLE t, u EXTENDED
CACHE INDEX t IN default
LOAD INDEX INTO CACHE t
LOAD INDEX INTO CACHE t INDEX (a) IGNORE LEAVES
KILL 99999999
KILL CONNECTION 99999999
KILL QUERY 99999999
KILL HARD QUERY 99999999
KILL SOFT CONNECTION 99999999
KILL QUERY ID 99999999
KILL USER nobody
KILL 99999990 + 9
FLUSH TABLES
FLUSH TABLE t
FLUSH TABLES t, u
FLUSH LOCAL TABLES
FLUSH TABLES WITH READ LOCK
FLUSH TABLES t WITH READ LOCK
FLUSH TABLES t FOR EXPORT
FLUSH PRIVILEGES
FLUSH LOGS
FLUSH BINARY LOGS
FLUSH NO_WRITE_TO_BINLOG STATUS
FLUSH STATUS
FLUSH HOSTS
FLUSH QUERY CACHE
FLUSH USER_RESOURCES
FLUSH ERROR LOGS, SLOW LOGS
FLUSH RELAY LOGS
RESET QUERY CACHE
RESET MASTER
RESET SLAVE
RESET SLAVE ALL
PURGE BINARY LOGS TO 'x.000001'
PURGE BINARY LOGS BEFORE '2020-01-01 00:00:00'
PURGE BINARY LOGS BEFORE NOW() - INTERVAL 7 DAY
CHANGE MASTER TO MASTER_HOST = 'nowhere.invalid', MASTER_PORT = 3306, MASTER_USE_GTID = slave_pos
CHANGE MASTER 'one' TO MASTER_HOST = 'nowhere.invalid'
START SLAVE
START SLAVE SQL_THREAD
START ALL SLAVES
STOP SLAVE
STOP SLAVE IO_THREAD
STOP ALL SLAVES
START REPLICA
STOP REPLICA
BACKUP STAGE START
BACKUP STAGE FLUSH
BACKUP STAGE BLOCK_COMMIT
BACKUP STAGE END
BACKUP LOCK t
BACKUP UNLOCK
INSTALL PLUGIN nothing SONAME 'nothing'
INSTALL SONAME 'nothing'
UNINSTALL PLUGIN nothing
UNINSTALL SONAME 'nothing'
HELP 'select'
HELP 'contents'
GET DIAGNOSTICS @n = NUMBER
GET DIAGNOSTICS @n = NUMBER, @r = ROW_COUNT
GET CURRENT DIAGNOSTICS CONDITION 1 @s = RETURNED_SQLSTATE, @m = MESSAGE_TEXT
GET DIAGNOSTICS CONDITION 1 @e = MYSQL_ERRNO
SIGNAL SQLSTATE '45000'
SIGNAL SQLSTATE VALUE '45000' SET MESSAGE_TEXT = 'no', MYSQL_ERRNO = 5000
SIGNAL SQLSTATE '01000' SET MESSAGE_TEXT = 'a warning'
RESIGNAL
BEGIN NOT ATOMIC SELECT 1; END
BEGIN NOT ATOMIC DECLARE x INT DEFAULT 1; SET x = x + 1; SELECT x; END
BEGIN NOT ATOMIC DECLARE EXIT HANDLER FOR SQLEXCEPTION ROLLBACK; START TRANSACTION; INSERT INTO t (id) VALUES (77); COMMIT; END
IF 1 THEN SELECT 1; END IF
IF (SELECT COUNT(*) FROM t) > 0 THEN SELECT 1; ELSEIF 2 THEN SELECT 2; ELSE SELECT 3; END IF
CASE 1 WHEN 1 THEN SELECT 1; ELSE SELECT 2; END CASE
CASE WHEN 1 THEN SELECT 1; WHEN 2 THEN SELECT 2; END CASE
WHILE 0 DO SELECT 1; END WHILE
REPEAT SELECT 1; UNTIL 1 END REPEAT
LOOP SELECT 1; END LOOP
one: LOOP LEAVE one; END LOOP one
one: WHILE 0 DO ITERATE one; END WHILE
FOR i IN 1 .. 3 DO SELECT i; END FOR
FOR x IN (SELECT id FROM t) DO SELECT x.id; END FOR
SHUTDOWN WAIT FOR ALL SLAVES
BINLOG 'AAAA'
SET @a = 1
SET @a := 1
SET @a = 1, @b = 2
SET @a = @b
SET @a = @a + 1, @c = CONCAT('x', @b)
SET @a = (SELECT MAX(id) FROM t)
SET @a = NULL
SET @`a b` = 'x'
SET @'a' = 1, @"b" = 2
SET @a = b'101', @b = 0x41, @c = x'41'
SET @a = NOW(), @b = counts(1)
SET @a = changes(1)
SET @a = 1, sql_mode = '', SESSION time_zone = '+00:00'
SET @A.b = 1
SET @a = DATE '2020-01-01'
SET @a = -1.5e3
SET @a = 'x' COLLATE utf8mb4_bin
SET NAMES utf8mb4
SET NAMES 'utf8mb4'
SET NAMES "latin1"
SET NAMES utf8mb4 COLLATE utf8mb4_bin
SET NAMES 'utf8mb4' COLLATE 'utf8mb4_general_ci'
SET NAMES DEFAULT
SET NAMES binary
SET NAMES utf8mb4, @a = 1
SET CHARACTER SET utf8mb4
SET CHARACTER SET 'latin1'
SET CHARSET utf8
SET CHARACTER SET DEFAULT
SET TRANSACTION ISOLATION LEVEL READ COMMITTED
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY
SET TRANSACTION READ WRITE
SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ
SET LOCAL TRANSACTION READ ONLY
SET GLOBAL TRANSACTION ISOLATION LEVEL READ UNCOMMITTED
SET SESSION TRANSACTION READ WRITE, ISOLATION LEVEL READ COMMITTED
SET PASSWORD = PASSWORD('x')
SET PASSWORD FOR nobody@localhost = PASSWORD('x')
SET PASSWORD FOR 'nobody'@'%' = '*94BDCEBE19083CE2A1F959FD02F964C7AF4CFC29'
SET ROLE NONE
SET ROLE nobody
SET ROLE 'nobody'
SET DEFAULT ROLE NONE
SET DEFAULT ROLE nobody FOR root@localhost
SET STATEMENT max_statement_time = 1 FOR SELECT 1
SET STATEMENT sql_mode = 'ANSI', sort_buffer_size = 100000 FOR SELECT * FROM t
SET STATEMENT max_statement_time = 1 FOR INSERT INTO t (id) VALUES (1)
SET STATEMENT lock_wait_timeout = 1 FOR ALTER TABLE t ADD COLUMN z INT
SET GLOBAL default.key_buffer_size = 1000000
SET @@global.hot.key_buffer_size = 1000000
SET @@autocommit = 1, @@session.sql_mode = @@global.sql_mode
SET @@tx_isolation = 'SERIALIZABLE'
SET @@session.tx_isolation = 'SERIALIZABLE', @@global.max_connections = 100
SET SESSION sql_mode = '', time_zone = 'SYSTEM', GLOBAL max_connections = 101, wait_timeout = 5
SET @old = @@sql_mode, sql_mode = 'ANSI'
SET sql_mode = @old
SET character_set_client = @saved_cs_client
SET @@sql_select_limit = 5
SET @saved_cs_client = @@character_set_client
SET SQL_NOTES=@OLD_SQL_NOTES
SET autocommit = 0
SET SESSION autocommit = 0
SET LOCAL autocommit = 0
SET GLOBAL autocommit = 0
SET @@autocommit = 0
SET @@session.autocommit = 0
SET @@global.autocommit = 0
SET @@local.autocommit = 0
SELECT @@autocommit, @@session.autocommit
SHOW VARIABLES LIKE 'autocommit'
SET autocommit = 1
SET SESSION autocommit = 1
SET LOCAL autocommit = 1
SET GLOBAL autocommit = 1
SET @@autocommit = 1
SET @@session.autocommit = 1
SET @@global.autocommit = 1
SET @@local.autocommit = 1
SET autocommit = ON
SET SESSION autocommit = ON
SET LOCAL autocommit = ON
SET GLOBAL autocommit = ON
SET @@autocommit = ON
SET @@session.autocommit = ON
SET @@global.autocommit = ON
SET @@local.autocommit = ON
SET sql_mode = 'ANSI_QUOTES,STRICT_TRANS_TABLES'
SET SESSION sql_mode = 'ANSI_QUOTES,STRICT_TRANS_TABLES'
SET LOCAL sql_mode = 'ANSI_QUOTES,STRICT_TRANS_TABLES'
SET GLOBAL sql_mode = 'ANSI_QUOTES,STRICT_TRANS_TABLES'
SET @@sql_mode = 'ANSI_QUOTES,STRICT_TRANS_TABLES'
SET @@session.sql_mode = 'ANSI_QUOTES,STRICT_TRANS_TABLES'
SET @@global.sql_mode = 'ANSI_QUOTES,STRICT_TRANS_TABLES'
SET @@local.sql_mode = 'ANSI_QUOTES,STRICT_TRANS_TABLES'
SELECT @@sql_mode, @@session.sql_mode
SHOW VARIABLES LIKE 'sql_mode'
SET sql_mode = ''
SET SESSION sql_mode = ''
SET LOCAL sql_mode = ''
SET GLOBAL sql_mode = ''
SET @@sql_mode = ''
SET @@session.sql_mode = ''
SET @@global.sql_mode = ''
SET @@local.sql_mode = ''
SET sql_mode = DEFAULT
SET SESSION sql_mode = DEFAULT
SET LOCAL sql_mode = DEFAULT
SET GLOBAL sql_mode = DEFAULT
SET @@sql_mode = DEFAULT
SET @@session.sql_mode = DEFAULT
SET @@global.sql_mode = DEFAULT
SET @@local.sql_mode = DEFAULT
SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')
SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')
SET LOCAL sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')
SET GLOBAL sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')
SET @@sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')
SET @@session.sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')
SET @@global.sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')
SET @@local.sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')
SET sql_mode = (SELECT 'ANSI')
SET SESSION sql_mode = (SELECT 'ANSI')
SET LOCAL sql_mode = (SELECT 'ANSI')
SET GLOBAL sql_mode = (SELECT 'ANSI')
SET @@sql_mode = (SELECT 'ANSI')
SET @@session.sql_mode = (SELECT 'ANSI')
SET @@global.sql_mode = (SELECT 'ANSI')
SET @@local.sql_mode = (SELECT 'ANSI')
SET sql_mode = ANSI
SET SESSION sql_mode = ANSI
SET LOCAL sql_mode = ANSI
SET GLOBAL sql_mode = ANSI
SET @@sql_mode = ANSI
SET @@session.sql_mode = ANSI
SET @@global.sql_mode = ANSI
SET @@local.sql_mode = ANSI
SET time_zone = '+02:00'
SET SESSION time_zone = '+02:00'
SET LOCAL time_zone = '+02:00'
SET GLOBAL time_zone = '+02:00'
SET @@time_zone = '+02:00'
SET @@session.time_zone = '+02:00'
SET @@global.time_zone = '+02:00'
SET @@local.time_zone = '+02:00'
SELECT @@time_zone, @@session.time_zone
SHOW VARIABLES LIKE 'time_zone'
SET time_zone = SYSTEM
SET SESSION time_zone = SYSTEM
SET LOCAL time_zone = SYSTEM
SET GLOBAL time_zone = SYSTEM
SET @@time_zone = SYSTEM
SET @@session.time_zone = SYSTEM
SET @@global.time_zone = SYSTEM
SET @@local.time_zone = SYSTEM
SET time_zone = 'Europe/Berlin'
SET SESSION time_zone = 'Europe/Berlin'
SET LOCAL time_zone = 'Europe/Berlin'
SET GLOBAL time_zone = 'Europe/Berlin'
SET @@time_zone = 'Europe/Berlin'
SET @@session.time_zone = 'Europe/Berlin'
SET @@global.time_zone = 'Europe/Berlin'
SET @@local.time_zone = 'Europe/Berlin'
SET wait_timeout = 100
SET SESSION wait_timeout = 100
SET LOCAL wait_timeout = 100
SET GLOBAL wait_timeout = 100
SET @@wait_timeout = 100
SET @@session.wait_timeout = 100
SET @@global.wait_timeout = 100
SET @@local.wait_timeout = 100
SELECT @@wait_timeout, @@session.wait_timeout
SHOW VARIABLES LIKE 'wait_timeout'
SET max_statement_time = 1.5
SET SESSION max_statement_time = 1.5
SET LOCAL max_statement_time = 1.5
SET GLOBAL max_statement_time = 1.5
SET @@max_statement_time = 1.5
SET @@session.max_statement_time = 1.5
SET @@global.max_statement_time = 1.5
SET @@local.max_statement_time = 1.5
SELECT @@max_statement_time, @@session.max_statement_time
SHOW VARIABLES LIKE 'max_statement_time'
SET max_join_size = 1000000
SET SESSION max_join_size = 1000000
SET LOCAL max_join_size = 1000000
SET GLOBAL max_join_size = 1000000
SET @@max_join_size = 1000000
SET @@session.max_join_size = 1000000
SET @@global.max_join_size = 1000000
SET @@local.max_join_size = 1000000
SELECT @@max_join_size, @@session.max_join_size
SHOW VARIABLES LIKE 'max_join_size'
SET sql_safe_updates = 1
SET SESSION sql_safe_updates = 1
SET LOCAL sql_safe_updates = 1
SET GLOBAL sql_safe_updates = 1
SET @@sql_safe_updates = 1
SET @@session.sql_safe_updates = 1
SET @@global.sql_safe_updates = 1
SET @@local.sql_safe_updates = 1
SELECT @@sql_safe_updates, @@session.sql_safe_updates
SHOW VARIABLES LIKE 'sql_safe_updates'
SET sql_select_limit = DEFAULT
SET SESSION sql_select_limit = DEFAULT
SET LOCAL sql_select_limit = DEFAULT
SET GLOBAL sql_select_limit = DEFAULT
SET @@sql_select_limit = DEFAULT
SET @@session.sql_select_limit = DEFAULT
SET @@global.sql_select_limit = DEFAULT
SET @@local.sql_select_limit = DEFAULT
SELECT @@sql_select_limit, @@session.sql_select_limit
SHOW VARIABLES LIKE 'sql_select_limit'
SET foreign_key_checks = 0
SET SESSION foreign_key_checks = 0
SET LOCAL foreign_key_checks = 0
SET GLOBAL foreign_key_checks = 0
SET @@foreign_key_checks = 0
SET @@session.foreign_key_checks = 0
SET @@global.foreign_key_checks = 0
SET @@local.foreign_key_checks = 0
SELECT @@foreign_key_checks, @@session.foreign_key_checks
SHOW VARIABLES LIKE 'foreign_key_checks'
SET unique_checks = OFF
SET SESSION unique_checks = OFF
SET LOCAL unique_checks = OFF
SET GLOBAL unique_checks = OFF
SET @@unique_checks = OFF
SET @@session.unique_checks = OFF
SET @@global.unique_checks = OFF
SET @@local.unique_checks = OFF
SELECT @@unique_checks, @@session.unique_checks
SHOW VARIABLES LIKE 'unique_checks'
SET tx_isolation = 'READ-COMMITTED'
SET SESSION tx_isolation = 'READ-COMMITTED'
SET LOCAL tx_isolation = 'READ-COMMITTED'
SET GLOBAL tx_isolation = 'READ-COMMITTED'
SET @@tx_isolation = 'READ-COMMITTED'
SET @@session.tx_isolation = 'READ-COMMITTED'
SET @@global.tx_isolation = 'READ-COMMITTED'
SET @@local.tx_isolation = 'READ-COMMITTED'
SELECT @@tx_isolation, @@session.tx_isolation
SHOW VARIABLES LIKE 'tx_isolation'
SET character_set_client = utf8mb4
SET SESSION character_set_client = utf8mb4
SET LOCAL character_set_client = utf8mb4
SET GLOBAL character_set_client = utf8mb4
SET @@character_set_client = utf8mb4
SET @@session.character_set_client = utf8mb4
SET @@global.character_set_client = utf8mb4
SET @@local.character_set_client = utf8mb4
SELECT @@character_set_client, @@session.character_set_client
SHOW VARIABLES LIKE 'character_set_client'
SET character_set_results = NULL
SET SESSION character_set_results = NULL
SET LOCAL character_set_results = NULL
SET GLOBAL character_set_results = NULL
SET @@character_set_results = NULL
SET @@session.character_set_results = NULL
SET @@global.character_set_results = NULL
SET @@local.character_set_results = NULL
SELECT @@character_set_results, @@session.character_set_results
SHOW VARIABLES LIKE 'character_set_results'
SET collation_connection = 'utf8mb4_bin'
SET SESSION collation_connection = 'utf8mb4_bin'
SET LOCAL collation_connection = 'utf8mb4_bin'
SET GLOBAL collation_connection = 'utf8mb4_bin'
SET @@collation_connection = 'utf8mb4_bin'
SET @@session.collation_connection = 'utf8mb4_bin'
SET @@global.collation_connection = 'utf8mb4_bin'
SET @@local.collation_connection = 'utf8mb4_bin'
SELECT @@collation_connection, @@session.collation_connection
SHOW VARIABLES LIKE 'collation_connection'
SET lc_time_names = 'de_DE'
SET SESSION lc_time_names = 'de_DE'
SET LOCAL lc_time_names = 'de_DE'
SET GLOBAL lc_time_names = 'de_DE'
SET @@lc_time_names = 'de_DE'
SET @@session.lc_time_names = 'de_DE'
SET @@global.lc_time_names = 'de_DE'
SET @@local.lc_time_names = 'de_DE'
SELECT @@lc_time_names, @@session.lc_time_names
SHOW VARIABLES LIKE 'lc_time_names'
SET group_concat_max_len = 1024 * 1024
SET SESSION group_concat_max_len = 1024 * 1024
SET LOCAL group_concat_max_len = 1024 * 1024
SET GLOBAL group_concat_max_len = 1024 * 1024
SET @@group_concat_max_len = 1024 * 1024
SET @@session.group_concat_max_len = 1024 * 1024
SET @@global.group_concat_max_len = 1024 * 1024
SET @@local.group_concat_max_len = 1024 * 1024
SELECT @@group_concat_max_len, @@session.group_concat_max_len
SHOW VARIABLES LIKE 'group_concat_max_len'
SET sort_buffer_size = 262144
SET SESSION sort_buffer_size = 262144
SET LOCAL sort_buffer_size = 262144
SET GLOBAL sort_buffer_size = 262144
SET @@sort_buffer_size = 262144
SET @@session.sort_buffer_size = 262144
SET @@global.sort_buffer_size = 262144
SET @@local.sort_buffer_size = 262144
SELECT @@sort_buffer_size, @@session.sort_buffer_size
SHOW VARIABLES LIKE 'sort_buffer_size'
SET join_buffer_size := 262144
SET SESSION join_buffer_size := 262144
SET LOCAL join_buffer_size := 262144
SET GLOBAL join_buffer_size := 262144
SET @@join_buffer_size := 262144
SET @@session.join_buffer_size := 262144
SET @@global.join_buffer_size := 262144
SET @@local.join_buffer_size := 262144
SELECT @@join_buffer_size, @@session.join_buffer_size
SHOW VARIABLES LIKE 'join_buffer_size'
SET timestamp = 1600000000
SET SESSION timestamp = 1600000000
SET LOCAL timestamp = 1600000000
SET GLOBAL timestamp = 1600000000
SET @@timestamp = 1600000000
SET @@session.timestamp = 1600000000
SET @@global.timestamp = 1600000000
SET @@local.timestamp = 1600000000
SELECT @@timestamp, @@session.timestamp
SHOW VARIABLES LIKE 'timestamp'
SET insert_id = 7
SET SESSION insert_id = 7
SET LOCAL insert_id = 7
SET GLOBAL insert_id = 7
SET @@insert_id = 7
SET @@session.insert_id = 7
SET @@global.insert_id = 7
SET @@local.insert_id = 7
SELECT @@insert_id, @@session.insert_id
SHOW VARIABLES LIKE 'insert_id'
SET last_insert_id = 8
SET SESSION last_insert_id = 8
SET LOCAL last_insert_id = 8
SET GLOBAL last_insert_id = 8
SET @@last_insert_id = 8
SET @@session.last_insert_id = 8
SET @@global.last_insert_id = 8
SET @@local.last_insert_id = 8
SELECT @@last_insert_id, @@session.last_insert_id
SHOW VARIABLES LIKE 'last_insert_id'
SET rand_seed1 = 1, rand_seed2 = 2
SET SESSION rand_seed1 = 1, rand_seed2 = 2
SET LOCAL rand_seed1 = 1, rand_seed2 = 2
SET GLOBAL rand_seed1 = 1, rand_seed2 = 2
SET @@rand_seed1 = 1, rand_seed2 = 2
SET @@session.rand_seed1 = 1, rand_seed2 = 2
SET @@global.rand_seed1 = 1, rand_seed2 = 2
SET @@local.rand_seed1 = 1, rand_seed2 = 2
SELECT @@rand_seed1, @@session.rand_seed1
SHOW VARIABLES LIKE 'rand_seed1'
SET default_storage_engine = InnoDB
SET SESSION default_storage_engine = InnoDB
SET LOCAL default_storage_engine = InnoDB
SET GLOBAL default_storage_engine = InnoDB
SET @@default_storage_engine = InnoDB
SET @@session.default_storage_engine = InnoDB
SET @@global.default_storage_engine = InnoDB
SET @@local.default_storage_engine = InnoDB
SELECT @@default_storage_engine, @@session.default_storage_engine
SHOW VARIABLES LIKE 'default_storage_engine'
SET optimizer_switch = 'mrr=off'
SET SESSION optimizer_switch = 'mrr=off'
SET LOCAL optimizer_switch = 'mrr=off'
SET GLOBAL optimizer_switch = 'mrr=off'
SET @@optimizer_switch = 'mrr=off'
SET @@session.optimizer_switch = 'mrr=off'
SET @@global.optimizer_switch = 'mrr=off'
SET @@local.optimizer_switch = 'mrr=off'
SELECT @@optimizer_switch, @@session.optimizer_switch
SHOW VARIABLES LIKE 'optimizer_switch'
SET sql_log_bin = 0
SET SESSION sql_log_bin = 0
SET LOCAL sql_log_bin = 0
SET GLOBAL sql_log_bin = 0
SET @@sql_log_bin = 0
SET @@session.sql_log_bin = 0
SET @@global.sql_log_bin = 0
SET @@local.sql_log_bin = 0
SELECT @@sql_log_bin, @@session.sql_log_bin
SHOW VARIABLES LIKE 'sql_log_bin'
SET sql_warnings = TRUE
SET SESSION sql_warnings = TRUE
SET LOCAL sql_warnings = TRUE
SET GLOBAL sql_warnings = TRUE
SET @@sql_warnings = TRUE
SET @@session.sql_warnings = TRUE
SET @@global.sql_warnings = TRUE
SET @@local.sql_warnings = TRUE
SELECT @@sql_warnings, @@session.sql_warnings
SHOW VARIABLES LIKE 'sql_warnings'
SET net_write_timeout = 60
SET SESSION net_write_timeout = 60
SET LOCAL net_write_timeout = 60
SET GLOBAL net_write_timeout = 60
SET @@net_write_timeout = 60
SET @@session.net_write_timeout = 60
SET @@global.net_write_timeout = 60
SET @@local.net_write_timeout = 60
SELECT @@net_write_timeout, @@session.net_write_timeout
SHOW VARIABLES LIKE 'net_write_timeout'
SET lock_wait_timeout = 5
SET SESSION lock_wait_timeout = 5
SET LOCAL lock_wait_timeout = 5
SET GLOBAL lock_wait_timeout = 5
SET @@lock_wait_timeout = 5
SET @@session.lock_wait_timeout = 5
SET @@global.lock_wait_timeout = 5
SET @@local.lock_wait_timeout = 5
SELECT @@lock_wait_timeout, @@session.lock_wait_timeout
SHOW VARIABLES LIKE 'lock_wait_timeout'
SET innodb_lock_wait_timeout = 5
SET SESSION innodb_lock_wait_timeout = 5
SET LOCAL innodb_lock_wait_timeout = 5
SET GLOBAL innodb_lock_wait_timeout = 5
SET @@innodb_lock_wait_timeout = 5
SET @@session.innodb_lock_wait_timeout = 5
SET @@global.innodb_lock_wait_timeout = 5
SET @@local.innodb_lock_wait_timeout = 5
SELECT @@innodb_lock_wait_timeout, @@session.innodb_lock_wait_timeout
SHOW VARIABLES LIKE 'innodb_lock_wait_timeout'
SET session_track_system_variables = '*'
SET SESSION session_track_system_variables = '*'
SET LOCAL session_track_system_variables = '*'
SET GLOBAL session_track_system_variables = '*'
SET @@session_track_system_variables = '*'
SET @@session.session_track_system_variables = '*'
SET @@global.session_track_system_variables = '*'
SET @@local.session_track_system_variables = '*'
SELECT @@session_track_system_variables, @@session.session_track_system_variables
SHOW VARIABLES LIKE 'session_track_system_variables'
SET old_passwords = 0
SET SESSION old_passwords = 0
SET LOCAL old_passwords = 0
SET GLOBAL old_passwords = 0
SET @@old_passwords = 0
SET @@session.old_passwords = 0
SET @@global.old_passwords = 0
SET @@local.old_passwords = 0
SELECT @@old_passwords, @@session.old_passwords
SHOW VARIABLES LIKE 'old_passwords'
SET sql_auto_is_null = 0
SET SESSION sql_auto_is_null = 0
SET LOCAL sql_auto_is_null = 0
SET GLOBAL sql_auto_is_null = 0
SET @@sql_auto_is_null = 0
SET @@session.sql_auto_is_null = 0
SET @@global.sql_auto_is_null = 0
SET @@local.sql_auto_is_null = 0
SELECT @@sql_auto_is_null, @@session.sql_auto_is_null
SHOW VARIABLES LIKE 'sql_auto_is_null'
SET transaction_alloc_block_size = 8192
SET SESSION transaction_alloc_block_size = 8192
SET LOCAL transaction_alloc_block_size = 8192
SET GLOBAL transaction_alloc_block_size = 8192
SET @@transaction_alloc_block_size = 8192
SET @@session.transaction_alloc_block_size = 8192
SET @@global.transaction_alloc_block_size = 8192
SET @@local.transaction_alloc_block_size = 8192
SELECT @@transaction_alloc_block_size, @@session.transaction_alloc_block_size
SHOW VARIABLES LIKE 'transaction_alloc_block_size'
SHOW AUTHORS
SHOW CONTRIBUTORS
SHOW BINARY LOGS
SHOW MASTER LOGS
SHOW BINLOG EVENTS
SHOW BINLOG EVENTS IN 'x' FROM 4 LIMIT 1, 2
SHOW BINLOG STATUS
SHOW MASTER STATUS
SHOW CHARACTER SET
SHOW CHARACTER SET LIKE 'utf8%'
SHOW CHARSET
SHOW COLLATION
SHOW COLLATION WHERE Charset = 'latin1'
SHOW COLUMNS FROM t
SHOW COLUMNS IN t IN shop
SHOW COLUMNS FROM shop.t LIKE 'a%'
SHOW FULL COLUMNS FROM t
SHOW FIELDS FROM t
SHOW FULL FIELDS FROM t WHERE Field = 'a'
SHOW CREATE DATABASE shop
SHOW CREATE SCHEMA IF NOT EXISTS shop
SHOW CREATE TABLE t
SHOW CREATE TABLE shop.t
SHOW CREATE VIEW v
SHOW CREATE PROCEDURE p
SHOW CREATE FUNCTION counts
SHOW CREATE TRIGGER x
SHOW CREATE EVENT x
SHOW CREATE SEQUENCE s
SHOW CREATE USER root@localhost
SHOW CREATE USER
SHOW DATABASES
SHOW SCHEMAS
SHOW DATABASES LIKE 's%'
SHOW ENGINE InnoDB STATUS
SHOW ENGINE INNODB MUTEX
SHOW ENGINES
SHOW STORAGE ENGINES
SHOW ERRORS
SHOW ERRORS LIMIT 1
SHOW COUNT(*) ERRORS
SHOW EVENTS
SHOW EVENTS FROM shop
SHOW FUNCTION STATUS
SHOW FUNCTION STATUS LIKE 'r%'
SHOW PROCEDURE STATUS WHERE Db = 'shop'
SHOW GRANTS
SHOW GRANTS FOR CURRENT_USER
SHOW GRANTS FOR root@localhost
SHOW GRANTS FOR 'root'@'localhost'
SHOW INDEX FROM t
SHOW INDEXES IN t FROM shop
SHOW KEYS FROM t WHERE Key_name = 'PRIMARY'
SHOW OPEN TABLES
SHOW OPEN TABLES FROM shop LIKE 't'
SHOW PLUGINS
SHOW PLUGINS SONAME 'x'
SHOW PRIVILEGES
SHOW PROCESSLIST
SHOW FULL PROCESSLIST
SHOW PROFILE
SHOW PROFILE ALL FOR QUERY 1
SHOW PROFILE CPU, BLOCK IO
SHOW PROFILES
SHOW RELAYLOG EVENTS
SHOW SLAVE STATUS
SHOW SLAVE 'x' STATUS
SHOW ALL SLAVES STATUS
SHOW REPLICA STATUS
SHOW SLAVE HOSTS
SHOW STATUS
SHOW GLOBAL STATUS
SHOW SESSION STATUS
SHOW STATUS LIKE 'Th%'
SHOW STATUS WHERE Variable_name = 'Uptime'
SHOW LOCAL STATUS
SHOW TABLE STATUS
SHOW TABLE STATUS FROM shop LIKE 't'
SHOW TABLE STATUS WHERE Engine = 'InnoDB'
SHOW TABLES
SHOW TABLES FROM shop
SHOW FULL TABLES
SHOW FULL TABLES IN shop LIKE 't%'
SHOW TABLES WHERE Tables_in_shop LIKE '%t%'
SHOW TRIGGERS
SHOW TRIGGERS FROM shop LIKE 't'
SHOW VARIABLES
SHOW GLOBAL VARIABLES LIKE 'max%'
SHOW SESSION VARIABLES WHERE Variable_name IN ('sql_mode', 'time_zone')
SHOW LOCAL VARIABLES
SHOW VARIABLES WHERE Variable_name = 'x' OR Value = 'y'
SHOW WARNINGS
SHOW WARNINGS LIMIT 2
SHOW WARNINGS LIMIT 1, 2
SHOW COUNT(*) WARNINGS
SHOW EXPLAIN FOR 1
SHOW LOCALES
SHOW PACKAGE STATUS
SHOW PROCEDURE CODE p
SHOW FUNCTION CODE counts
SHOW CREATE PACKAGE x
SHOW USER_STATISTICS
SHOW CLIENT_STATISTICS
SHOW INDEX_STATISTICS
SHOW TABLE_STATISTICS
