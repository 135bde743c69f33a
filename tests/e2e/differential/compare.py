"""Runs statements on both sides and compares what comes back."""

import collections
import dataclasses
import re

from psycopg import pq

from differential import script
from differential.side import MODES

IDLE = pq.TransactionStatus.IDLE
ENDS = re.compile(r"\s*(commit|end|abort|rollback(?!\s+(work\s+|transaction\s+)?to\b))\b", re.IGNORECASE)


@dataclasses.dataclass
class Tally:
    """What has been run, statements counted once a protocol."""

    same: int = 0
    refused: int = 0
    skipped: int = 0  # behind a refusal in the same transaction
    different: list = dataclasses.field(default_factory=list)
    reasons: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    unexpected: list = dataclasses.field(default_factory=list)  # refusals that are not marked, marks that are not needed

    def add(self, other):
        self.same += other.same
        self.refused += other.refused
        self.skipped += other.skipped
        self.different += other.different
        self.reasons += other.reasons
        self.unexpected += other.unexpected

    def __str__(self):
        return f"{self.same} same, {len(self.different)} different, {self.refused} refused, {self.skipped} skipped"


def is_refusal(result):
    """docs/routing.md, "What is refused": 23502 is a key that is missing or NULL."""
    return result.error in ("0A000", "23502") and result.own_words


def what_differs(ours, theirs, ordered):
    """Empty when the answers are the same."""
    if len(ours) != len(theirs):
        return f"{len(ours)} results instead of {len(theirs)}"
    for mine, other in zip(ours, theirs):
        if mine.error != other.error:
            return "an error" if mine.error and other.error else "success"
        if mine.columns != other.columns:
            return "columns"
        if mine.tag != other.tag:
            return "the tag"
        if mine.rows != other.rows:
            if collections.Counter(mine.rows) != collections.Counter(other.rows):
                return "rows"
            if ordered:
                return "the order of rows"
    return ""


def runs_by(statement, mode):
    if mode == "simple":
        return statement.values is None
    return not ("simple" in statement.marks or statement.is_several or (mode == "prepared" and "text" in statement.marks))


class Comparison:
    """`ours` is Ringway, `theirs` the plain server."""

    def __init__(self, ours, theirs):
        self.ours, self.theirs = ours, theirs

    def one(self, statement, mode, tally, where=""):
        """Compares one statement. False: it was refused."""
        mine = self.ours.run(statement.text, mode, statement.values, statement.data)
        place = f"{where}:{statement.line} ({mode}): {statement.text}"
        if is_refusal(mine[-1]):
            tally.refused += 1
            tally.reasons[re.sub(r"\b[a-z_]+\d*\b(?= is named)|\"[^\"]*\"", "...", mine[-1].message.split("\n")[0])] += 1
            if not statement.marks & {"refused", "maybe"}:
                tally.unexpected.append(f"refused: {place}\n    {mine[-1].message}")
            return False
        if "refused" in statement.marks and mode != "prepared":  # where the server may say more when it is prepared
            tally.unexpected.append(f"marked as refused, but it is not: {place}")
        other = self.theirs.run(statement.text, mode, statement.values, statement.data)
        differs = what_differs(mine, other, statement.ordered)
        if not differs and self.ours.state != self.theirs.state:
            differs = f"the state of the transaction: {self.ours.state.name}, {self.theirs.state.name}"
        if differs:
            shown = lambda results: "; ".join(str(each) for each in results)
            tally.different.append(f"{differs}: {place}\n    ours:   {shown(mine)}\n    theirs: {shown(other)}")
        else:
            tally.same += 1
        return True

    def file(self, path, modes=MODES):
        """All statements of a file, by each protocol."""
        tally = Tally()
        statements = script.read(path)
        for mode in modes:
            self.run(statements, mode, tally, path.name)
            assert self.ours.state == self.theirs.state == IDLE, f"{path.name} leaves a transaction open"
            for side in (self.ours, self.theirs):
                side.run("DEALLOCATE ALL")
        return tally

    def run(self, statements, mode, tally, where):
        """The statements in their order; behind a refusal in a transaction, its rest is skipped on both sides."""
        broken = False
        for statement in statements:
            if not runs_by(statement, mode):
                continue
            if broken:
                tally.skipped += 1
                broken = not ENDS.match(statement.text)
                continue
            same = self.one(statement, mode, tally, where) and self.ours.state == self.theirs.state
            if not same and (self.ours.state, self.theirs.state) != (IDLE, IDLE):
                self.roll_back()
                broken = not ENDS.match(statement.text)

    def roll_back(self):
        for side in (self.ours, self.theirs):
            if side.state != IDLE:
                side.run("ROLLBACK")

    def tables(self, names):
        """Compares what the tables hold."""
        tally = Tally()
        for name in names:
            self.one(script.Statement(f"SELECT * FROM {name}", 0), "simple", tally, "tables")
        return tally
