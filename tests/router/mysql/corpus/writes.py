"""INSERT, REPLACE, UPDATE, DELETE, LOAD, CALL."""
from generate import lines

SOURCES = """
VALUES (1, 2)
VALUES (1, 2), (3, 4), (5, 6)
VALUE (1, 2)
VALUES (DEFAULT, NULL)
VALUES (1 + 1, ABS(-2))
VALUES ('1', "2")
VALUES (0x31, b'10')
VALUES (-1, +2)
VALUES (id + 1, DEFAULT(a))
VALUES ((SELECT 1), (SELECT MAX(a) FROM u))
VALUES (@a, @b := 2)
VALUES (UUID(), NOW())
VALUES (CAST('7' AS SIGNED), LAST_INSERT_ID())
VALUES (1, CASE WHEN 1 THEN 2 END)
VALUES ROW(1, 2)
SELECT id, a FROM u
SELECT 1, 2
SELECT 1, 2 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM t WHERE id = 1)
SELECT id, a FROM u WHERE id = 5 ORDER BY a LIMIT 3
SELECT id, a FROM u UNION SELECT id, b FROM u
(SELECT id, a FROM u)
WITH x AS (SELECT 1 AS p, 2 AS q) SELECT p, q FROM x
SELECT x.id, y.a FROM u AS x JOIN u AS y ON x.id = y.id
SELECT id, changes(a) FROM u
SELECT id, a FROM u FOR UPDATE
"""

CONFLICTS = """
ON DUPLICATE KEY UPDATE a = 1
ON DUPLICATE KEY UPDATE a = VALUES(a)
ON DUPLICATE KEY UPDATE a = VALUE(a), b = t.b + 1
ON DUPLICATE KEY UPDATE a = a + VALUES(a), c = CONCAT(c, 'x')
ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id)
ON DUPLICATE KEY UPDATE t.a = DEFAULT, b = DEFAULT(b)
ON DUPLICATE KEY UPDATE a = IF(VALUES(a) > a, VALUES(a), a)
ON DUPLICATE KEY UPDATE a = (SELECT MAX(a) FROM u)
RETURNING id
RETURNING *
RETURNING id, a + 1 AS x
"""

ASSIGNMENTS = """
a = 1
a := 1
a = 1, b = 2
a = a + 1
t.a = 1
shop.t.a = 1
`a` = 'x'
a = DEFAULT
a = NULL
a = (SELECT MAX(a) FROM u)
a = CASE WHEN a > 1 THEN 0 ELSE 1 END, b = IFNULL(b, 0)
c = CONCAT(c, 'x'), d = NOW()
a = @x := a
j = JSON_SET(j, '$.a', 1)
id = id + 1000
a = VALUES(a)
a = b, b = a
"""

TARGETS = """
WHERE id = 1
WHERE id IN (1, 2)
WHERE id = 1 AND a = 2
WHERE id = 1 OR id = 2
WHERE a > 1 ORDER BY id LIMIT 1
ORDER BY id
LIMIT 1
ORDER BY a DESC, id LIMIT 2
WHERE id IN (SELECT id FROM u)
WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id)
WHERE c LIKE 'x%'
WHERE 1
"""

