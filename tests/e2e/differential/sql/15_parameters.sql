-- Parameters of the extended protocol.
-- values: 5
SELECT * FROM customers WHERE id = $1;
-- values: 5
SELECT id, name FROM customers WHERE id = $1::int4;
-- values: 5
SELECT id, name FROM customers WHERE id = $1::text::int8;
-- values: NULL
SELECT id, name FROM customers WHERE id = $1;
-- values: 5 | 6
SELECT id FROM customers WHERE id IN ($1, $2) ORDER BY id;
-- values: {1,2,3,40}
SELECT id FROM customers WHERE id = ANY ($1) ORDER BY id;
-- values: {}
SELECT id FROM customers WHERE id = ANY ($1) ORDER BY id;
-- values: {1,NULL}
SELECT id FROM customers WHERE id = ANY ($1) ORDER BY id;
-- values: {7}
SELECT id FROM customers WHERE id = ANY ($1::int8[]);
-- values: 10 | 14
SELECT id FROM customers WHERE id BETWEEN $1 AND $2 ORDER BY id;
-- values: de
SELECT id FROM customers WHERE country = $1 ORDER BY id;
-- values: de | glad
SELECT id FROM customers WHERE country = $1 AND feeling = $2 ORDER BY id;
-- values: %nn
SELECT id FROM customers WHERE name LIKE $1 ORDER BY id;
-- values: it's\
SELECT count(*) FROM customers WHERE name = $1;
-- values: 100.5
SELECT id FROM customers WHERE credit > $1 ORDER BY id;
-- values: 1975-06-01
SELECT id FROM customers WHERE born < $1 ORDER BY id;
-- values: true
SELECT count(*) FROM customers WHERE vip = $1;
-- values: 3 | 2
SELECT id FROM customers ORDER BY id LIMIT $1 OFFSET $2;
-- values: 3
SELECT id FROM customers ORDER BY credit NULLS FIRST, id LIMIT $1;
-- values: 10
SELECT count(*) + $1 FROM customers;
-- values: x
SELECT $1 || name FROM customers WHERE id < 4 ORDER BY id;
-- values: 7
SELECT $1::int, count(*) FROM orders WHERE customer_id > $1 GROUP BY 1;
-- values: ann
SELECT count(*), min(at) FROM events WHERE who = $1;
-- values: ann | Çelik
SELECT who, count(*) FROM events WHERE who IN ($1, $2) GROUP BY who ORDER BY who;
-- values: c4ca4238-a0b9-2382-0dcc-509a6f75849b
SELECT model FROM devices WHERE id = $1;
-- values: 1003.0
SELECT holder FROM accounts WHERE no = $1;
-- values: open
SELECT c.id, o.id FROM customers c JOIN orders o ON o.customer_id = c.id AND o.status = $1 ORDER BY 1, 2;
-- values: 8
SELECT c.id, o.id FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.id = $1 ORDER BY 2;
-- values: 8
SELECT c.id, o.id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id AND o.customer_id = $1 ORDER BY 1, 2;
-- values: 500
WITH x AS (SELECT customer_id, sum(amount) AS s FROM orders GROUP BY 1) SELECT * FROM x WHERE s > $1 ORDER BY 1;
-- values: 500
SELECT customer_id, sum(amount) FROM orders GROUP BY 1 HAVING sum(amount) > $1 ORDER BY 1;
-- values: 3
SELECT id FROM customers WHERE id IN (SELECT customer_id FROM orders GROUP BY 1 HAVING count(*) > $1) ORDER BY 1;
-- values: 2024-01-10
SELECT count(*) FROM orders WHERE placed >= $1::date AND placed < $1::date + 7;
-- values: {"age": 7}
SELECT id FROM customers WHERE info @> $1 ORDER BY id;
-- values: t1
SELECT id FROM customers WHERE $1 = ANY (tags) ORDER BY id;
-- values: abc
SELECT * FROM customers WHERE id = $1;
-- values: 5
SELECT * FROM customers WHERE id = $2;
-- values: 99999999999999999999
SELECT * FROM customers WHERE id = $1;
-- values: 9000 | here | 1.50
INSERT INTO lonely VALUES ($1, $2, $3) RETURNING *;
-- values: 9001 | a | 9002 | b | 9003 | c
INSERT INTO lonely (id, t) VALUES ($1, $2), ($3, $4), ($5, $6) RETURNING id, t;
-- values: 9001 | z
UPDATE lonely SET t = $2 WHERE id = $1 RETURNING t;
-- values: y
UPDATE lonely SET t = $1 WHERE id > 9000;
-- values: {9001,9002}
UPDATE lonely SET n = id WHERE id = ANY ($1);
SELECT * FROM lonely ORDER BY id;
-- values: 9000
DELETE FROM lonely WHERE id >= $1;
-- values: 9010 | NULL | NULL
INSERT INTO lonely VALUES ($1, $2, $3);
-- values: NULL
-- refused
DELETE FROM lonely WHERE id = $1;
-- values: 9010
DELETE FROM lonely WHERE id = $1 RETURNING id, t, n;
SELECT * FROM lonely ORDER BY id;
