"""How a server is asked."""

import re
from typing import Any

import sqlalchemy as sa


def ask(connection: Any, statement: str) -> Any:
    """Return the result of a statement that is sent as it stands, whatever the driver."""
    return connection.execute(sa.text(escaped(statement)))


def escaped(statement: str) -> str:
    """Return a statement in which SQLAlchemy sees no parameter."""
    return re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", statement)


def listed(expression: str) -> str:
    """Return an expression of PostgreSQL with ``IN``, which is stored as it was.

    What it says itself for an ``IN`` of texts is stored in another way if it is executed.
    """
    return LIST.sub(lambda m: f"{m[1] or m[2]}{OPERATORS[m[3]]} ({values(m[4])})", expression)


def values(array: str) -> str:
    return ", ".join(re.findall(TEXT, array))


TEXT = r"'(?:[^']|'')*'"
NAME = r"""((?:\w+|"(?:[^"]|"")+")(?:\.(?:\w+|"(?:[^"]|"")+"))*)"""
LIST = re.compile(
    rf"(?:\({NAME}\)|{NAME})::text (= ANY|<> ALL) "
    rf"\(\(?ARRAY\[((?:{TEXT}::character varying(?:, )?)+)\]\)?::text\[\]\)"
)
OPERATORS = {"= ANY": " IN", "<> ALL": " NOT IN"}
