-- Cursors, PREPARE and EXECUTE, EXPLAIN, COPY.
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM customers WHERE id = 5;
FETCH c;
FETCH c;
CLOSE c;
COMMIT;
BEGIN;
DECLARE c CURSOR FOR SELECT id, name FROM customers ORDER BY id;
FETCH 3 FROM c;
FETCH c;
MOVE 10 IN c;
FETCH NEXT FROM c;
FETCH ALL FROM c;
FETCH c;
CLOSE c;
FETCH c;
ROLLBACK;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM customers ORDER BY id;
FETCH LAST FROM c;
FETCH PRIOR FROM c;
FETCH ABSOLUTE 5 FROM c;
FETCH RELATIVE -2 FROM c;
FETCH FIRST FROM c;
FETCH BACKWARD 1 FROM c;
MOVE FORWARD ALL IN c;
FETCH BACKWARD 2 FROM c;
COMMIT;
FETCH c;
BEGIN;
DECLARE a CURSOR FOR SELECT id FROM customers ORDER BY id;
DECLARE b CURSOR FOR SELECT id FROM orders ORDER BY id DESC;
FETCH 2 FROM a;
FETCH 2 FROM b;
SELECT count(*) FROM customers;
FETCH 2 FROM a;
INSERT INTO lonely VALUES (501, 'in a cursor', 1);
FETCH 2 FROM b;
SELECT count(*) FROM lonely;
CLOSE ALL;
FETCH a;
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT c.id, count(o.id) FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY c.id ORDER BY 1;
FETCH 4 FROM c;
SELECT sum(amount) FROM orders;
FETCH 2 FROM c;
SAVEPOINT s;
FETCH 1 FROM c;
ROLLBACK TO s;
FETCH 1 FROM c;
COMMIT;
-- simple
PREPARE one (int8) AS SELECT id, name FROM customers WHERE id = $1;
-- simple
EXECUTE one (5);
-- simple
EXECUTE one (6);
-- simple
DEALLOCATE one;
-- simple
PREPARE some (text) AS SELECT id, name FROM customers WHERE country = $1 ORDER BY id;
-- simple
EXECUTE some ('de');
-- simple
EXECUTE some ('fr');
-- simple
EXECUTE some (NULL);
-- simple
DEALLOCATE some;
-- simple
PREPARE total AS SELECT count(*), sum(amount) FROM orders;
-- simple
EXECUTE total;
-- simple
BEGIN;
-- simple
-- refused
EXECUTE total;
-- simple
UPDATE orders SET amount = amount + 1;
-- simple
EXECUTE total;
-- simple
ROLLBACK;
-- simple
EXECUTE total;
-- simple
DEALLOCATE total;
-- simple
PREPARE put (int4, text) AS INSERT INTO lonely VALUES ($1, $2, 0);
-- simple
EXECUTE put (600, 'six');
-- simple
EXECUTE put (601, 'seven');
-- simple
EXECUTE put (600, 'again');
-- simple
DEALLOCATE put;
-- simple
-- refused
PREPARE wipe AS DELETE FROM lonely WHERE id >= 600;
-- simple
EXECUTE wipe;
-- simple
DEALLOCATE wipe;
-- simple
PREPARE several (int8, int8) AS SELECT id FROM customers WHERE id IN ($1, $2) ORDER BY id;
-- simple
EXECUTE several (3, 3);
-- simple
EXECUTE several (3, 4);
-- simple
EXECUTE several (3);
-- simple
DEALLOCATE several;
EXPLAIN (COSTS OFF) SELECT 1;
COPY countries TO STDOUT;
COPY (SELECT code FROM countries ORDER BY code) TO STDOUT;
COPY (SELECT 1, 'x') TO STDOUT (FORMAT csv, HEADER);
COPY (SELECT id, name, credit FROM customers ORDER BY id) TO STDOUT;
COPY (SELECT * FROM customers WHERE id = 3) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE *);
COPY (SELECT country, count(*), sum(credit) FROM customers GROUP BY country ORDER BY 1) TO STDOUT (FORMAT csv, HEADER, DELIMITER ';');
COPY (SELECT c.name, o.id, o.amount FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.id IN (1, 2, 3, 4) ORDER BY 1, 2) TO STDOUT WITH CSV;
COPY (WITH big AS (SELECT customer_id, sum(amount) s FROM orders GROUP BY 1) SELECT * FROM big ORDER BY s DESC NULLS LAST, customer_id LIMIT 7) TO STDOUT;
COPY (SELECT name FROM everybody ORDER BY 1) TO STDOUT (NULL 'none');
COPY (SELECT 1 / (id - id) FROM customers) TO STDOUT;
COPY (SELECT none FROM customers) TO STDOUT;
COPY (SELECT id FROM customers WHERE false) TO STDOUT (FORMAT csv, HEADER);
COPY (TABLE nobody) TO STDOUT;
COPY (VALUES (1), (2)) TO STDOUT;
BEGIN;
UPDATE customers SET credit = credit + 1;
COPY (SELECT id, credit FROM customers ORDER BY id) TO STDOUT;
ROLLBACK;
BEGIN READ ONLY;
COPY (SELECT id, credit FROM customers ORDER BY id) TO STDOUT;
COMMIT;
COPY (SELECT count(*) FROM orders) TO STDOUT\; SELECT 1;
COPY notes FROM STDIN;
800	copied	1
801	\N	\N
\.
SELECT * FROM notes WHERE id >= 800 ORDER BY id;
COPY notes (id, text) FROM STDIN (FORMAT csv);
802,"a, b"
\.
DELETE FROM notes WHERE id >= 800;
COPY notes FROM STDIN;
803	too few
\.
SELECT count(*) FROM notes;
-- simple
PREPARE by_weight(float8) AS SELECT customer_id, line FROM items WHERE weight > $1 ORDER BY 1, 2, order_id LIMIT 3;
EXECUTE by_weight(NULL);
EXECUTE by_weight(1);
EXECUTE by_weight(0.25);
EXECUTE by_weight(-1e-2);
EXECUTE by_weight('0.5');
-- simple
PREPARE echoed(float8, numeric) AS SELECT $1, $2, count(*) FROM customers;
EXECUTE echoed(-0.0, -0.00);
EXECUTE echoed('-0', 1.50);
-- simple
PREPARE spans(interval) AS SELECT $1, count(*) FROM customers;
EXECUTE spans('1 day 2 hours');
EXECUTE spans(NULL);
-- simple
PREPARE jsons(jsonb) AS SELECT count(*) FROM customers WHERE info @> $1;
EXECUTE jsons('{}');
EXECUTE jsons(NULL);
-- simple
PREPARE several(int4[]) AS SELECT count(*) FROM customers WHERE id = ANY ($1);
EXECUTE several('{1,2,3,NULL}');
