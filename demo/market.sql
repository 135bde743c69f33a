CREATE TABLE notes (id INT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(100) NOT NULL);
CREATE TABLE stock (item VARCHAR(50) PRIMARY KEY, pieces INT NOT NULL);
INSERT INTO stock VALUES ('chair', 12), ('lamp', 7), ('desk', 3);
-- Tells who answers. NO SQL: it may run on a replica, as @@port by itself does not.
CREATE FUNCTION answering_port() RETURNS INT NO SQL RETURN @@port;
