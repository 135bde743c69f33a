-- The key of a new row comes from its default: a sequence, which the first shard draws from.
INSERT INTO tickets (what) VALUES ('a') RETURNING id;
INSERT INTO tickets (what) VALUES ('b'), ('c'), ('d'), ('e'), ('f') RETURNING id, what, price;
INSERT INTO tickets (price, what) VALUES (2.345, 'g'), (3, 'h');
SELECT * FROM tickets ORDER BY id;
INSERT INTO tickets (what, price) SELECT name, least(credit, 99) FROM customers WHERE id < 12 ORDER BY id RETURNING *;
INSERT INTO tickets (what, customer) SELECT 'n', g FROM generate_series(1, 50) g;
SELECT count(*), sum(id), max(id), count(DISTINCT id) FROM tickets;
-- values: i1 | i2
INSERT INTO tickets (what) VALUES ($1), ($2) RETURNING id, what;
INSERT INTO tickets (id, what) VALUES (100, 'own'), (101, 'own');
INSERT INTO tickets (what) VALUES ('behind') RETURNING id;
INSERT INTO tickets (what) VALUES ('x') ON CONFLICT (id) DO UPDATE SET what = excluded.what || '!' RETURNING id, what;
INSERT INTO tickets (what) VALUES ('x'), ('y') ON CONFLICT DO NOTHING;
INSERT INTO tickets (what, nope) VALUES ('x', 1);
INSERT INTO tickets (what, what) VALUES ('x', 1);
INSERT INTO tickets (what) VALUES ('x', 1);
INSERT INTO tickets (price) VALUES ('x');
INSERT INTO tickets (price) VALUES (12345678.0);
INSERT INTO tickets (what) VALUES ('after errors') RETURNING id > 100;
WITH few AS (SELECT code FROM countries WHERE continent = 'Europe') INSERT INTO tickets (what) SELECT code FROM few ORDER BY code RETURNING what;
BEGIN;
INSERT INTO tickets (what) VALUES ('in a transaction'), ('in a transaction');
SELECT count(*) FROM tickets WHERE what = 'in a transaction';
INSERT INTO orders (id, customer_id, amount) VALUES (900, 3, 1), (900, 4, 1);
INSERT INTO badges (kind) VALUES ('gold') RETURNING *;
ROLLBACK;
BEGIN READ ONLY;
INSERT INTO tickets (what) VALUES ('no');
ROLLBACK;
BEGIN;
INSERT INTO tickets (what) VALUES ('kept') RETURNING what;
COMMIT;
SELECT count(*) FROM tickets WHERE what IN ('kept', 'in a transaction');
INSERT INTO badges (kind) VALUES ('gold'), ('tin') RETURNING *;
INSERT INTO badges (kind, "odd ) name") /* :) */ VALUES ('gold', 'one'), ('tin', 'two') RETURNING *;
INSERT INTO badges (kind, "odd ) name") VALUES ('gold', 'three') ON CONFLICT (id) DO NOTHING RETURNING id;
INSERT INTO badges AS b ("odd ) name") SELECT name || id FROM customers WHERE id < 6 ORDER BY id RETURNING b.id, kind;
INSERT INTO badges (kind) OVERRIDING SYSTEM VALUE VALUES ('over') RETURNING id;
INSERT INTO badges (kind, id) VALUES ('no', 7);
INSERT INTO badges (kind, id) OVERRIDING SYSTEM VALUE VALUES ('yes', 7) RETURNING id;
SELECT kind, id FROM badges ORDER BY id;
-- refused
INSERT INTO tickets VALUES (DEFAULT, 'x');
-- refused
INSERT INTO tickets DEFAULT VALUES;
-- refused
INSERT INTO badges (kind) OVERRIDING USER VALUE VALUES ('over');
-- refused
INSERT INTO customers (name) VALUES ('no default');
SELECT nextval('tickets_id_seq') > 100;
INSERT INTO tickets (what, customer) SELECT t.what, t.id FROM tickets t WHERE t.id <= 3 ORDER BY t.id RETURNING customer;
INSERT INTO tickets (id, what) VALUES (DEFAULT, 'default') RETURNING what, id > 100;
INSERT INTO tickets (id, what, price, customer) VALUES (DEFAULT, 'a', DEFAULT, 1), (DEFAULT, DEFAULT, 7, DEFAULT) RETURNING what, price, customer;
INSERT INTO tickets (id, what) VALUES (DEFAULT, 'given and not'), (5000, 'given and not') RETURNING id = 5000;
INSERT INTO badges (id, kind) VALUES (DEFAULT, DEFAULT), (DEFAULT, 'gold') RETURNING kind, id > 100;
INSERT INTO badges (id, kind) VALUES (DEFAULT, 'x'), (77, 'y');
-- refused
INSERT INTO customers (id, name) VALUES (DEFAULT, 'x');
INSERT INTO customers (id, name, credit) VALUES (2000 + 1, 'x', DEFAULT) RETURNING id, credit;
-- values: v1
INSERT INTO tickets (id, what, price) VALUES (DEFAULT, $1, DEFAULT) RETURNING what, price;
SELECT what, price, count(*) FROM tickets GROUP BY 1, 2 ORDER BY 1, 2;
DELETE FROM customers WHERE id = 2001;
DELETE FROM tickets;
DELETE FROM badges;
