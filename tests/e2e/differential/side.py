"""One connection, to the plain server or to Ringway, and what it answers."""

import contextlib
import dataclasses
import select
import time

from psycopg import pq

FIRST_OWN_TYPE = 16384
LIMIT = 60.0  # seconds for one answer
FAILED = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE)
MODES = ("simple", "extended", "prepared")


@dataclasses.dataclass
class Result:
    """What one statement has given."""

    tag: str = ""
    columns: tuple = ()
    rows: list = dataclasses.field(default_factory=list)
    error: str = ""
    message: str = ""
    own_words: bool = False  # an error of Ringway's: no place in a server's source is told

    def __str__(self):
        if self.error:
            return f"{self.error} {self.message}"
        shown = "".join(f"\n      {row}" for row in self.rows[:12]) + ("\n      ..." if len(self.rows) > 12 else "")
        return f"{self.tag} {list(self.columns)} {len(self.rows)} rows{shown}"


class Side:
    """Types that have been made there are told by their names, for their OIDs differ by server; `catalogs` says where
    they are looked up: on Ringway's first shard, whose OIDs clients get."""

    def __init__(self, conninfo, catalogs=None):
        self.conninfo, self.catalogs = conninfo, catalogs or conninfo
        self.types = {}
        self.prepared = 0
        self.connect()

    def connect(self):
        self.connection = pq.PGconn.connect(self.conninfo.encode())
        assert self.connection.status == pq.ConnStatus.OK, self.connection.error_message
        self.connection.nonblocking = 1

    def close(self):
        self.connection.finish()

    @property
    def state(self):
        return self.connection.transaction_status

    def value_rows(self, sql):
        result = self.run(sql)[-1]
        assert not result.error, f"{sql}: {result}"
        return [tuple(None if value is None else value.decode() for value in row) for row in result.rows]

    def run(self, text, mode="simple", values=None, data=None):
        """The results of a text; the connection is made anew should it have been lost."""
        sql = text.encode()
        parameters = [None if value is None else value.encode() for value in values or ()]
        if mode == "simple":
            self.connection.send_query(sql)
        elif mode == "extended":
            self.connection.send_query_params(sql, parameters)
        else:
            self.prepared += 1
            name = f"p{self.prepared}".encode()
            self.connection.send_prepare(name, sql)
            made = self.take(None)
            if made[-1].error:
                return made
            self.connection.send_query_prepared(name, parameters, result_format=1)
        out = self.take(data)
        if self.connection.status != pq.ConnStatus.OK:
            self.connection.finish()
            self.connect()
        return out

    def wait(self, end):
        wants = self.connection.flush()
        ready = select.select([self.connection.socket], [self.connection.socket] if wants else [], [], max(0, end - time.monotonic()))
        if not ready[0] and not ready[1]:
            raise TimeoutError(f"no answer in {LIMIT} s")
        if ready[0]:
            self.connection.consume_input()

    def take(self, data):
        out, end = [], time.monotonic() + LIMIT
        while True:
            while self.connection.is_busy() or self.connection.flush():
                self.wait(end)
            result = self.connection.get_result()
            if result is None:
                return out or [Result("(empty)")]
            if result.status == pq.ExecStatus.COPY_IN:
                self.connection.put_copy_data((data or "").encode())
                self.connection.put_copy_end()
            elif result.status == pq.ExecStatus.COPY_OUT:
                out.append(Result("", ("copy",), self.copied(end)))
            else:
                out.append(self.result_of(result))
            if self.connection.status != pq.ConnStatus.OK:
                return out

    def copied(self, end):
        rows = []
        while True:
            size, data = self.connection.get_copy_data(1)
            if size > 0:
                rows.append((bytes(data),))
            elif size == 0:
                self.wait(end)
            else:
                return rows

    def type_name(self, oid):
        if oid < FIRST_OWN_TYPE:
            return oid
        if oid not in self.types:
            with contextlib.closing(Side(self.catalogs)) as source:
                rows = source.value_rows(f"SELECT oid, typname FROM pg_type WHERE oid >= {FIRST_OWN_TYPE}")
            self.types = {int(number): name for number, name in rows}
        return self.types.get(oid, f"unknown type {oid}")

    def result_of(self, result):
        if result.status in FAILED:
            field = lambda which: (result.error_field(which) or b"").decode(errors="replace")
            return Result(error=field(pq.DiagnosticField.SQLSTATE) or "lost",
                          message=(result.error_message or b"").decode(errors="replace").strip(),
                          own_words=not field(pq.DiagnosticField.SOURCE_FILE))
        columns = tuple((result.fname(i).decode(), self.type_name(result.ftype(i)), result.fmod(i), result.fformat(i))
                        for i in range(result.nfields))
        rows = [tuple(result.get_value(row, column) for column in range(result.nfields)) for row in range(result.ntuples)]
        return Result((result.command_status or b"").decode(), columns, rows)
