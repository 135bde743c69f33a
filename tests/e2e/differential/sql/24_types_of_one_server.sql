-- Domains as keys, values that name objects of one server, types without a binary form.
INSERT INTO odd SELECT id, name FROM customers WHERE id < 9;
INSERT INTO odd SELECT id - 5, name FROM customers WHERE id < 9;
INSERT INTO odd SELECT id * 99999, name FROM customers WHERE id < 9;
INSERT INTO odd SELECT id + 5, name FROM customers WHERE id < 9 ORDER BY id RETURNING k, v;
SELECT k, v FROM odd WHERE k = 7 ORDER BY v;
INSERT INTO odd (k, v) SELECT g, 'x' FROM generate_series(20, 30) g ORDER BY g DESC RETURNING k;
UPDATE odd SET rc = 'customers', rts = '{text,mood}', acl = 'app=r/app', p = ARRAY[ROW(1, 'customers')::thing];
-- text
SELECT k, rc, rts, acl, p FROM odd ORDER BY k, v;
-- text
SELECT k, rc FROM odd WHERE k IN (1, 2, 3, 4) ORDER BY k;
SELECT k, v, rank() OVER (ORDER BY k, v) FROM odd ORDER BY k, v;
SELECT k, count(*) FROM odd GROUP BY k ORDER BY k;
-- refused
SELECT k, rc, rank() OVER (ORDER BY k, v) FROM odd ORDER BY k, v;
-- refused
SELECT rts, rank() OVER (ORDER BY k) FROM odd;
-- refused
SELECT p, rank() OVER (ORDER BY k) FROM odd;
-- refused
INSERT INTO odd (k, p) SELECT g, NULL FROM generate_series(20, 30) g;
-- refused
SELECT DISTINCT rc FROM odd;
-- refused
SELECT rc, count(*) FROM odd GROUP BY rc;
-- refused
SELECT k FROM odd ORDER BY rc;
-- refused
SELECT rc, rank() OVER () FROM odd WHERE k IN (1, 2, 3, 4);
-- refused
INSERT INTO odd (k, v) SELECT k + 100, rc FROM odd;
-- refused
INSERT INTO odd (k, rc) SELECT g, 'customers' FROM generate_series(20, 30) g;
-- refused
INSERT INTO odd (k, rts) SELECT g, NULL FROM generate_series(20, 30) g;
-- refused
SELECT acl, rank() OVER (ORDER BY k) FROM odd;
-- refused
INSERT INTO odd (k, acl) SELECT g, NULL FROM generate_series(20, 30) g;
-- refused
UPDATE odd SET k = 44 WHERE k = 2;
BEGIN;
INSERT INTO odd (k, v) VALUES (77, 'x');
SELECT k, v FROM odd ORDER BY k, v;
-- refused
SELECT k, rc FROM odd ORDER BY k;
ROLLBACK;
DELETE FROM odd;
SELECT count(c), count(DISTINCT c.country) FROM customers c;
-- refused
SELECT count(c.*) FROM customers c;
