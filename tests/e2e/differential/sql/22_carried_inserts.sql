-- INSERT of rows that belong to other shards than those they are made of.
BEGIN;
INSERT INTO nobody SELECT g, 'g' || g, g FROM generate_series(1, 20) g;
SELECT count(*), sum(n) FROM nobody;
INSERT INTO nobody SELECT id + 100, t, n * 2 FROM nobody;
SELECT * FROM nobody ORDER BY id;
INSERT INTO nobody SELECT count(*) + 1000, max(t), sum(n) FROM nobody RETURNING *;
INSERT INTO nobody SELECT id + 2000, t, n FROM nobody ORDER BY id LIMIT 3 OFFSET 2 RETURNING id;
INSERT INTO nobody SELECT id, 'again', 0 FROM nobody ON CONFLICT DO NOTHING;
INSERT INTO nobody SELECT id, 'again', 0 FROM nobody WHERE id < 6 ON CONFLICT (id) DO UPDATE SET t = excluded.t, n = nobody.n + 1 RETURNING id, t, n;
SELECT * FROM nobody ORDER BY id;
DELETE FROM nobody;
INSERT INTO nobody (t, id) SELECT c.name, row_number() OVER (ORDER BY c.id, o.id) FROM customers c JOIN orders o ON o.amount > c.credit WHERE c.id < 20;
SELECT * FROM nobody ORDER BY id;
DELETE FROM nobody;
INSERT INTO nobody SELECT id::int + 1, name, credit FROM customers WHERE vip RETURNING id, t, n;
INSERT INTO nobody (id, n) SELECT o.customer_id + 5000, count(*) FROM orders o GROUP BY o.customer_id HAVING count(*) > 1;
INSERT INTO nobody (id, t) SELECT 9000 + row_number() OVER (ORDER BY code), name FROM countries;
INSERT INTO nobody WITH a (x) AS (VALUES (9100), (9101)) SELECT x, 'w' FROM a;
WITH a AS (SELECT max(id) AS m FROM customers) INSERT INTO nobody SELECT m + 9200, 'max' FROM a RETURNING id;
WITH RECURSIVE n (i) AS (SELECT 9300 UNION ALL SELECT i + 1 FROM n WHERE i < 9310) INSERT INTO nobody (id) SELECT i FROM n;
INSERT INTO nobody SELECT 9400, name FROM customers WHERE id = 4 UNION ALL SELECT 9401, status FROM orders WHERE customer_id = 5 AND id = (SELECT min(id) FROM orders WHERE customer_id = 5);
INSERT INTO nobody VALUES (9500 + 1, 'a', 1), (length('five') + 9502, upper('b'), 2), ((SELECT max(id) + 9600 FROM customers), 'c', NULL) RETURNING *;
SELECT * FROM nobody ORDER BY id;
ROLLBACK;
BEGIN;
INSERT INTO orders (id, customer_id, amount) SELECT id + 7000, customer_id + 1, amount FROM orders RETURNING customer_id, id, status;
SELECT customer_id, count(*), sum(amount) FROM orders GROUP BY customer_id ORDER BY customer_id;
INSERT INTO orders (id, customer_id, note) SELECT 8000 + id, 3, name FROM customers ORDER BY id DESC LIMIT 5 RETURNING id, note;
INSERT INTO events (who, kind, n) SELECT name, left(coalesce(country, '-'), 10), id FROM customers WHERE name IS NOT NULL;
SELECT who, kind, n FROM events ORDER BY who, kind, n;
INSERT INTO devices (id, owner, model) SELECT md5(id::text)::uuid, id, name FROM customers RETURNING id, owner;
INSERT INTO accounts (no, holder, balance) SELECT id + 0.4 + 70000, name, abs(coalesce(credit, 0)) FROM customers RETURNING no, balance;
INSERT INTO customers (id, name, country, feeling, born, vip, tags, info) SELECT id + 100000, name, country, feeling, born, NOT vip, tags || ARRAY['x'], info FROM customers RETURNING id, feeling, tags, info;
INSERT INTO zoo SELECT id + 700, s, i, b, n, r, d, t, c, v, by, bo, da, ti, ts, tz, iv, u, j, a, m FROM zoo;
SELECT * FROM zoo ORDER BY id;
INSERT INTO notes SELECT id + 900, name, id FROM customers WHERE vip RETURNING id, text;
INSERT INTO notes (id, text) SELECT 5000 + count(*), 'all' FROM orders;
INSERT INTO countries (code, name, people) SELECT 'q' || id % 3, min(name), count(*) FROM customers GROUP BY id % 3 RETURNING code, people;
SELECT code, name, people FROM countries ORDER BY code;
INSERT INTO items (customer_id, order_id, line, quantity) SELECT customer_id + 3, id, 77, 1 FROM orders ON CONFLICT DO NOTHING;
SELECT customer_id, order_id, quantity FROM items WHERE line = 77 ORDER BY 1, 2;
ROLLBACK;
INSERT INTO nobody SELECT 1 / (id - id), name FROM customers;
INSERT INTO nobody SELECT id % 3, name FROM customers;
INSERT INTO nobody SELECT id + 1, name, credit, born FROM customers;
INSERT INTO nobody (id, nothing) SELECT id + 1, name FROM customers;
INSERT INTO nobody (id) SELECT name FROM customers;
INSERT INTO nobody (id) SELECT id + 5000000000 FROM customers;
INSERT INTO nobody SELECT id + 1, name, credit FROM customers ON CONFLICT (t) DO NOTHING;
INSERT INTO nobody SELECT id % 3, name FROM customers ON CONFLICT (id) DO UPDATE SET t = 'twice';
INSERT INTO items (customer_id, order_id, line, quantity) SELECT customer_id + 1, id, 1, -1 FROM orders;
INSERT INTO accounts (no, holder) SELECT 99999999999 + id, name FROM customers;
-- refused
INSERT INTO orders (id, customer_id) SELECT id, NULLIF(id, id) FROM customers;
-- values: 5 | x
INSERT INTO nobody SELECT id + $1::int, $2 FROM customers RETURNING id, t;
-- values: 3 | 7
INSERT INTO nobody (id, n) VALUES ($1::int * -1, $2), (-4, $2) RETURNING id, n;
DELETE FROM nobody;
SELECT count(*) FROM nobody;
BEGIN;
-- refused
INSERT INTO odd (k, v) SELECT l.id, 'nul' FROM customers c LEFT JOIN lonely l ON l.id = c.id;
ROLLBACK;
BEGIN;
-- refused
INSERT INTO odd (k, v) SELECT l.id, 'nul' FROM customers c LEFT JOIN lonely l ON l.id = c.id WHERE c.id = 5;
ROLLBACK;
BEGIN;
-- refused
INSERT INTO odd (k, v) SELECT id, count(*) FROM lonely WHERE id = 3 GROUP BY ROLLUP (id);
ROLLBACK;
BEGIN;
INSERT INTO nobody (id, t) SELECT c.id, l.t FROM customers c LEFT JOIN lonely l ON l.id = c.id WHERE c.id < 20 RETURNING id, t;
INSERT INTO nobody (id, t) SELECT l.id + 0, l.t FROM customers c LEFT JOIN lonely l ON l.id = c.id WHERE c.id < 20 AND l.id NOT IN (SELECT id FROM nobody);
SELECT count(*), count(t) FROM nobody;
-- refused
INSERT INTO nobody (id, t) SELECT l.id, l.t FROM customers c LEFT JOIN lonely l ON l.id = c.id WHERE c.id = 5 ON CONFLICT DO NOTHING;
ROLLBACK;
