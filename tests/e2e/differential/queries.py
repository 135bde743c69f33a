"""Random SELECTs over the tables of schema.sql, and their comparison. What a seed gives, it gives again.

Every query has one right answer: where rows are cut off or numbered, their order is total.
"""

import random

from differential import script
from differential.compare import MODES, Tally

# column: what its values are like. The first columns named in KEYS tell rows of the table apart.
TABLES = {
    "customers": {"id": "int", "name": "text", "country": "code", "feeling": "mood", "credit": "num", "born": "date", "vip": "bool"},
    "orders": {"id": "int", "customer_id": "int", "placed": "time", "amount": "num", "status": "status", "note": "text"},
    "items": {"customer_id": "int", "order_id": "int", "line": "small", "product": "small", "quantity": "small", "price": "num"},
    "events": {"who": "who", "kind": "kind", "n": "small"},
    "devices": {"owner": "int", "model": "text", "seen": "moment", "id": "uuid"},
    "accounts": {"no": "num", "holder": "text", "balance": "num", "opened": "date"},
    "zoo": {"id": "int", "s": "int", "i": "int", "b": "int", "t": "text", "v": "text", "bo": "bool", "da": "date", "ts": "time"},
    "nobody": {"id": "int", "t": "text", "n": "num"},
    "lonely": {"id": "int", "t": "text", "n": "num"},
    "countries": {"code": "code", "name": "text", "continent": "text", "people": "int"},
    "products": {"id": "int", "name": "text", "category": "text", "price": "num"},
    "notes": {"id": "int", "text": "text", "customer": "int"},
}
WEIGHTS = [30, 30, 15, 8, 5, 8, 10, 2, 2, 8, 6, 4]
JOINS = [
    ("customers", "id", "orders", "customer_id"), ("customers", "id", "items", "customer_id"),
    ("orders", "customer_id", "items", "customer_id"), ("orders", "id", "items", "order_id"),
    ("customers", "country", "countries", "code"), ("items", "product", "products", "id"), ("customers", "id", "devices", "owner"),
    ("customers", "id", "notes", "customer"), ("orders", "customer_id", "notes", "customer"), ("customers", "id", "zoo", "id"),
    ("customers", "id", "customers", "id"), ("customers", "id", "lonely", "id"), ("nobody", "id", "customers", "id"),
    ("events", "n", "customers", "id"), ("orders", "customer_id", "orders", "customer_id"),
]
ROW_KEYS = {"customers": ["id"], "orders": ["customer_id", "id"], "items": ["customer_id", "order_id", "line"], "devices": ["id"],
            "accounts": ["no"], "zoo": ["id"], "nobody": ["id"], "lonely": ["id"], "countries": ["code"], "products": ["id"], "notes": ["id"]}
SHARD_KEYS = {"customers": "id", "orders": "customer_id", "items": "customer_id", "events": "who", "devices": "id", "accounts": "no",
              "zoo": "id", "nobody": "id", "lonely": "id"}
NUMBERS = ("int", "num", "small")


