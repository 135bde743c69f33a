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
-- refused
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
-- refused
INSERT INTO orders (id, customer_id, amount) SELECT o.id + 7000, o.customer_id, o.amount FROM orders o ON CONFLICT DO NOTHING;
ROLLBACK;
SELECT * FROM lonely;
SELECT count(*) FROM nobody;
