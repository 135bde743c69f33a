-- H4: INSERT in all forms; what it leaves is taken away at the end.
INSERT INTO lonely VALUES (100, 'one', 1.0);
INSERT INTO lonely (id) VALUES (101);
INSERT INTO lonely (t, id) VALUES ('swapped', 102);
INSERT INTO lonely VALUES (103, 'a', 1), (104, 'b', 2), (105, 'c', 3), (106, 'd', 4), (107, 'e', 5);
INSERT INTO lonely VALUES (110, 'r', 1) RETURNING *;
INSERT INTO lonely VALUES (111, 'r', 1), (112, 's', 2), (113, 't', 3) RETURNING id, t || '!' AS shout, n * 2;
INSERT INTO lonely VALUES (119, 'x', 1), (118, 'y', 2), (117, 'z', 3), (116, 'w', 4) RETURNING id;
INSERT INTO lonely VALUES (120, 'a', 1), (100, 'dup', 1), (121, 'b', 1);
SELECT * FROM lonely WHERE id IN (120, 121);
INSERT INTO lonely VALUES (122, 'a', 1), (123, 'a', 1 / 0);
INSERT INTO lonely VALUES (124, 'a', 1), (124, 'b', 2);
-- refused
INSERT INTO lonely VALUES (NULL, 'a', 1);
-- refused
INSERT INTO lonely (t) VALUES ('no key');
-- refused
INSERT INTO lonely VALUES (DEFAULT, 'a', 1);
-- refused
INSERT INTO lonely DEFAULT VALUES;
INSERT INTO lonely VALUES (125, DEFAULT, DEFAULT) RETURNING *;
INSERT INTO lonely VALUES ('126', 'text key', '1.5');
INSERT INTO lonely VALUES (127::int8, 'cast', 1);
INSERT INTO lonely VALUES (100 + 28, 'sum', 1);
INSERT INTO lonely VALUES (129, upper('up'), length('four')) RETURNING *;
INSERT INTO lonely VALUES (130, 'old', 1) ON CONFLICT DO NOTHING;
INSERT INTO lonely VALUES (130, 'new', 2) ON CONFLICT DO NOTHING;
INSERT INTO lonely VALUES (130, 'new', 2) ON CONFLICT (id) DO NOTHING RETURNING *;
INSERT INTO lonely VALUES (130, 'new', 2) ON CONFLICT (id) DO UPDATE SET t = excluded.t, n = lonely.n + excluded.n RETURNING *;
INSERT INTO lonely VALUES (130, 'x', 2), (131, 'y', 3), (132, 'z', 4) ON CONFLICT (id) DO UPDATE SET t = excluded.t;
INSERT INTO lonely VALUES (130, 'x', 2), (133, 'y', 3) ON CONFLICT DO NOTHING;
INSERT INTO lonely VALUES (130, 'p', 2), (134, 'q', 3) ON CONFLICT (id) DO UPDATE SET n = 9 WHERE lonely.n > 5;
INSERT INTO lonely VALUES (130, 'x', 2), (130, 'y', 3) ON CONFLICT (id) DO UPDATE SET t = excluded.t;
INSERT INTO lonely VALUES (130, 'x', 2) ON CONFLICT (t) DO NOTHING;
INSERT INTO lonely AS l VALUES (130, 'al', 2) ON CONFLICT (id) DO UPDATE SET t = l.t || excluded.t RETURNING l.id, l.t;
SELECT * FROM lonely ORDER BY id;
INSERT INTO orders (id, customer_id, amount) VALUES (1000, 5, 10.5), (1001, 6, 20), (1002, 7, NULL);
INSERT INTO orders (customer_id, id) VALUES (8, 1003) RETURNING status, amount, note;
INSERT INTO orders (id, customer_id, placed) VALUES (1004, 5, '2024-06-01 10:00');
SELECT id, customer_id, placed, amount, status, note FROM orders WHERE id >= 1000 ORDER BY id;
INSERT INTO events (who, kind, n) VALUES ('new', 'click', 1), ('ann', 'click', 1), ('bob', 'click', NULL);
INSERT INTO events VALUES ('it''s', '2024-01-01 00:00+00', 'x', '{"a": [1, 2]}', 5) RETURNING payload -> 'a', at;
INSERT INTO devices (id, model) VALUES ('00000000-0000-0000-0000-000000000001', 'm1'), ('00000000000000000000000000000002', 'm2') RETURNING id;
INSERT INTO accounts VALUES (9001, 'h', 1.005, '2024-02-29'), (9002, 'h', 2.5, NULL) RETURNING no, balance;
-- refused
INSERT INTO accounts VALUES (9003.4, 'rounded', 1, NULL);
INSERT INTO customers VALUES (500, 'Ü', 'x', 'glad', 1.5, '2000-02-29', NULL, '{a,"b c",NULL}', '{"n": null}') RETURNING *;
INSERT INTO zoo (id, n, d, iv, u, a, m) VALUES (500, 'NaN', '-0', '1 mon', '00000000-0000-0000-0000-000000000001', '{{1,2},{3,4}}', 'sad') RETURNING n, d, iv, u, a, m;
INSERT INTO notes VALUES (100, 'first shard', 1) RETURNING *;
INSERT INTO notes VALUES (101, 'a', 1), (102, 'b', 2);
INSERT INTO notes SELECT id + 200, text, customer FROM notes WHERE id < 4 RETURNING id;
INSERT INTO countries VALUES ('xx', 'Nowhere', NULL, 0), ('yy', 'Elsewhere', NULL, 0) RETURNING code;
INSERT INTO countries VALUES ('xx', 'Again', NULL, 0) ON CONFLICT (code) DO UPDATE SET name = excluded.name RETURNING name;
INSERT INTO countries VALUES ('xx', 'Dup', NULL, 0);
INSERT INTO products VALUES (100, 'p', 'toy', 1.255) RETURNING price;
SELECT * FROM countries ORDER BY code;
DELETE FROM lonely WHERE id >= 100;
DELETE FROM orders WHERE id >= 1000;
DELETE FROM events WHERE who IN ('new', 'it''s') OR at IS NULL;
DELETE FROM devices WHERE model IN ('m1', 'm2');
DELETE FROM accounts WHERE no >= 9000;
DELETE FROM customers WHERE id >= 500;
DELETE FROM zoo WHERE id = 500;
DELETE FROM notes WHERE id >= 100;
DELETE FROM countries WHERE code IN ('xx', 'yy');
DELETE FROM products WHERE id = 100;
INSERT INTO lonely VALUES (901, 'b', 1), (902, 'a', 2), (903, 'c', 3), (904, 'd', 4) ORDER BY 2 RETURNING id, t;
DELETE FROM lonely WHERE id > 900;
-- Refused as a whole, though each shard could take its rows.
INSERT INTO lonely VALUES (1001, 'a'), (1002, 'b', 1);
INSERT INTO lonely VALUES (1011, 'a', 3), (1012, 'b');
INSERT INTO lonely (id) VALUES (1023), (1024, DEFAULT);
INSERT INTO events (who, n) VALUES ('aa', generate_series(1, 3)), ('b', 1), ('c', 1), ('d', 1);
-- values: 5
INSERT INTO lonely VALUES (1001, 'a', $1), (1002, $1, 1), (1003, 'a');
SELECT count(*) FROM lonely WHERE id > 1000;
SELECT who, n FROM events WHERE who IN ('aa', 'b', 'c', 'd') ORDER BY 1, 2;
INSERT INTO events (who, n) VALUES ('aa', generate_series(1, 3));
SELECT who, n FROM events WHERE who = 'aa' ORDER BY 1, 2;
DELETE FROM events WHERE who = 'aa';