class Scope:
    """What a query level can name: [(alias, {column: kind}, row key or None)]."""

    def __init__(self, items):
        self.items = items

    def columns(self, kinds=None):
        return [(f"{alias}.{name}", kind) for alias, columns, _ in self.items for name, kind in columns.items() if kinds is None or kind in kinds]

    def row_key(self):
        if any(key is None for _, _, key in self.items):
            return None
        return [f"{alias}.{name}" for alias, _, key in self.items for name in key]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.aliases = 0

    def chance(self, percent):
        return self.random.random() * 100 < percent

    def pick(self, *choices):
        return self.random.choice(choices)

    def alias(self):
        self.aliases += 1
        return f"a{self.aliases}"

    def table(self):
        return self.random.choices(list(TABLES), WEIGHTS)[0]

    def value(self, kind):
        n = self.random.randrange
        made = {
            "int": lambda: str(n(1, 50)), "small": lambda: str(n(0, 14)), "num": lambda: self.pick(f"{n(0, 1000)}.{n(0, 100):02}", str(n(1, 1100))),
            "text": lambda: f"'{self.pick('Ann', 'bob', 'dora', 'Zoe', 'note 3', 'model 1', 'v2', 'toy', 'Europe', 'nothing')}'",
            "code": lambda: f"'{self.pick('de', 'fr', 'jp', 'pe', 'zz')}'", "mood": lambda: f"'{self.pick('sad', 'fine', 'glad')}'",
            "status": lambda: f"'{self.pick('new', 'open', 'paid', 'sent')}'", "who": lambda: self.pick("'ann'", "'bob'", "''", "'x''y'", "'Çelik'", "'nix'"),
            "kind": lambda: f"'{self.pick('click', 'view', 'buy')}'", "bool": lambda: self.pick("true", "false"),
            "date": lambda: f"date '{n(1970, 1984)}-0{n(1, 10)}-1{n(0, 10)}'", "time": lambda: f"timestamp '2024-01-{n(10, 30)} 0{n(0, 10)}:00'",
            "moment": lambda: f"timestamptz '2024-05-{n(10, 30)} 12:00+00'", "uuid": lambda: f"uuid '{n(1 << 60):032x}'",
        }
        return made[kind]()

    # ---- conditions -----------------------------------------------------------------------------------------------

    def condition(self, scope, depth):
        roll = self.random.random()
        if depth > 0 and roll < 0.12:
            return f"({self.condition(scope, depth - 1)} {self.pick('AND', 'OR')} {self.condition(scope, depth - 1)})"
        if depth > 0 and roll < 0.16:
            return f"NOT ({self.condition(scope, depth - 1)})"
        if depth > 0 and roll < 0.34:
            return self.subquery_condition(scope, depth - 1)
        column, kind = self.random.choice(scope.columns())
        if roll < 0.42:
            return f"{column} IS {self.pick('', 'NOT ')}NULL"
        if roll < 0.55:
            values = ", ".join(self.value(kind) for _ in range(self.random.randrange(1, 5)))
            return f"{column} {self.pick('', '', 'NOT ')}IN ({values})"
        if roll < 0.62 and kind in NUMBERS + ("date", "time"):
            return f"{column} BETWEEN {self.value(kind)} AND {self.value(kind)}"
        if roll < 0.66 and kind in ("text", "who"):
            return f"{column} LIKE '{self.pick('%n%', 'a%', 'B_b', '%1')}'"
        if roll < 0.72 and kind in NUMBERS:
            other = self.random.choice(scope.columns(NUMBERS))[0]
            return f"{column} {self.pick('<', '>=', '=', '<>')} {other}"
        if kind == "bool":
            return self.pick(column, f"NOT {column}", f"{column} IS NOT TRUE")
        compare = self.pick("=", "=", "=", "<", ">", "<=", ">=", "<>", "IS DISTINCT FROM")
        return f"{column} {compare} {self.value(kind)}"

    def subquery_condition(self, scope, depth):
        left, left_column, right, right_column = self.random.choice(JOINS)
        if self.chance(50):
            left, left_column, right, right_column = right, right_column, left, left_column
        kind = TABLES[right][right_column]
        outer = [name for name, its in scope.columns() if its == kind or {its, kind} <= set(NUMBERS)]
        inner = self.alias()
        inside = Scope([(inner, TABLES[right], ROW_KEYS.get(right))])
        where = self.condition(inside, depth) if self.chance(70) else "true"
        if not outer:
            return f"{self.pick('', 'NOT ')}EXISTS (SELECT 1 FROM {right} {inner} WHERE {where})"
        column = self.random.choice(outer)
        roll = self.random.random()
        if roll < 0.35:
            return f"{self.pick('', 'NOT ')}EXISTS (SELECT 1 FROM {right} {inner} WHERE {inner}.{right_column} = {column} AND {where})"
        if roll < 0.75:
            return f"{column} {self.pick('', '', 'NOT ')}IN (SELECT {inner}.{right_column} FROM {right} {inner} WHERE {where})"
        if roll < 0.9 and kind in NUMBERS:
            return f"{column} {self.pick('<', '>', '=')} (SELECT {self.pick('max', 'min', 'avg')}({inner}.{right_column}) FROM {right} {inner} WHERE {where})"
        return f"{self.random.randrange(0, 4)} {self.pick('<', '>=', '=')} (SELECT count(*) FROM {right} {inner} WHERE {inner}.{right_column} = {column} AND {where})"

    # ---- FROM -----------------------------------------------------------------------------------------------------

    def source(self, depth):
        """(text, Scope) of a FROM clause."""
        roll = self.random.random()
        if roll < 0.5:
            return self.one_item(self.table(), depth)
        left, left_column, right, right_column = self.random.choice(JOINS)
        text, scope = self.one_item(left, depth)
        for _ in range(2 if self.chance(25) else 1):
            kind = TABLES[right][right_column]
            mine = [name for name, its in scope.columns() if name.endswith(f".{left_column}")] or [name for name, its in scope.columns() if its == kind]
            if not mine:
                break
            joined, more = self.one_item(right, depth)
            alias = more.items[0][0]
            if right_column not in more.items[0][1]:
                break
            on = f"{alias}.{right_column} = {self.random.choice(mine)}"
            way = self.pick("JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")
            if way != "FULL JOIN" and self.chance(30):
                on += f" AND {self.condition(Scope(scope.items + more.items), 0)}"
            text += f" {way} {joined} ON {on}"
            scope = Scope(scope.items + more.items)
            onward = [each for each in JOINS if each[0] == right]
            if not onward:
                break
            _, left_column, right, right_column = self.random.choice(onward)
        return text, scope

    def one_item(self, table, depth):
        alias = self.alias()
        columns = TABLES[table]
        if depth > 0 and self.chance(15):
            inner = self.alias()
            inside = Scope([(inner, columns, ROW_KEYS.get(table))])
            where = f" WHERE {self.condition(inside, depth - 1)}" if self.chance(70) else ""
            chosen = ", ".join(f"{inner}.{name}" for name in columns)
            cut = ""
            if table in ROW_KEYS and self.chance(25):
                keys = ", ".join(f"{inner}.{name}" for name in ROW_KEYS[table])
                cut = f" ORDER BY {keys} LIMIT {self.random.randrange(1, 30)}"
            return f"(SELECT {chosen} FROM {table} {inner}{where}{cut}) {alias}", Scope([(alias, columns, ROW_KEYS.get(table))])
        return f"{table} {alias}", Scope([(alias, columns, ROW_KEYS.get(table))])

    # ---- SELECT ---------------------------------------------------------------------------------------------------

    def aggregate(self, scope):
        column, kind = self.random.choice(scope.columns())
        number = self.random.choice(scope.columns(NUMBERS) or [("1", "int")])[0]
        order = ", ".join(scope.row_key() or [])
        choices = ["count(*)", f"count({column})", f"count(DISTINCT {column})", f"sum({number})", f"avg({number})", f"min({number})",
                   f"max({number})", f"stddev({number})", f"var_pop({number})", f"sum(DISTINCT {number})", f"bool_or({number} > 20)"]
        if kind not in ("bool", "uuid"):
            choices += [f"min({column})", f"max({column})"]
        if order:
            item = f"{column}::text" if kind == "mood" else column  # in binary an array tells its elements' type by its OID
            choices += [f"array_agg({item} ORDER BY {order})", f"string_agg({column}::text, ',' ORDER BY {order})"]
        made = self.random.choice(choices)
        return made + (f" FILTER (WHERE {self.condition(scope, 0)})" if self.chance(15) else "")

    def expression(self, scope):
        column, kind = self.random.choice(scope.columns())
        roll = self.random.random()
        if roll < 0.7:
            return column
        if kind in ("int", "small", "num"):
            return self.pick(f"{column} + 1", f"{column} * 2", f"-{column}", f"coalesce({column}, 0)", f"{column} % 7", f"CASE WHEN {column} > 20 THEN 'big' END")
        if kind in ("text", "who", "kind", "status"):
            return self.pick(f"upper({column})", f"length({column})", f"{column} || '!'", f"coalesce({column}, 'none')", f"left({column}, 2)")
        if kind in ("date", "time"):
            return self.pick(f"extract(year FROM {column})", f"{column} + interval '1 day'")
        return f"{column} IS NULL"

    def window(self, scope):
        order = ", ".join(scope.row_key())
        part = f"PARTITION BY {self.random.choice(scope.columns())[0]} " if self.chance(60) else ""
        number = self.random.choice(scope.columns(NUMBERS) or [("1", "int")])[0]
        return self.pick(f"row_number() OVER ({part}ORDER BY {order})", f"rank() OVER ({part}ORDER BY {number})",
                         f"sum({number}) OVER ({part}ORDER BY {order})", f"count(*) OVER ({part.strip()})",
                         f"lag({number}) OVER ({part}ORDER BY {order})", f"avg({number}) OVER ({part.strip()})")

    def tail(self, outputs, may_cut=True):
        """ORDER BY and LIMIT."""
        if not self.chance(65):
            return ""
        positions = list(range(1, outputs + 1))
        self.random.shuffle(positions)
        text = " ORDER BY " + ", ".join(f"{each}{self.pick('', '', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST')}" for each in positions)
        if may_cut and self.chance(45):
            text += f" LIMIT {self.random.randrange(0, 25)}"
            if self.chance(40):
                text += f" OFFSET {self.random.randrange(0, 15)}"
        return text

    def plain_select(self, depth):
        """(text without ORDER BY, how many outputs)."""
        source, scope = self.source(depth)
        where = f" WHERE {self.condition(scope, depth)}" if self.chance(65) else ""
        if self.chance(12):
            for alias, columns, _ in scope.items:
                table = next((name for name, its in TABLES.items() if its is columns and name in SHARD_KEYS), None)
                if table and f"{table} {alias}" in source:
                    key = SHARD_KEYS[table]
                    where += f"{' AND' if where else ' WHERE'} {alias}.{key} = {self.value(columns[key])}"
        roll = self.random.random()
        if roll < 0.2:
            outputs = [self.aggregate(scope) for _ in range(self.random.randrange(1, 4))]
            return f"SELECT {', '.join(outputs)} FROM {source}{where}", len(outputs)
        if roll < 0.42:
            keys = [self.expression(scope) for _ in range(self.random.randrange(1, 3))]
            outputs = keys + [self.aggregate(scope) for _ in range(self.random.randrange(0, 3))]
            grouping = ", ".join(str(i + 1) for i in range(len(keys)))
            having = f" HAVING count(*) > {self.random.randrange(0, 4)}" if self.chance(25) else ""
            if self.chance(12):
                grouping = f"{self.pick('ROLLUP', 'CUBE')} ({', '.join(keys)})"
            return f"SELECT {', '.join(outputs)} FROM {source}{where} GROUP BY {grouping}{having}", len(outputs)
        if roll < 0.52 and scope.row_key():
            outputs = [*scope.row_key(), self.window(scope)]
            return f"SELECT {', '.join(outputs)} FROM {source}{where}", len(outputs)
        outputs = [self.expression(scope) for _ in range(self.random.randrange(1, 5))]
        return f"SELECT {'DISTINCT ' if self.chance(20) else ''}{', '.join(outputs)} FROM {source}{where}", len(outputs)

    def distinct_on(self):
        table = self.pick(*ROW_KEYS)
        alias = self.alias()
        scope = Scope([(alias, TABLES[table], ROW_KEYS[table])])
        column = self.random.choice(scope.columns())[0]
        keys = ", ".join(scope.row_key())
        where = f" WHERE {self.condition(scope, 1)}" if self.chance(50) else ""
        return f"SELECT DISTINCT ON ({column}) {column}, {keys} FROM {table} {alias}{where} ORDER BY {column}, {keys}"

    def set_operation(self, depth):
        kinds = self.pick(("int", "small"), ("text", "who"), ("num",))
        parts = []
        while len(parts) < self.random.randrange(2, 4):
            table = self.table()
            alias = self.alias()
            scope = Scope([(alias, TABLES[table], None)])
            columns = scope.columns(kinds)
            if columns:
                where = f" WHERE {self.condition(scope, depth)}" if self.chance(70) else ""
                scale = "::numeric(14,2)" if kinds == ("num",) else ""  # 5 and 5.00 are equal, and either may be the one that is kept
                parts.append(f"SELECT {self.random.choice(columns)[0]}{scale} AS x FROM {table} {alias}{where}")
        text = parts[0]
        for each in parts[1:]:
            text += f" {self.pick('UNION', 'UNION ALL', 'INTERSECT', 'EXCEPT', 'EXCEPT ALL')} {each}"
        return text, 1

    def query(self):
        roll = self.random.random()
        if roll < 0.06:
            return self.distinct_on()
        if roll < 0.16:
            text, outputs = self.set_operation(1)
        elif roll < 0.26:
            inner, outputs = self.plain_select(1)
            names = ", ".join(f"c{i}" for i in range(outputs))
            more = f" WHERE c0 IS {self.pick('', 'NOT ')}NULL" if self.chance(40) else ""
            if self.chance(35):
                text, outputs = f"WITH w ({names}) AS ({inner}) SELECT count(*), count(c0), min(c0::text) FROM w{more}", 3
            else:
                text = f"WITH w ({names}) AS ({inner}) SELECT * FROM w{more}"
        else:
            text, outputs = self.plain_select(2)
        return text + self.tail(outputs)


def run(comparison, count, seed):
    """Compares `count` queries, by one protocol after the other."""
    generator, tally = Generator(seed), Tally()
    for number in range(count):
        statement = script.Statement(generator.query(), number)
        comparison.one(statement, MODES[number % len(MODES)], tally, f"seed {seed}")
        if comparison.ours.prepared > 200:
            for side in (comparison.ours, comparison.theirs):
                side.run("DEALLOCATE ALL")
                side.prepared = 0
    tally.unexpected.clear()  # random refusals are counted, not named
    return tally
