"""How autogenerate compares columns, checks and indexes with those of the models.

The classes in backends/ inherit from these and from Alembic's class of a dialect, which they replace.
"""

import logging
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, partial
from typing import Any

from alembic.ddl.impl import DefaultImpl
from sqlalchemy import CheckConstraint, Column, MetaData, Table, inspect
from sqlalchemy.engine.reflection import Inspector
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import NullType

from .constraints import table_of, without_table

logger = logging.getLogger("alembic.env")
Reflect = Callable[[Inspector, str], list[Any]]
# Its methods are without type hints.
Theirs: Any = DefaultImpl
# The temporary table: a name that nobody has.
NAME = f"alembic_compared_{secrets.token_hex(4)}"


class AsMade(Theirs):  # type: ignore[misc]
    """Compares with what the database makes of a model's column or check, in a temporary table.

    MariaDB, for example, writes ``current_timestamp()`` for ``now()``, and ``DOUBLE`` for ``REAL``.
    What cannot be made is left to Alembic.
    """

    drop = "DROP TABLE"
    connection: Any
    inspector: Inspector | None = None

    def compare_type(self, found: Column[Any], wanted: Column[Any]) -> bool:
        """Say whether the types differ, in precision, character set and the like too."""
        type_ = self.spelled(found)
        if type_ == self.spelled(wanted):
            return False
        made = self.made(found, wanted)
        if made is None or isinstance(made.type, NullType):  # which SQLAlchemy cannot read
            return bool(super().compare_type(found, wanted))
        return self.spelled(made) != type_

    def compare_server_default(
        self, found: Column[Any], wanted: Column[Any], new: str | None, old: str | None
    ) -> bool:
        """Say whether the defaults differ, both to Alembic and to the database."""
        theirs = partial(super().compare_server_default, found, wanted, new, old)
        if new == old or (None in (new, old) and not theirs()):
            return False  # there is nothing to ask the database about
        made = self.made(found, wanted, new)
        # Alembic puts those of SQLite into parentheses, unless it met the table by a key to it.
        if made is not None and bare(made.server_default) == bare(old):
            return False
        with suppress(SQLAlchemyError), self.connection.begin_nested():  # json knows no "="
            return bool(theirs())
        return True

    def compare_check_constraint(self, wanted: CheckConstraint, found: CheckConstraint) -> Any:
        """Compare the conditions of two check constraints of one name; Alembic asks since 1.18."""
        from alembic.ddl.impl import ComparisonResult

        condition: Any = without_table(wanted.sqltext)
        for _ in range(2):  # as after a downgrade: PostgreSQL changes its own spelling
            columns = [Column(column.name, column.type) for column in table_of(wanted).columns]
            check = CheckConstraint(condition, name="compared")
            made = self.make(Inspector.get_check_constraints, *columns, check)
            conditions = [check["sqltext"] for check in made if check["name"] == "compared"]
            if not conditions or conditions[0] == str(found.sqltext):
                return ComparisonResult.Equal()
            (condition,) = conditions
        return ComparisonResult.Different(f"{found.sqltext} to {condition}")

    def spelled(self, column: Column[Any]) -> str:
        return column.type.compile(dialect=self.dialect)

    def made(self, found: Column[Any], wanted: Column[Any], default: str | None = None) -> Any:
        """Return what the database makes of a column of a model, in a table like the one found.

        :param default: the server default, where that is compared
        """
        kwargs = getattr(found.table, "dialect_kwargs", {})  # who compares may have no table
        options = {key: kwargs[key] for key in kwargs if key.endswith(("charset", "collate"))}
        item: Any = None if default is None else wanted.server_default
        kind = default, type(getattr(item, "arg", None))  # text("1") is not "1"
        key = self.spelled(wanted), wanted.nullable, *kind, *options.items()
        known: dict[Any, Any] = self.__dict__.setdefault("known", {})  # many columns are alike
        if key not in known:
            like = Column("compared", wanted.type, item, nullable=wanted.nullable)
            made = self.make(self.columns, like, **options)
            known[key] = next((Column(m["type"], server_default=m["default"]) for m in made), None)
        return known[key]

    def columns(self, inspector: Inspector, name: str) -> list[Any]:
        return inspector.get_columns(name)

    @cached_property
    def can_make(self) -> bool:
        """Say whether temporary tables can be made; if not, as on a replica, warn once."""
        with suppress(SQLAlchemyError), self.connection.begin_nested():
            self.connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {NAME} (id INTEGER)")
            self.connection.exec_driver_sql(f"{self.drop} {NAME}")
            return True
        logger.warning("No temporary table can be made: types and defaults are compared loosely.")
        return False

    def make(self, reflect: Reflect, *items: Any, **options: Any) -> list[Any]:
        """Make a table, reflect it, and drop it; return nothing if it cannot be made."""
        found: list[Any] = []
        if self.can_make:
            table = Table(NAME, MetaData(), *items, prefixes=["TEMPORARY"], **options)
            with suppress(SQLAlchemyError), self.connection.begin_nested():  # a type is missing
                self.connection.execute(CreateTable(table))
                found = reflect(inspect(self.connection), NAME)
                self.connection.exec_driver_sql(f"{self.drop} {NAME}")
        return found

    def render_ddl_sql_expr(self, *arguments: Any, **options: Any) -> str:
        """Write an expression as ``text()`` reads it: the driver's percent signs are not doubled."""
        sql: str = super().render_ddl_sql_expr(*arguments, **options)
        return sql.replace("%%", "%") if "format" in self.dialect.paramstyle else sql


def bare(default: Any) -> str | None:
    """Return a default without the parentheses and the spaces around it."""
    text = getattr(default, "arg", default)
    inner = text and re.fullmatch(r"\s*\((.*)\)\s*", str(text), re.DOTALL)
    return bare(inner[1]) if inner else text and str(text).strip()