OTHERS = """
INSERT INTO t () VALUES ()
INSERT INTO t VALUES ()
INSERT INTO t (id) VALUES (1), (2)
INSERT t (id) VALUES (3)
INSERT INTO shop.t (t.id, shop.t.a) VALUES (4, 5)
INSERT INTO `shop`.`t` (`id`) VALUES (6)
INSERT INTO t PARTITION (p0, p1) (id) VALUES (1)
INSERT INTO t SET id = 1
INSERT INTO t SET id = 1, a = DEFAULT, c = 'x'
INSERT INTO t SET id := 1, t.a := 2
INSERT INTO t SET a = 1 ON DUPLICATE KEY UPDATE a = a + 1
INSERT INTO log (n) SELECT COUNT(*) FROM t ON DUPLICATE KEY UPDATE n = 1
INSERT INTO t SELECT * FROM t AS x
INSERT INTO t TABLE u
INSERT INTO t (id, a) VALUES (1, 2) AS new ON DUPLICATE KEY UPDATE a = new.a
REPLACE t SET id = 1
REPLACE INTO t SET id = 1, a = 2
REPLACE DELAYED INTO t (id) VALUES (1)
REPLACE INTO t PARTITION (p0) VALUES (1, 2)
UPDATE t, u SET t.a = u.a WHERE t.id = u.id
UPDATE t JOIN u ON t.id = u.id SET t.a = u.a, u.b = t.b
UPDATE t LEFT JOIN u USING (id) SET t.a = 0 WHERE u.id IS NULL
UPDATE t AS x JOIN (SELECT MAX(id) AS m FROM u) AS y ON x.id = y.m SET x.a = 1
UPDATE t x, u y SET x.a = y.a, y.a = x.a WHERE x.id = y.id AND x.id = 1
UPDATE (t) SET a = 1
UPDATE t PARTITION (p0) SET a = 1
UPDATE t USE INDEX (a) SET b = 1 WHERE a = 1
UPDATE v SET a = 1 WHERE id = 1
UPDATE period FOR PORTION OF p FROM '2020-01-01' TO '2020-02-01' SET a = 1
DELETE t FROM t
DELETE t FROM t JOIN u ON t.id = u.id WHERE u.a = 1
DELETE t, u FROM t INNER JOIN u USING (id)
DELETE t.*, u.* FROM t, u WHERE t.id = u.id
DELETE FROM t USING t JOIN u ON t.id = u.id
DELETE FROM t, u USING t JOIN u ON t.id = u.id WHERE t.a = 1
DELETE FROM t.* USING t, u WHERE t.id = u.id
DELETE x FROM t AS x LEFT JOIN u AS y ON x.id = y.id WHERE y.id IS NULL
DELETE FROM x USING t AS x JOIN u AS y ON x.id = y.id
DELETE shop.t FROM shop.t JOIN u USING (id)
DELETE FROM shop.t WHERE id = 1
DELETE FROM t AS x WHERE x.id = 1
DELETE FROM t PARTITION (p0) WHERE id = 1
DELETE FROM period FOR PORTION OF p FROM '2020-01-01' TO '2020-02-01'
DELETE HISTORY FROM history
DELETE HISTORY FROM history BEFORE SYSTEM_TIME '2020-01-01'
DELETE FROM t WHERE id = 1 RETURNING id, a
DELETE FROM t RETURNING *
DELETE FROM t WHERE id = 1 ORDER BY a LIMIT 1 RETURNING a
LOAD DATA INFILE '/tmp/never' INTO TABLE t
LOAD DATA LOCAL INFILE 'never' INTO TABLE t
LOAD DATA LOW_PRIORITY LOCAL INFILE 'never' REPLACE INTO TABLE shop.t
LOAD DATA CONCURRENT INFILE '/tmp/never' IGNORE INTO TABLE t PARTITION (p0)
LOAD DATA INFILE '/tmp/never' INTO TABLE t CHARACTER SET utf8mb4
LOAD DATA INFILE '/tmp/never' INTO TABLE t FIELDS TERMINATED BY ',' ENCLOSED BY '"' ESCAPED BY '\\\\'
LOAD DATA INFILE '/tmp/never' INTO TABLE t COLUMNS TERMINATED BY '\\t' OPTIONALLY ENCLOSED BY '"' LINES STARTING BY 'x' TERMINATED BY '\\r\\n' IGNORE 1 LINES
LOAD DATA INFILE '/tmp/never' INTO TABLE t IGNORE 2 ROWS (id, a, @skip)
LOAD DATA LOCAL INFILE 'never' INTO TABLE t (id, @x) SET a = @x + 1, b = DEFAULT
LOAD DATA INFILE '/tmp/never' INTO TABLE t LINES TERMINATED BY '\\n' (id) SET d = NOW(), c = CONCAT('a', 'b')
LOAD XML INFILE '/tmp/never' INTO TABLE t
LOAD XML LOCAL INFILE 'never' INTO TABLE t CHARACTER SET utf8mb4 ROWS IDENTIFIED BY '<row>' IGNORE 1 LINES (id, a)
CALL p()
CALL p
CALL shop.p()
CALL p(1, 'x')
CALL p(@out)
CALL p(1 + 1, @a, (SELECT 1))
CALL `p`(NULL)
DO 1
DO SLEEP(0)
DO GET_LOCK('x', 0)
DO RELEASE_LOCK('x')
DO 1, 2, @a := 3
DO changes(1)
DO counts(1)
DO (SELECT COUNT(*) FROM t)
WITH x AS (SELECT 1 AS id) SELECT * FROM t JOIN x USING (id)
TRUNCATE t
TRUNCATE TABLE t
TRUNCATE TABLE shop.t
TRUNCATE TABLE t WAIT 1
TRUNCATE t NOWAIT
"""


def corpus():
    sources, conflicts, assignments, targets = lines(SOURCES), lines(CONFLICTS), lines(ASSIGNMENTS), lines(TARGETS)
    out = lines(OTHERS)
    for n, source in enumerate(sources):
        for modifier in ("", "IGNORE ", "LOW_PRIORITY ", "HIGH_PRIORITY ", "DELAYED "):
            out.append(f"INSERT {modifier}INTO t (id, a) {source}")
        out.append(f"REPLACE INTO t (id, a) {source}")
        out.append(f"INSERT INTO shop.t (a, b) {source}")
        for conflict in conflicts:
            if "FOR UPDATE" not in source:
                out.append(f"INSERT INTO t (id, a) {source} {conflict}")
        out.append(f"REPLACE LOW_PRIORITY t (id, a) {source} RETURNING id")
    for n, assignment in enumerate(assignments):
        for target in targets:
            modifier = ("", "LOW_PRIORITY ", "IGNORE ")[n % 3]
            out.append(f"UPDATE {modifier}t SET {assignment} {target}")
        out.append(f"UPDATE t JOIN u USING (id) SET {assignment if 't.a' in assignment else 't.' + assignment.split(',')[0]}")
    for n, target in enumerate(targets):
        for modifier in ("", "QUICK ", "IGNORE ", "LOW_PRIORITY QUICK IGNORE "):
            out.append(f"DELETE {modifier}FROM t {target}")
        out.append(f"DELETE FROM t {target} RETURNING id, a AS x")
        if target.startswith("WHERE") and "ORDER" not in target:
            out.append(f"DELETE t FROM t JOIN (SELECT 1) AS z {target}")
        out.append(f"EXPLAIN UPDATE t SET a = 1 {target}")
        out.append(f"EXPLAIN DELETE FROM t {target}")
        out.append(f"ANALYZE UPDATE t SET a = 1 {target}")
        out.append(f"ANALYZE FORMAT=JSON DELETE FROM t {target}")
    return {"writes": out}
