"""Y35: the collations whose keys Ringway places call no two texts of printable ASCII equal but those that differ in case or
trailing blanks. The servers are asked; the names are read where Ringway has them."""

import re

import pytest
from conftest import ROOT

SOURCE = (ROOT / "proxy/control/mysql_columns.cpp").read_text()
NAMES = re.findall(r'"(\w+_ci)"', re.search(r"known\{(.*?)\};", SOURCE, re.DOTALL)[1])
CHARSETS = re.findall(r'"(\w+)"', re.search(r"with_ascii\{(.*?)\};", SOURCE, re.DOTALL)[1])


@pytest.fixture(scope="module")
def node(my_cluster):
    """A server with every text of one or two printable characters, and some of three."""
    node = my_cluster.primary()
    node.rows("CREATE DATABASE IF NOT EXISTS texts")
    node.rows("CREATE TABLE c (c VARCHAR(1) CHARACTER SET latin1 COLLATE latin1_bin)", "texts")
    node.rows("INSERT INTO c VALUES " + ",".join(f"(CHAR({number} USING latin1))" for number in range(32, 127)), "texts")
    node.rows("CREATE TABLE s (s VARCHAR(3) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin)", "texts")
    node.rows("INSERT INTO s SELECT c FROM c UNION ALL SELECT CONCAT(a.c, b.c) FROM c a, c b UNION ALL "
              "SELECT CONCAT(a.c, 'x', b.c) FROM c a, c b UNION ALL SELECT ''", "texts")
    yield node
    node.rows("DROP DATABASE texts")


def test_no_collation_is_coarser_than_what_ringway_makes_of_keys(node, my_server):
    there = {name for name, in node.rows("SELECT COLLATION_NAME FROM information_schema.COLLATIONS")}
    full_name = "FULL_COLLATION_NAME" if my_server == "mariadb" else "COLLATION_NAME"
    full = {name for name, in node.rows(f"SELECT {full_name} FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY")} | there
    asked = 0
    for charset in CHARSETS:
        for name in NAMES:
            if f"{charset}_{name}" not in full or (name.startswith("swedish") and charset != "latin1"):
                continue
            asked += 1
            worse = node.rows(f"SELECT COUNT(*) FROM (SELECT 1 FROM s GROUP BY CONVERT(s USING {charset}) COLLATE {charset}_{name} "
                              "HAVING COUNT(DISTINCT CAST(LOWER(RTRIM(s)) AS BINARY)) > 1) w", "texts")[0][0]
            assert worse == 0, (charset, name, worse)
    assert asked >= (12 if my_server == "mariadb" else 9)
    # One that is not on the list, to see that the question tells.
    assert node.rows("SELECT COUNT(*) FROM (SELECT 1 FROM s GROUP BY s COLLATE utf8mb4_roman_ci HAVING "
                     "COUNT(DISTINCT CAST(LOWER(RTRIM(s)) AS BINARY)) > 1) w", "texts")[0][0] > 0
