-- MERGE; and INSERT ... SELECT.
-- refused
MERGE INTO lonely l USING (VALUES (7, 'merged')) v (id, t) ON l.id = v.id WHEN MATCHED THEN UPDATE SET t = v.t WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.t, 0);
SELECT * FROM lonely;
-- refused
MERGE INTO lonely l USING (VALUES (7, 'alone'), (8, 'new')) v (id, t) ON l.id = v.id WHEN MATCHED THEN UPDATE SET t = v.t WHEN NOT MATCHED THEN DO NOTHING;
MERGE INTO notes n USING (VALUES (1, 'one'), (50, 'fifty')) v (id, t) ON n.id = v.id WHEN MATCHED THEN UPDATE SET text = v.t WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.t, 0);
SELECT * FROM notes WHERE id IN (1, 50) ORDER BY id;
MERGE INTO notes n USING (VALUES (50)) v (id) ON n.id = v.id WHEN MATCHED THEN DELETE;
UPDATE notes SET text = 'about 1' WHERE id = 1;
-- refused
MERGE INTO customers c USING countries k ON k.code = c.country AND k.code = 'jp' WHEN MATCHED THEN UPDATE SET name = c.name;
BEGIN;
INSERT INTO orders (id, customer_id, amount) SELECT id + 5000, customer_id, amount FROM orders WHERE customer_id = 8;
SELECT count(*) FROM orders WHERE customer_id = 8;
ROLLBACK;
BEGIN;
INSERT INTO nobody SELECT id, name, credit FROM customers WHERE id = 4;
SELECT * FROM nobody;
ROLLBACK;
BEGIN;
INSERT INTO nobody SELECT id, name, credit FROM customers;
SELECT count(*), sum(n) FROM nobody;
ROLLBACK;
BEGIN;
-- refused
INSERT INTO nobody SELECT g, 'g' || g, g FROM generate_series(1, 20) g;
SELECT count(*), sum(n) FROM nobody;
ROLLBACK;
BEGIN;
-- refused
INSERT INTO notes SELECT id + 900, name, id FROM customers WHERE vip;
SELECT count(*) FROM notes;
ROLLBACK;
BEGIN;
WITH moved AS (DELETE FROM notes WHERE id < 4 RETURNING *) INSERT INTO notes SELECT id + 700, text, customer FROM moved;
SELECT count(*) FROM notes WHERE id > 700;
ROLLBACK;
BEGIN;
INSERT INTO orders (id, customer_id, amount) SELECT o.id + 7000, o.customer_id, o.amount FROM orders o ON CONFLICT DO NOTHING;
ROLLBACK;
SELECT * FROM lonely;
SELECT count(*) FROM nobody;
BEGIN;
INSERT INTO nobody SELECT * FROM lonely ON CONFLICT DO NOTHING;
INSERT INTO nobody (id, t) SELECT customer_id, count(*) FROM orders GROUP BY customer_id HAVING count(*) > 1 ON CONFLICT (id) DO UPDATE SET t = excluded.t;
SELECT * FROM nobody ORDER BY id;
INSERT INTO items (customer_id, order_id, line, quantity, price) SELECT o.customer_id, o.id, 900, 1, o.amount FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.vip;
SELECT count(*), sum(price) FROM items WHERE line = 900;
-- refused
INSERT INTO nobody SELECT id + 100000, t FROM lonely;
ROLLBACK;
INSERT INTO nobody SELECT id, t, n FROM lonely WHERE id IN (7, 8, 9, 10) RETURNING id;
INSERT INTO nobody SELECT id, t, n / 0 FROM lonely WHERE id > 5;
DELETE FROM nobody;
