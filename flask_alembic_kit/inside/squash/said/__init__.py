"""What a server itself says is in a database: a file for each kind, by the name of SQLAlchemy's dialect."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from ...errors import Refused
from .ask import ask, escaped, listed
from .item import Item

__all__ = ["Item", "ask", "escaped", "listed", "literal", "said"]
KNOWN = ("mariadb", "mysql", "postgresql", "sqlite")


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
