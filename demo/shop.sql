CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, country char(2));
CREATE TABLE orders (id bigint, user_id bigint NOT NULL, item text NOT NULL, amount numeric(10, 2) NOT NULL, PRIMARY KEY (user_id, id));
CREATE TABLE countries (code char(2) PRIMARY KEY, name text NOT NULL);
INSERT INTO countries VALUES ('de', 'Germany'), ('fr', 'France'), ('jp', 'Japan');
