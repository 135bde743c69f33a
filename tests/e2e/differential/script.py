"""SQL files for the comparison, cut into statements as psql cuts them.

A statement ends at a semicolon; `\\;` sends on within one Query. COPY ... FROM STDIN is followed by its data up to a line `\\.`.
Comments of a line of their own before a statement tell more of it:

    -- values: 5 | abc | NULL     parameters $1, $2, ...: it runs by the extended protocol only
    -- ties                       its ORDER BY leaves rows open: they are compared as a multiset
    -- refused                    known to be refused; a statement without this mark must not be
    -- maybe                      may be refused, as by one protocol only
    -- simple                     not by the extended protocol
    -- text                       not with binary results (values that hold OIDs of types)
"""

import dataclasses
import re

DOLLAR = re.compile(r"\$([A-Za-z_]\w*)?\$")
TOP_ORDER = re.compile(r"\border\s+by\b", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Statement:
    text: str
    line: int
    values: tuple | None = None
    marks: frozenset = frozenset()
    data: str | None = None

    @property
    def ordered(self):
        """Whether its rows have an order: ORDER BY stands outside of all parentheses."""
        return "ties" not in self.marks and bool(TOP_ORDER.search(outermost(self.text)))

    @property
    def is_several(self):
        return ";" in outermost(self.text)


def token_end(text, at):
    """Where what begins at `at` ends: a comment, a string, a quoted name, or one character."""
    if text.startswith("--", at):
        end = text.find("\n", at)
        return len(text) if end < 0 else end
    if text.startswith("/*", at):
        return text.index("*/", at) + 2
    mark = text[at]
    if mark in "'\"":
        escapes = mark == "'" and at > 0 and text[at - 1] in "eE" and (at < 2 or not text[at - 2].isalnum())
        at += 1
        while text[at] != mark or text.startswith(mark * 2, at):
            at += 2 if text.startswith(mark * 2, at) or (escapes and text[at] == "\\") else 1
        return at + 1
    found = DOLLAR.match(text, at) if mark == "$" else None
    return text.index(found[0], found.end()) + len(found[0]) if found else at + 1


def outermost(text):
    """The text without comments, strings and whatever stands in parentheses."""
    out, depth, at = [], 0, 0
    while at < len(text):
        end = token_end(text, at)
        piece = text[at:end]
        depth += (piece in ("(", "[")) - (piece in (")", "]"))
        if depth == 0 and not piece.startswith(("--", "/*", "'")):
            out.append(piece)
        at = end
    return "".join(out)


def marks_of(comments):
    values, marks = None, set()
    for each in comments:
        name, _, rest = each.partition(":")
        if name == "values":
            values = tuple(None if value.strip() == "NULL" else value.strip() for value in rest.split("|"))
        elif each in ("ties", "refused", "maybe", "simple", "text"):
            marks.add(each)
    return values, frozenset(marks)


def read(path):
    """The statements of a file."""
    text = path.read_text()
    out, start, at, comments = [], 0, 0, []
    piece = []
    while at < len(text):
        if text.startswith("--", at) and not "".join(piece).strip():
            end = token_end(text, at)
            comments.append(text[at + 2:end].strip())
            at = end
            continue
        if text.startswith("\\;", at):
            piece.append(";")
            at += 2
            continue
        if text[at] != ";":
            if not "".join(piece).strip():
                start = at
            end = token_end(text, at)
            piece.append(text[at:end])
            at = end
            continue
        at += 1
        sql, piece = "".join(piece).strip(), []
        data = None
        if re.match(r"copy\b.*\bfrom\s+stdin\b", sql, re.IGNORECASE | re.DOTALL):
            begin = text.index("\n", at) + 1
            at = text.index("\\.\n", begin) + 3
            data = text[begin:at - 3]
        values, marks = marks_of(comments)
        comments = []
        line = text.count("\n", 0, start) + 1 + len(text[start:]) - len(text[start:].lstrip("\n"))
        out.append(Statement(sql, line, values, marks, data))
    assert not "".join(piece).strip(), f"{path}: its last statement has no end"
    return out
