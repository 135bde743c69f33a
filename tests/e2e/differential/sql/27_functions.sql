-- Functions of the users', which are volatile where nothing else is said, in reads of rows of several shards.
CREATE OR REPLACE FUNCTION shout(t text) RETURNS text LANGUAGE sql AS 'SELECT upper(t) || ''!''';
CREATE OR REPLACE FUNCTION twice(n int8) RETURNS int8 LANGUAGE plpgsql AS 'BEGIN IF n IS NULL THEN RETURN 0; END IF; RETURN 2 * n; END';
CREATE OR REPLACE FUNCTION four_times(n int8) RETURNS int8 LANGUAGE plpgsql AS 'DECLARE m int8 := twice(n); BEGIN RETURN twice(m); END';
CREATE OR REPLACE FUNCTION both(n int8, OUT one int8, OUT two int8) LANGUAGE sql AS 'SELECT n, twice(n)';
CREATE OR REPLACE FUNCTION up_to(n int8) RETURNS SETOF int8 LANGUAGE sql AS 'SELECT generate_series(1, n)';
CREATE OR REPLACE FUNCTION strict_one(n int8) RETURNS int8 STRICT LANGUAGE plpgsql AS 'BEGIN IF n > 5 THEN RAISE EXCEPTION ''too large: %'', n USING ERRCODE = ''22003''; END IF; RETURN n; END';
SELECT id, shout(name) FROM customers;
SELECT id, shout(name) AS loud FROM customers ORDER BY loud, id;
SELECT sum(twice(id)), max(four_times(id)) FROM customers WHERE shout(name) LIKE 'A%';
SELECT twice(id) AS t, count(*) FROM customers GROUP BY twice(id) HAVING count(*) = 1 ORDER BY 1 LIMIT 7;
SELECT c.id, twice(o.id) FROM customers c JOIN orders o ON o.customer_id = c.id WHERE twice(c.id) < 20;
SELECT id, both(id) FROM customers WHERE id < 6;
SELECT c.id, b.two FROM customers c, LATERAL both(c.id) b WHERE c.id < 9;
SELECT c.id, n FROM customers c, up_to(c.id) n WHERE c.id < 5;
SELECT DISTINCT shout(status) FROM orders;
SELECT id FROM customers WHERE id IN (SELECT twice(customer_id) FROM orders) ORDER BY id;
SELECT name FROM customers ORDER BY twice(id) DESC LIMIT 5;
-- values: 4
SELECT id, twice(id) FROM customers WHERE twice(id) = $1;
SELECT strict_one(id) FROM customers WHERE id < 5;
SELECT count(strict_one(id)) FROM customers;
SELECT twice(id) FROM customers WHERE id = 3;
SELECT id, twice(id) FROM customers WHERE id IN (1, 2, 3, 4);
SELECT twice(4), shout('a');
BEGIN;
SELECT sum(twice(id)) FROM customers;
UPDATE customers SET name = shout(name) WHERE id = 3;
SELECT id, name, twice(id) FROM customers WHERE name LIKE '%!';
ROLLBACK;
UPDATE orders SET note = shout(note) WHERE amount < 100;
-- What has an effect, or reads tables, does not run so.
CREATE OR REPLACE FUNCTION counts(n int8) RETURNS int8 LANGUAGE sql AS 'SELECT count(*) FROM countries';
CREATE OR REPLACE FUNCTION sets(n int8) RETURNS text LANGUAGE plpgsql AS 'BEGIN SET LOCAL work_mem = ''1MB''; RETURN n; END';
CREATE OR REPLACE FUNCTION sets_deep(n int8) RETURNS text LANGUAGE sql AS 'SELECT sets(n)';
CREATE OR REPLACE FUNCTION draws(n int8) RETURNS int8 LANGUAGE sql AS 'SELECT nextval(''nowhere'') + n';
CREATE OR REPLACE FUNCTION asks(n int8) RETURNS text LANGUAGE sql AS 'SELECT statement_timestamp()::text || n';
-- refused
SELECT counts(id) FROM customers;
-- refused
SELECT sets(id) FROM customers;
-- refused
SELECT sets_deep(id) FROM customers;
-- refused
SELECT draws(id) FROM customers;
-- refused
SELECT asks(id) FROM customers;
DROP FUNCTION shout, twice, four_times, both, up_to, strict_one, counts, sets, sets_deep, draws, asks;
