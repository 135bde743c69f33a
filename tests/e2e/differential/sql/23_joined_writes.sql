-- UPDATE and DELETE that read other tables of their rows' keys, on every shard; and IN (SELECT ...) of the key.
BEGIN;
UPDATE orders o SET note = c.name, amount = o.amount + coalesce(c.credit, 0) FROM customers c WHERE c.id = o.customer_id RETURNING o.id, o.customer_id, o.note, c.name;
UPDATE customers c SET credit = (SELECT sum(o.amount) FROM orders o WHERE o.customer_id = c.id), name = name || '+' WHERE c.vip RETURNING id, credit;
UPDATE items i SET price = i.price + 1 FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.customer_id = i.customer_id AND o.id = i.order_id AND c.country IN (SELECT code FROM countries WHERE continent = 'Europe') RETURNING i.line, o.id, c.name;
UPDATE orders o SET status = 'left' FROM customers c LEFT JOIN items i ON i.customer_id = c.id AND i.line = 2 WHERE o.customer_id = c.id AND i.line IS NULL RETURNING o.id;
UPDATE customers c SET (credit, name) = (SELECT count(*), max(o.status) FROM orders o WHERE o.customer_id = c.id) WHERE EXISTS (SELECT FROM items i WHERE i.customer_id = c.id AND i.quantity > 5) RETURNING id, name, credit;
UPDATE orders a SET note = 'max' WHERE amount = (SELECT max(b.amount) FROM orders b WHERE b.customer_id = a.customer_id) RETURNING customer_id, id;
UPDATE orders SET note = 'in' WHERE customer_id IN (SELECT id FROM customers WHERE vip) RETURNING id;
UPDATE orders SET note = 'any' WHERE customer_id = ANY (SELECT c.id FROM customers c WHERE c.feeling = 'glad') AND amount > 10 RETURNING id;
UPDATE customers SET name = 'many' WHERE id IN (SELECT customer_id FROM orders GROUP BY customer_id HAVING count(*) > 2) RETURNING id;
UPDATE customers c SET name = 'or' WHERE c.id IN (SELECT customer_id FROM orders WHERE amount > 900) OR c.id IN (SELECT i.customer_id FROM items i WHERE i.line = 3) RETURNING id;
UPDATE customers SET name = 'few' WHERE id IN (SELECT customer_id FROM orders) AND id IN (1, 2, 3, 4, 5, 6, 7) RETURNING id;
SELECT id, name, credit FROM customers ORDER BY id;
SELECT customer_id, id, status, note, amount FROM orders ORDER BY customer_id, id;
DELETE FROM items USING orders o WHERE o.customer_id = items.customer_id AND o.id = items.order_id AND o.status = 'left' RETURNING items.line, o.id;
DELETE FROM items i WHERE NOT EXISTS (SELECT FROM orders o WHERE o.customer_id = i.customer_id AND o.id = i.order_id) RETURNING customer_id;
DELETE FROM orders WHERE customer_id IN (SELECT id FROM customers WHERE country = 'de') AND (customer_id, id) NOT IN (SELECT i.customer_id, i.order_id FROM items i WHERE i.customer_id = orders.customer_id) RETURNING id;
DELETE FROM orders a USING orders b WHERE a.customer_id = b.customer_id AND a.id < b.id RETURNING a.id;
DELETE FROM customers c WHERE c.id NOT IN (SELECT o.customer_id FROM orders o WHERE o.customer_id = c.id) RETURNING id;
SELECT count(*), sum(customer_id) FROM items;
SELECT customer_id, id FROM orders ORDER BY customer_id, id;
SELECT id FROM customers ORDER BY id;
ROLLBACK;
UPDATE orders o SET note = 1 / (c.id - c.id) FROM customers c WHERE c.id = o.customer_id;
UPDATE orders o SET nothing = 1 FROM customers c WHERE c.id = o.customer_id;
DELETE FROM orders USING customers c WHERE c.id = orders.customer_id AND c.nothing;
UPDATE orders SET note = customer_id FROM customers c WHERE c.id = customer_id AND note = c.name AND id = 5 AND name = 'x';
-- values: 3 | x
UPDATE orders o SET note = $2 FROM customers c WHERE c.id = o.customer_id AND c.credit > $1::numeric RETURNING o.id, o.note;
UPDATE orders SET note = NULL WHERE note = 'x';
-- values: 300
UPDATE orders SET note = note WHERE customer_id IN (SELECT id FROM customers WHERE credit > $1::numeric) RETURNING id;
-- refused
UPDATE orders o SET note = c.name FROM customers c WHERE c.id = o.id;
-- refused
DELETE FROM customers WHERE id NOT IN (SELECT customer_id FROM orders);
-- refused
DELETE FROM customers WHERE id IN (SELECT customer_id FROM orders ORDER BY amount LIMIT 3);
-- refused
DELETE FROM customers WHERE id IN (SELECT max(customer_id) FROM orders);
-- refused
DELETE FROM customers WHERE id IN (SELECT DISTINCT ON (status) customer_id FROM orders ORDER BY status, amount);
-- refused
DELETE FROM customers WHERE id IN (SELECT customer_id FROM orders UNION SELECT customer_id FROM items);
-- refused
UPDATE customers c SET name = (SELECT max(name) FROM customers);
-- refused
UPDATE orders o SET note = c.name FROM customers c WHERE c.id = o.customer_id OR c.vip;
UPDATE orders o SET note = l.t FROM lonely l WHERE l.id = o.customer_id;
SELECT c.id, c.name FROM customers c WHERE c.id IN (SELECT customer_id FROM orders WHERE amount > 500) ORDER BY c.id;
SELECT count(*), sum(credit) FROM customers WHERE id IN (SELECT customer_id FROM orders);
SELECT id FROM customers WHERE id IN (SELECT customer_id FROM orders LIMIT 1000) ORDER BY id;
SELECT id FROM customers WHERE id NOT IN (SELECT customer_id FROM orders) ORDER BY id;
SELECT id FROM customers WHERE NOT (id IN (SELECT customer_id FROM orders)) ORDER BY id;
SELECT id, id IN (SELECT customer_id FROM orders) FROM customers ORDER BY id;
SELECT id FROM customers WHERE (id IN (SELECT customer_id FROM orders)) IS NOT TRUE ORDER BY id;
SELECT id FROM customers WHERE id IN (SELECT max(customer_id) FROM orders) ORDER BY id;
SELECT id FROM customers WHERE id IN (SELECT id FROM orders) ORDER BY id;
SELECT id FROM customers WHERE id IN (SELECT id FROM orders o) AND id IN (SELECT customer_id FROM orders customers) ORDER BY id;
SELECT o.id FROM orders o WHERE o.customer_id IN (SELECT c.id FROM customers c WHERE c.id IN (SELECT i.customer_id FROM items i WHERE i.line = 2)) ORDER BY 1;
SELECT id FROM customers WHERE id IN (SELECT customer_id FROM orders GROUP BY customer_id, status HAVING sum(amount) > 300) ORDER BY id;
SELECT id FROM customers WHERE id IN (SELECT customer_id FROM orders GROUP BY ROLLUP (customer_id) HAVING count(*) > 3) ORDER BY id;
SELECT c.id FROM customers c LEFT JOIN orders o ON c.id = o.customer_id AND o.customer_id IN (SELECT customer_id FROM items WHERE quantity > 3) ORDER BY c.id, o.id;
SELECT id FROM customers WHERE id = 5 AND id IN (SELECT customer_id FROM orders);
UPDATE customers c SET credit = v.x FROM (VALUES (1, 10.5), (2, 20.5), (3, 30.5)) v (id, x) WHERE c.id = v.id;
SELECT id, credit FROM customers WHERE id < 6 ORDER BY id;
UPDATE customers c SET credit = v.x, name = v.n FROM unnest(ARRAY[4, 5, 6], ARRAY[1.5, 2.5, 3.5], ARRAY['a', 'b', 'c']) v (id, x, n) WHERE c.id = v.id RETURNING c.id, c.credit, v.n;
UPDATE customers SET credit = g FROM generate_series(1, 10) g WHERE customers.id = g;
UPDATE orders SET amount = v.x FROM (VALUES ('open', 1.0), ('new', 2.0)) v (s, x) WHERE orders.status = v.s;
SELECT status, sum(amount) FROM orders GROUP BY 1 ORDER BY 1;
DELETE FROM orders USING (VALUES (1), (2)) v (id) WHERE v.id = orders.customer_id;
DELETE FROM items USING unnest(ARRAY[3, 4]) AS u (c) WHERE u.c = items.customer_id;
SELECT count(*) FROM orders;
UPDATE customers c SET credit = v.x FROM (SELECT 1 AS id, 2.5 AS x UNION ALL SELECT 3, 4.5) v WHERE c.id = v.id;
UPDATE customers c SET credit = v.x FROM (SELECT code, count(*) AS x FROM countries GROUP BY code) v WHERE c.country = v.code;
WITH v (id, x) AS (VALUES (1, 7), (2, 8)) UPDATE customers c SET credit = v.x FROM v WHERE v.id = c.id;
WITH few AS (SELECT code FROM countries WHERE continent = 'Europe') UPDATE customers SET credit = 3 FROM few WHERE few.code = customers.country;
SELECT id, credit FROM customers ORDER BY id;
UPDATE accounts SET balance = balance + 1 FROM (VALUES ('x')) v (holder) WHERE v.holder <> accounts.holder;
UPDATE accounts SET balance = v.balance FROM (VALUES (1, 3.5)) v (no, balance) WHERE v.no = accounts.no;
UPDATE accounts SET balance = v.balance FROM (VALUES (1, 3.5)) v (no, balance) WHERE no = 1;
UPDATE accounts SET no = 5000 FROM (VALUES (1)) v (a) WHERE accounts.no = 3 AND v.a = 1;
-- refused
UPDATE customers SET name = r.v FROM (SELECT random()::text AS v) r;
-- refused
UPDATE customers SET name = (SELECT gen_random_uuid()::text);
-- refused
DELETE FROM customers USING (SELECT customer_id FROM orders LIMIT 3) o WHERE o.customer_id = customers.id;
-- refused
WITH o AS (SELECT max(amount) m FROM orders) UPDATE customers SET credit = o.m FROM o;
-- refused
UPDATE customers SET credit = r * 1000 FROM random() r;
-- refused
UPDATE customers SET name = u::text FROM LATERAL gen_random_uuid() u;
-- refused
DELETE FROM customers USING ROWS FROM (random()) r WHERE r > 0.5;
-- refused
UPDATE customers SET credit = v.people FROM (SELECT people FROM countries LIMIT 1) v;
-- refused
UPDATE customers SET credit = v.r FROM (SELECT row_number() OVER () r, code FROM countries) v WHERE v.code = country;
-- refused
UPDATE customers SET name = (SELECT string_agg(code, ',') FROM countries);
UPDATE customers SET credit = v.r FROM (SELECT row_number() OVER (ORDER BY code) r, code FROM countries) v WHERE v.code = country;
UPDATE customers SET name = (SELECT string_agg(code, ',' ORDER BY code) FROM countries) WHERE id < 20;
UPDATE customers SET credit = v.people FROM (SELECT people FROM countries ORDER BY code LIMIT 1) v WHERE id < 9;
UPDATE customers SET credit = (SELECT amount FROM orders o WHERE o.customer_id = customers.id ORDER BY id LIMIT 1) WHERE id > 30;
UPDATE customers SET info = jsonb_build_object('n', random() < 2) WHERE country IN (SELECT code FROM countries);
DELETE FROM customers WHERE id = 23 AND random() < 2 AND country IN (SELECT code FROM countries);
-- refused
MERGE INTO customers c USING countries k ON k.code = c.country WHEN MATCHED THEN UPDATE SET name = (SELECT gen_random_uuid()::text);
SELECT count(*), sum(credit), max(name) FROM customers;
SELECT count(DISTINCT r) FROM (SELECT c.id, r FROM customers c, random() r) x;
SELECT count(DISTINCT r) FROM (SELECT id, (SELECT random()) r FROM customers) x;
INSERT INTO lonely (id, t) SELECT c.id + 800, r::text FROM customers c, random() r;
SELECT count(*) > 9, count(DISTINCT t) FROM lonely WHERE id > 800;
DELETE FROM lonely WHERE id > 800;
