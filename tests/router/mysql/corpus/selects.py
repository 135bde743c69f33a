"""Queries: joins, subqueries, set operations, clauses."""
from generate import lines

JOINS = """
t JOIN u ON t.id = u.id
t INNER JOIN u ON t.id = u.id AND u.a > 1
t CROSS JOIN u
t STRAIGHT_JOIN u ON t.id = u.id
t LEFT JOIN u ON t.id = u.id
t LEFT OUTER JOIN u ON t.id = u.id AND t.a = 1
t RIGHT JOIN u ON t.id = u.id
t RIGHT OUTER JOIN u USING (id)
t NATURAL JOIN u
t NATURAL LEFT JOIN u
t NATURAL RIGHT OUTER JOIN u
t JOIN u USING (id, a)
t, u
t, u WHERE t.id = u.id
t JOIN (u JOIN t AS x ON u.id = x.id) ON t.id = u.id
t LEFT JOIN (u CROSS JOIN t AS x) ON t.id = u.id AND x.id = u.id
t LEFT JOIN u ON t.id = u.id LEFT JOIN t AS x ON x.id = u.id
t JOIN u JOIN t AS x ON u.id = x.id ON t.id = u.id
t LEFT JOIN u LEFT JOIN t AS x ON u.id = x.id ON t.id = u.id
(t, u)
(t JOIN u ON t.id = u.id)
((t JOIN u ON t.id = u.id) JOIN t AS x ON x.id = t.id)
(t)
((t))
t AS x
t x
t AS `the table`
shop.t
`shop`.`t`
shop.t AS x JOIN shop.u AS y ON x.id = y.id
(SELECT * FROM u) AS x
(SELECT id, a FROM u WHERE a > 1 ORDER BY a LIMIT 3) x
((SELECT 1 AS id) UNION (SELECT 2)) AS x
(SELECT 1 AS id UNION ALL SELECT 2 UNION SELECT 3) AS x
t JOIN (SELECT id FROM u GROUP BY id) AS x ON x.id = t.id
(SELECT * FROM (SELECT * FROM t) AS y) AS x
t PARTITION (p0)
t USE INDEX (a)
t FORCE INDEX (a, b)
t IGNORE INDEX (a)
t USE INDEX ()
t USE KEY FOR JOIN (a)
t FORCE KEY FOR ORDER BY (a)
t IGNORE INDEX FOR GROUP BY (a)
t USE INDEX (a) IGNORE INDEX (b)
t AS x USE INDEX (PRIMARY)
{ OJ t LEFT OUTER JOIN u ON t.id = u.id }
JSON_TABLE('[{"a":1},{"a":2}]', '$[*]' COLUMNS (id INT PATH '$.a')) AS x
JSON_TABLE('[1,2]', '$[*]' COLUMNS (n FOR ORDINALITY, id INT PATH '$' DEFAULT '0' ON EMPTY ERROR ON ERROR)) AS x
JSON_TABLE('[{"a":[1,2]}]', '$[*]' COLUMNS (id INT EXISTS PATH '$.a', NESTED PATH '$.a[*]' COLUMNS (b INT PATH '$'))) x
t, JSON_TABLE(t.j, '$.list[*]' COLUMNS (v VARCHAR(20) PATH '$')) AS x
v
v JOIN t ON t.id = v.id
history FOR SYSTEM_TIME AS OF TIMESTAMP '2030-01-01 00:00:00'
history FOR SYSTEM_TIME ALL
history FOR SYSTEM_TIME BETWEEN '2020-01-01' AND NOW()
history FOR SYSTEM_TIME FROM '2020-01-01' TO NOW()
history FOR SYSTEM_TIME AS OF NOW() - INTERVAL 1 DAY AS x
information_schema.tables
information_schema.columns AS x
"""

