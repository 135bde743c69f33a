-- SELECT ... FOR UPDATE and its like: rows in their order, errors, joins, whole transactions.
SELECT id, name FROM customers WHERE id IN (1, 2, 3, 4, 5, 6) ORDER BY id FOR UPDATE;
SELECT * FROM customers ORDER BY id DESC FOR UPDATE;
SELECT name, id FROM customers WHERE country = 'de' FOR NO KEY UPDATE;
SELECT id FROM customers ORDER BY born NULLS FIRST, credit DESC, id FOR SHARE NOWAIT;
SELECT id, credit FROM customers ORDER BY credit DESC NULLS LAST, 1 FOR KEY SHARE SKIP LOCKED;
SELECT born AS id, customers.id AS n FROM customers ORDER BY id, n FOR UPDATE;
SELECT id AS x FROM customers ORDER BY credit * 2 + id, x FOR UPDATE;
SELECT id FROM customers ORDER BY vip, id FOR UPDATE;
SELECT * FROM devices ORDER BY id FOR SHARE;
SELECT model FROM devices ORDER BY seen DESC, id FOR SHARE;
SELECT no, holder, balance FROM accounts ORDER BY balance, no FOR UPDATE;
SELECT u.b, u.r FROM zoo u ORDER BY r, d DESC, id FOR UPDATE;
SELECT id FROM zoo ORDER BY n, ts, tz DESC, ti, da, by, u, id FOR UPDATE;
SELECT * FROM nobody ORDER BY id FOR UPDATE;
SELECT * FROM nobody FOR UPDATE;
SELECT id FROM customers WHERE false ORDER BY id FOR UPDATE;
-- refused
SELECT FROM lonely FOR UPDATE;
SELECT id FROM customers c WHERE EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id AND o.amount > 500) ORDER BY id FOR UPDATE;
SELECT c.id, o.id FROM customers c JOIN orders o ON o.customer_id = c.id ORDER BY c.id, o.id DESC FOR UPDATE;
SELECT c.id, o.id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id ORDER BY c.id, o.id FOR UPDATE OF c;
SELECT c.id, o.id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id ORDER BY c.id, o.id FOR UPDATE;
SELECT c.id, n.name FROM customers c JOIN countries n ON n.code = c.country ORDER BY c.id FOR UPDATE OF c;
SELECT * FROM orders o JOIN items i ON i.customer_id = o.customer_id AND i.order_id = o.id ORDER BY o.customer_id, o.id, i.line FOR UPDATE OF o FOR SHARE OF i;
SELECT id, info, tags, feeling FROM customers ORDER BY id FOR UPDATE;
SELECT (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) AS n, id FROM customers c ORDER BY n DESC, id FOR UPDATE;
-- values: {3,4,5,9,12} | 2
SELECT id, id + $2::int8 AS more FROM customers WHERE id = ANY ($1) ORDER BY id % 2, id DESC FOR UPDATE;
-- values: 100
SELECT id FROM customers WHERE credit > $1 ORDER BY credit, id FOR UPDATE;
-- values: {1,2,3} | 7
SELECT $2::text, id FROM customers WHERE id = ANY ($1) ORDER BY 2 DESC FOR SHARE;
SELECT DISTINCT country FROM customers FOR UPDATE;
SELECT DISTINCT country FROM customers ORDER BY country FOR UPDATE;
SELECT count(*) FROM customers FOR UPDATE;
SELECT country FROM customers GROUP BY country FOR UPDATE;
SELECT country FROM customers GROUP BY country HAVING count(*) > 1 ORDER BY 1 FOR UPDATE;
SELECT row_number() OVER (ORDER BY id) FROM customers FOR UPDATE;
SELECT generate_series(1, 2) FROM customers FOR UPDATE;
SELECT nothing FROM customers ORDER BY id FOR UPDATE;
SELECT id FROM customers ORDER BY nothing FOR UPDATE;
SELECT id FROM customers WHERE nothing = 1 ORDER BY neither FOR UPDATE;
SELECT id FROM customers FOR UPDATE OF orders;
SELECT id FROM customers FOR UPDATE OF public.customers;
SELECT 1 / (id - id) FROM customers ORDER BY id FOR UPDATE;
-- refused
SELECT id FROM customers ORDER BY 3 FOR UPDATE;
BEGIN;
SELECT id, credit FROM customers WHERE id IN (1, 2, 3, 4) ORDER BY id FOR UPDATE;
UPDATE customers SET credit = coalesce(credit, 0) - 10 WHERE id = 1;
UPDATE customers SET credit = coalesce(credit, 0) + 10 WHERE id = 4;
SELECT id, credit FROM customers WHERE id IN (1, 2, 3, 4) ORDER BY id FOR UPDATE;
SAVEPOINT s;
SELECT 1 / (id - 3) FROM customers WHERE id IN (1, 2, 3, 4) ORDER BY id FOR UPDATE;
ROLLBACK TO s;
SELECT id, credit FROM customers ORDER BY id FOR SHARE;
ROLLBACK;
BEGIN READ ONLY;
SELECT id FROM customers ORDER BY id FOR UPDATE;
ROLLBACK;
BEGIN \; SELECT id FROM customers WHERE id < 5 ORDER BY id FOR UPDATE \; UPDATE lonely SET n = n + 1 \; ROLLBACK;
-- refused
SELECT id FROM customers ORDER BY id LIMIT 3 FOR UPDATE;
-- refused
SELECT c.id FROM customers c JOIN countries n ON n.code = c.country FOR UPDATE;
-- refused
SELECT id FROM customers WHERE id IN (SELECT customer_id FROM orders FOR UPDATE);
-- refused
SELECT id FROM customer_totals FOR UPDATE;
-- refused
SELECT (ROW(id, 40 - id)).*, id FROM customers WHERE id IN (1, 2, 3, 4) ORDER BY 2 FOR UPDATE;
SELECT (ROW(id, 40 - id)).*, id FROM customers WHERE id IN (1, 2, 3, 4) ORDER BY customers.id FOR UPDATE;
