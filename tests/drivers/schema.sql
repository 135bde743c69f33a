-- What the drivers' programs find in `app`; each keeps to its own rows (driver).
SET ROLE app;
CREATE TABLE things (driver text, id int4, label text, PRIMARY KEY (driver, id));
CREATE TABLE typed (
  driver text PRIMARY KEY,
  numbers int4[], names text[], key uuid, at timestamptz, local timestamp, amount numeric, bytes bytea, document jsonb, flag bool, ratio float8, big int8);