CONDITIONS = """
t.id = 1
t.id = '1'
t.id = 0x31
t.id IN (1, 2, 3)
t.id IN (1)
(t.id = 1)
t.id = 1 OR t.id = 2
t.id = 1 AND t.a = 2
t.id <=> 1
t.id <=> NULL
t.id = NULL
NOT t.id = 1
t.id = 1 OR TRUE
t.id = t.id
t.id BETWEEN 1 AND 3
t.id > 1 AND t.id < 5
(t.id, t.a) = (1, 2)
(t.id, t.a) IN ((1, 2), (3, 4))
t.id = 1 + 1
t.id = -1
t.id = ABS(-1)
t.id IN (SELECT id FROM u)
t.id = (SELECT MAX(id) FROM u)
EXISTS (SELECT 1 FROM u WHERE u.id = t.id AND u.a = t.a)
t.c = 'a\\'b'
t.c = "a'b"
t.c = 'a''b' AND t.c <> ''
t.c LIKE 'x%' AND t.d IS NULL
t.d >= '2020-01-01' AND t.d < '2020-01-01' + INTERVAL 1 MONTH
1
0
t.a IS NULL OR t.b IS NOT NULL
t.a = 1 XOR t.b = 2
t.a & 1
!t.a
t.e = 1.50
t.id IN (1, 2) AND t.id IN (2, 3)
"""

TAILS = """
ORDER BY t.id
ORDER BY t.a ASC, t.b DESC
ORDER BY 1
ORDER BY t.a + t.b
ORDER BY NULL
ORDER BY RAND()
ORDER BY FIELD(t.id, 3, 1, 2)
LIMIT 1
LIMIT 0
LIMIT 1, 2
LIMIT 1 OFFSET 2
ORDER BY t.id LIMIT 3
ORDER BY t.id DESC LIMIT 3 OFFSET 1
GROUP BY t.id
GROUP BY t.a, t.b
GROUP BY t.a DESC
GROUP BY t.a WITH ROLLUP
GROUP BY t.a HAVING COUNT(*) > 0
HAVING 1
OFFSET 1 ROWS FETCH FIRST 2 ROWS ONLY
OFFSET 1 ROW FETCH NEXT ROW ONLY
FETCH FIRST 2 ROWS ONLY
ORDER BY t.id FETCH FIRST 2 ROWS WITH TIES
LIMIT ROWS EXAMINED 100
LIMIT 2 ROWS EXAMINED 100
LOCK IN SHARE MODE
FOR UPDATE
FOR UPDATE NOWAIT
FOR UPDATE SKIP LOCKED
FOR UPDATE WAIT 1
LOCK IN SHARE MODE NOWAIT
ORDER BY t.id LIMIT 1 FOR UPDATE
INTO @x
LIMIT 1 INTO @x, @y
PROCEDURE ANALYSE()
PROCEDURE ANALYSE(10, 2000)
ORDER BY t.id LIMIT 1 LOCK IN SHARE MODE
"""

OPTIONS = ("ALL DISTINCT DISTINCTROW HIGH_PRIORITY STRAIGHT_JOIN SQL_SMALL_RESULT SQL_BIG_RESULT SQL_BUFFER_RESULT SQL_NO_CACHE "
           "SQL_CACHE SQL_CALC_FOUND_ROWS").split()

