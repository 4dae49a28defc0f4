"""What a server itself says is in a database: a file for each kind, by the name of SQLAlchemy's dialect."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import sqlalchemy as sa

from ...errors import Refused

KNOWN = ("mariadb", "mysql", "postgresql", "sqlite")
TEXT = r"'(?:[^']|'')*'"
NAME = r"""((?:\w+|"(?:[^"]|"")+")(?:\.(?:\w+|"(?:[^"]|"")+"))*)"""
LIST = re.compile(
    rf"(?:\({NAME}\)|{NAME})::text (= ANY|<> ALL) "
    rf"\(\(?ARRAY\[((?:{TEXT}::character varying(?:, )?)+)\]\)?::text\[\]\)"
)
OPERATORS = {"= ANY": " IN", "<> ALL": " NOT IN"}


@dataclass
class Item:
    """One thing in a database, as the server describes it.

    :param kind: in words of the database
    :param name: unique among those of its kind, together with the table
    :param create: the statement that makes it; one without cannot be carried over, only named
    :param drop: the statement that drops it, if that does not go with its table
    :param table: what it belongs to
    :param when: ``before`` the tables; ``table``; ``with`` its table; ``index``: after the rows;
        ``after`` all. What is not reflected is before or after, the others are only used for a
        table that the operations of Alembic do not make the same.
    :param text: what is compared, if not the statement
    """

    kind: str
    name: str
    create: str = ""
    drop: str = ""
    table: str | None = None
    when: str = "after"
    text: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.kind, self.name, self.table or ""

    @property
    def says(self) -> str:
        return self.text or self.create

    def __str__(self) -> str:
        of = f" of {self.table}" if self.table not in (None, self.name) else ""
        return f"{self.kind} {self.name}{of}"


def said(connection: Any, own: Iterable[str]) -> list[Item]:
    """Return what is in a database, in an order in which it can be made.

    :param own: tables to leave out: Alembic's and the kit's
    :raises Refused: if nobody knows how to ask this kind of database
    """
    kind = connection.dialect.name
    if kind not in KNOWN:
        raise Refused(f"squash does not know what to ask {kind}: it can do {', '.join(KNOWN)}.")
    module = import_module(f"{__name__}.{'mysql' if kind == 'mariadb' else kind}")
    own = {*own}
    items = [item for item in module.items(connection, own) if item.name not in own]
    for item in items:
        item.table = item.table and item.table.replace('"', "")
        if item.kind != "function":  # whose text is kept
            item.create = listed(item.create)
    return [item for item in items if item.table not in own]


def literal(dialect: Any, column: str, is_binary: bool) -> str:
    """Return an expression for what is in a column, as it stands in a statement."""
    return {
        "postgresql": "quote_nullable({0}::text)",
        "sqlite": "quote({0})",
    }.get(
        dialect.name, "coalesce(concat('0x', hex({0})), 'NULL')" if is_binary else "quote({0})"
    ).format(column)


def ask(connection: Any, statement: str) -> Any:
    """Return the result of a statement that is sent as it stands, whatever the driver."""
    return connection.execute(sa.text(escaped(statement)))


def escaped(statement: str) -> str:
    """Return a statement in which SQLAlchemy, whichever, sees no parameter, and no backslash to take away."""

    def in_word(found: re.Match[str]) -> str:
        is_read = re.search(r"(?<![:\w\\]):\w|\\:", found[0])
        return found[0].replace(":", r"\:") if is_read else found[0]

    return re.sub(r"[:\w\\$]*:[:\w\\$]*", in_word, statement)


def listed(expression: str) -> str:
    """Return an expression of PostgreSQL with ``IN``, which is stored as it was.

    What it says itself for an ``IN`` of texts is stored in another way if it is executed.
    """

    def written(found: re.Match[str]) -> str:
        values = ", ".join(re.findall(TEXT, found[4]))
        return f"{found[1] or found[2]}{OPERATORS[found[3]]} ({values})"

    return LIST.sub(written, expression)
