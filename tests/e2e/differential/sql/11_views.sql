-- Views over sharded and reference tables, and row values.
SELECT * FROM european ORDER BY code;
SELECT * FROM customer_totals ORDER BY id;
SELECT * FROM customer_totals WHERE id = 8;
SELECT * FROM customer_totals WHERE orders > 3 ORDER BY total DESC, id;
SELECT country, sum(total) FROM customer_totals GROUP BY country ORDER BY 1;
SELECT count(*) FROM open_orders;
SELECT * FROM open_orders WHERE customer_id = 8 ORDER BY id;
SELECT * FROM open_orders ORDER BY amount DESC NULLS LAST, id LIMIT 5;
SELECT * FROM big_open_orders ORDER BY id;
SELECT c.name, b.amount FROM customers c JOIN big_open_orders b ON b.customer_id = c.id ORDER BY b.id;
SELECT count(*) FROM customers c WHERE EXISTS (SELECT 1 FROM open_orders o WHERE o.customer_id = c.id);
SELECT t.id, e.name FROM customer_totals t LEFT JOIN european e ON e.code = t.country ORDER BY 1;
SELECT * FROM glad_customers ORDER BY id;
SELECT called, loud FROM glad_customers WHERE id > 20 ORDER BY id;
SELECT name, count(*) FROM everybody GROUP BY name ORDER BY name;
SELECT max(amount) - min(amount) FROM open_orders;
WITH x AS (SELECT * FROM customer_totals WHERE total > 1000) SELECT count(*), max(total) FROM x;
SELECT a.id FROM customer_totals a JOIN customer_totals b ON a.total = b.total AND a.id < b.id ORDER BY 1;
SELECT id FROM customers WHERE id IN (SELECT id FROM customer_totals WHERE orders = 0) ORDER BY id;
SELECT g.id, o.id FROM glad_customers g JOIN orders o ON o.customer_id = g.id ORDER BY 1, 2;
SELECT row_to_json(c) FROM customers c WHERE id < 3 ORDER BY id;
SELECT to_jsonb(c) - 'born' FROM customers c WHERE id < 3 ORDER BY id;
-- text
SELECT c FROM customers c WHERE id = 3;
-- text
-- refused
SELECT c FROM customers c WHERE id IN (3, 4) ORDER BY id;
-- text
-- refused
SELECT l FROM lonely l;
-- refused
SELECT (c).name FROM customers c WHERE id IN (3, 4) ORDER BY (c).id;
-- refused
SELECT (c.*)::text FROM customers c WHERE id IN (3, 4) ORDER BY id;
-- refused
SELECT c.* IS NOT NULL FROM customers c WHERE id < 8 ORDER BY id;
-- text
-- refused
SELECT array_agg(l) FROM lonely l;
-- refused
SELECT count(DISTINCT l) FROM lonely l;
-- refused
SELECT ROW(c.*) FROM lonely c;
-- refused
SELECT hash_record(l) IS NOT NULL FROM lonely l;
-- refused
SELECT c = d FROM lonely c, lonely d;
SELECT id FROM public.customers ORDER BY id LIMIT 3;
SELECT count(*) FROM public.orders o JOIN public.customers c ON c.id = o.customer_id;
SELECT public.lonely.id FROM public.lonely;
SELECT x.name FROM public.customers AS x ORDER BY x.id LIMIT 5;
SELECT count(*) FROM public.open_orders;
SELECT max(customers.credit) FROM public.customers WHERE public.customers.vip;
-- refused
SELECT id FROM ONLY customers ORDER BY id LIMIT 3;
SELECT count(*) FROM customers * WHERE vip;