OTHERS = """
SELECT 1
SELECT 1;
select 1 from dual
SELECT 1 FROM DUAL WHERE 1 = 1
SELECT 1, 2, 'x', NULL
SELECT *, 1 FROM t
SELECT t.*, u.* FROM t, u
SELECT shop.t.* FROM shop.t
SELECT t.*, a + 1 AS 'plus one', b "quoted", c `back` FROM t
SELECT a AS b, b a FROM t
SELECT DISTINCT a, b FROM t
SELECT 1 AS `select`, 2 AS `from`
SELECT(1)
SELECT(a)FROM(t)WHERE(a)=(1)
SELECT-1
SELECT+1,-1,!1,~1
SELECT 1--1
SELECT 1 -- a comment
SELECT 1 # a comment
SELECT /* a comment */ 1
SELECT 1 /* ; */
/* before */ SELECT 1
-- before
# before
SELECT/**/1
SELECT /*! 1 */
SELECT /*!50000 1 */
SELECT /*!99999 nothing */ 1
SELECT /*!50701 nothing */ 1
SELECT /*M! 1 */
SELECT /*M!100100 1 */
SELECT /*M!999999 nothing */ 1
SELECT /*!40001 SQL_NO_CACHE */ * FROM t
SELECT /*! STRAIGHT_JOIN */ t.a FROM t, u
/*!40101 SET NAMES utf8mb4 */
/*!40103 SET TIME_ZONE='+00:00' */
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */
/*!50003 SET sql_mode = '' */
SELECT /*+ MAX_EXECUTION_TIME(1000) */ 1
SELECT /* ringway: role=replica */ 1
SELECT ';'
SELECT "--", '#', '/*'
SELECT `a` FROM `t` WHERE `c` = '`'
SELECT 'a
b'
(SELECT 1)
((SELECT 1))
(SELECT 1) LIMIT 1
(SELECT 1) ORDER BY 1 LIMIT 1
(SELECT * FROM t) UNION (SELECT * FROM u)
(SELECT * FROM t ORDER BY id LIMIT 1) UNION ALL (SELECT * FROM u ORDER BY id LIMIT 1) ORDER BY 1 LIMIT 1
SELECT 1 UNION SELECT 2
SELECT 1 UNION ALL SELECT 2
SELECT 1 UNION DISTINCT SELECT 2
SELECT 1 UNION SELECT 2 UNION ALL SELECT 3 ORDER BY 1 DESC LIMIT 2
SELECT 1 UNION (SELECT 2 UNION ALL SELECT 2)
SELECT 1 EXCEPT SELECT 2
SELECT 1 EXCEPT ALL SELECT 2
SELECT 1 INTERSECT SELECT 1
SELECT 1 INTERSECT ALL SELECT 1
SELECT 1 UNION SELECT 2 EXCEPT SELECT 3 INTERSECT SELECT 3
(SELECT 1 UNION SELECT 2) EXCEPT (SELECT 1)
SELECT id FROM t UNION SELECT id FROM u FOR UPDATE
VALUES (1, 2), (3, 4)
VALUES (1, 'a') UNION SELECT 2, 'b'
SELECT * FROM (VALUES (1, 2), (3, 4)) AS x
SELECT 1 IN (VALUES (1), (2))
WITH x AS (SELECT 1 AS a) SELECT * FROM x
WITH x (a, b) AS (SELECT 1, 2) SELECT a + b FROM x
WITH x AS (SELECT 1 AS a), y AS (SELECT a + 1 AS b FROM x) SELECT * FROM x, y
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT * FROM n
WITH RECURSIVE n (i) AS (SELECT 1 UNION SELECT i + 1 FROM n WHERE i < 5) SELECT SUM(i) FROM n
WITH RECURSIVE n (i) AS (SELECT 1 UNION SELECT i + 1 FROM n WHERE i < 5) CYCLE i RESTRICT SELECT * FROM n
WITH x AS (WITH y AS (SELECT 1 AS a) SELECT * FROM y) SELECT * FROM x
WITH x AS (SELECT * FROM t) SELECT * FROM x JOIN u ON x.id = u.id
WITH t AS (SELECT 1 AS id) SELECT * FROM t
SELECT * FROM (WITH x AS (SELECT 1 AS a) SELECT * FROM x) AS y
SELECT (WITH x AS (SELECT 1 AS a) SELECT a FROM x)
WITH x AS (SELECT 1) (SELECT * FROM x)
SELECT * FROM t WHERE a = (SELECT b FROM u WHERE u.id = t.id LIMIT 1)
SELECT (SELECT a FROM u WHERE u.id = t.id) AS x, (SELECT COUNT(*) FROM u) FROM t
SELECT * FROM t WHERE (SELECT 1)
SELECT * FROM t WHERE id IN (SELECT id FROM u WHERE a IN (SELECT a FROM t WHERE b = u.b))
SELECT * FROM t WHERE (id, a) = (SELECT id, a FROM u LIMIT 1)
SELECT * FROM t WHERE ROW(id, a) IN (SELECT id, a FROM u)
SELECT @a := 1
SELECT @n := @n + 1 AS n, t.* FROM t
SELECT @a, @`b`, @'c', @"d", @e.f
SELECT * FROM t, (SELECT @r := 0) AS init
SELECT id, @r := @r + 1 FROM t ORDER BY id
SELECT a INTO @x FROM t WHERE id = 1
SELECT a, b INTO @x, @y FROM t LIMIT 1
SELECT * INTO OUTFILE '/tmp/never' FROM t
SELECT * FROM t INTO OUTFILE '/tmp/never' FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' ESCAPED BY '\\\\' LINES STARTING BY '>' TERMINATED BY '\\n'
SELECT * INTO OUTFILE '/tmp/never' CHARACTER SET utf8mb4 COLUMNS TERMINATED BY '\\t' FROM t
SELECT c INTO DUMPFILE '/tmp/never' FROM t LIMIT 1
SELECT NEXT VALUE FOR s
SELECT NEXTVAL(s)
SELECT LASTVAL(s)
SELECT PREVIOUS VALUE FOR s
SELECT SETVAL(s, 100)
SELECT * FROM s
SELECT GET_LOCK('x', 0)
SELECT GET_LOCK('x', 0), RELEASE_LOCK('x')
SELECT RELEASE_ALL_LOCKS()
SELECT IS_FREE_LOCK('x'), IS_USED_LOCK('x')
SELECT LAST_INSERT_ID()
SELECT LAST_INSERT_ID(5)
SELECT last_insert_id ()
SELECT @@last_insert_id, @@identity
SELECT FOUND_ROWS()
SELECT ROW_COUNT()
SELECT @@warning_count, @@error_count
SELECT CONNECTION_ID(), @@pseudo_thread_id
SELECT changes(1)
SELECT shop.changes(1)
SELECT nobody(1)
SELECT a, changes(a) FROM t
SELECT * FROM t WHERE changes(a) = 1
SELECT counts(a) FROM t ORDER BY counts(b)
SELECT @@read_only
SELECT @@global.read_only, @@server_id
SELECT @@hostname
SELECT @@version_comment LIMIT 1
SELECT @@GLOBAL.max_connections
SELECT LOAD_FILE('/etc/hostname')
SELECT MASTER_POS_WAIT('x', 4, 1)
SELECT BINLOG_GTID_POS('x', 4)
SELECT UUID_SHORT()
SELECT SQL_CALC_FOUND_ROWS * FROM t LIMIT 1
SELECT SLEEP(0), BENCHMARK(1, MD5('x'))
SELECT t.id id, t.a `from`, t.b AS "select" FROM t
SELECT `t`.`id` FROM `shop`.`t` `t`
SELECT 1 a, 2 b, 3 'c', 4 "d"
SELECT t.1a FROM (SELECT 1 AS 1a) AS t
SELECT 1a.b1 FROM (SELECT 1 AS b1) AS 1a
SELECT 0xg FROM (SELECT 1 AS 0xg) AS x
SELECT $a FROM (SELECT 1 AS $a) AS x
SELECT _a, a$b FROM (SELECT 1 AS _a, 2 AS a$b) AS x
SELECT ñandú FROM (SELECT 1 AS ñandú) AS x
SELECT 1 AS день, '日本語' AS 日本
SELECT status, type, value, name, date, time, timestamp, year, month, day, hour FROM (SELECT 1 status, 2 type, 3 value, 4 name, 5 date, 6 time, 7 timestamp, 8 year, 9 month, 10 day, 11 hour) x
SELECT x.begin, x.end, x.commit, x.key, x.order FROM (SELECT 1 `begin`, 2 `end`, 3 `commit`, 4 `key`, 5 `order`) x
SELECT count FROM (SELECT 1 AS count) AS x
SELECT count(*) count FROM t
SELECT user, password, host, language, level, mode, role, action, at, avg, bit, cache, chain, code, data, do, engine, escape, event, fields, first, flush, format, full, get, global, help, hosts, import, indexes, invoker, last, local, max_rows, medium, no, none, offline, one, open, owner, pack_keys, page, partitions, phase, plugin, port, prev, quick, recover, reset, resume, rollback, savepoint, security, session, share, signed, slave, snapshot, soft, source, start, stop, storage, super, table_name, temporary, text, than, transaction, truncate, undofile, unknown, until, variables, view, wait, warnings, work FROM nowhere
SELECT * FROM t WHERE a=1 and/**/b=2
SELECT a FROM t GROUP BY 1 ORDER BY 1 LIMIT 10
SELECT IF(1,2,3),LEFT('abc',1),RIGHT('abc',1),REPEAT('a',2),REPLACE('a','b','c'),INSERT('abc',1,1,'x'),CHAR(65),MOD(5,2),DATABASE(),VALUES(a) FROM t
SELECT CASE WHEN t.a IN (SELECT id FROM u) THEN (SELECT 1) ELSE (SELECT 2) END FROM t
SELECT AVG(x.a) FROM (SELECT a FROM t UNION ALL SELECT a FROM u) AS x
SELECT t.id FROM t WHERE t.id = 1 UNION SELECT u.id FROM u WHERE u.id = 1
SELECT * FROM t ORDER BY (SELECT MAX(id) FROM u)
SELECT * FROM t LIMIT 18446744073709551615
SELECT MEDIAN(a) OVER (PARTITION BY b) FROM t
SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY a) OVER (PARTITION BY b) FROM t
SELECT PERCENTILE_DISC(0.5) WITHIN GROUP (ORDER BY a) OVER () FROM t
SELECT SUM(a) OVER w1, SUM(b) OVER w2 FROM t WINDOW w1 AS (ORDER BY id), w2 AS (PARTITION BY a ORDER BY id)
SELECT SUM(a) OVER (w ORDER BY id) FROM t WINDOW w AS (PARTITION BY b)
SELECT SUM(SUM(a)) OVER (ORDER BY b) FROM t GROUP BY b
SELECT ROW_NUMBER() OVER () FROM t
"""


def corpus():
    joins, conditions, tails, others = lines(JOINS), lines(CONDITIONS), lines(TAILS), OTHERS.strip().split("\n")
    others = [each for each in others if each not in ("SELECT 'a", "b'", "-- before", "# before")]
    out = list(others)
    for n, join in enumerate(joins):
        out.append(f"SELECT * FROM {join}")
        if " WHERE " not in join:
            out.append(f"SELECT 1 FROM {join} WHERE 1 = {n} ORDER BY 1 LIMIT 2")
            out.append(f"SELECT COUNT(*) AS n FROM {join} HAVING n > {n}")
            out.append(f"SELECT EXISTS (SELECT 1 FROM {join}) AS x")
            out.append(f"INSERT INTO log (n) SELECT COUNT(*) FROM {join}")
    for n, condition in enumerate(conditions):
        out.append(f"SELECT * FROM t WHERE {condition}")
        out.append(f"SELECT t.id FROM t JOIN u ON t.id = u.id WHERE {condition} AND u.a = {n}")
        out.append(f"SELECT t.id FROM t LEFT JOIN u ON t.id = u.id AND {condition}")
        out.append(f"SELECT COUNT(*), SUM({condition}) FROM t")
        out.append(f"SELECT IF({condition}, 'yes', 'no') FROM t WHERE NOT ({condition})")
    for n, tail in enumerate(tails):
        out.append(f"SELECT t.a, t.b FROM t {tail}")
        if not tail.startswith(("INTO", "LIMIT 1 INTO", "PROCEDURE", "HAVING")):
            out.append(f"SELECT t.a FROM t WHERE t.id > {n} {tail}")
        if tail.startswith(("ORDER", "LIMIT", "GROUP")) and "LOCK" not in tail and "FOR UPDATE" not in tail:
            out.append(f"SELECT * FROM (SELECT t.a FROM t {tail}) AS x")
    for option in OPTIONS:
        out.append(f"SELECT {option} a, b FROM t")
        out.append(f"SELECT {option} t.id FROM t JOIN u USING (id) ORDER BY t.id")
    out += ["SELECT DISTINCT SQL_BIG_RESULT a FROM t GROUP BY a", "SELECT HIGH_PRIORITY SQL_NO_CACHE DISTINCT a FROM t"]
    return {"selects": out}
