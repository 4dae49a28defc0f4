"""How autogenerate compares columns, checks and indexes with those of the models.

In backends/, these classes are joined to Alembic's own of a dialect, which the result replaces.
"""

import logging
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import Any

from alembic.ddl.impl import DefaultImpl
from sqlalchemy import CheckConstraint, Column, MetaData, Table, inspect
from sqlalchemy.engine.reflection import Inspector
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import NullType

from .constraints import table_of, without_table

logger = logging.getLogger("alembic.env")

# Of the temporary table: nobody has one of this name.
NAME = f"alembic_compared_{secrets.token_hex(4)}"


class AsMade(DefaultImpl):
    """Compares with what the database makes of a model's column or check, in a temporary table.

    Every database spells types and defaults in its own way: MariaDB says ``current_timestamp()``
    for ``now()``, and ``DOUBLE`` for ``REAL``. What cannot be made is left to Alembic.
    """

    drop = "DROP TABLE"
    connection: Any

    def compare_type(self, found: Column[Any], wanted: Column[Any]) -> bool:
        """Say whether the types differ, in precision, character set and the like too."""
        type_ = self.spelled(found)
        if type_ == self.spelled(wanted):
            return False
        made = self.made(found, wanted)
        if made is None or isinstance(made.type, NullType):  # which SQLAlchemy cannot read
            return super().compare_type(found, wanted)
        return self.spelled(made) != type_

    def compare_server_default(
        self, found: Column[Any], wanted: Column[Any], new: str | None, old: str | None
    ) -> bool:
        """Say whether the defaults differ: neither Alembic nor the database finds them the same."""
        theirs: Any = super().compare_server_default  # without type hints
        if new == old or (None in (new, old) and not theirs(found, wanted, new, old)):
            return False  # there is nothing to ask the database about
        made = self.made(found, wanted)
        # Alembic puts those of SQLite into parentheses, unless it met the table by a key to it.
        if made is not None and bare(made.server_default) == bare(old):
            return False
        with suppress(SQLAlchemyError), self.connection.begin_nested():  # json knows no "="
            return bool(theirs(found, wanted, new, old))
        return True

    def compare_check_constraint(self, wanted: CheckConstraint, found: CheckConstraint) -> Any:
        """Compare the conditions of two check constraints of one name; Alembic asks since 1.18."""
        from alembic.ddl.impl import ComparisonResult

        condition: Any = without_table(wanted.sqltext)
        for _ in range(2):  # PostgreSQL spells once more what a downgrade has made of its spelling
            columns = [Column(column.name, column.type) for column in table_of(wanted).columns]
            table = self.table(*columns, CheckConstraint(condition, name="compared"))
            made = self.make(table, Inspector.get_check_constraints)
            conditions = [check["sqltext"] for check in made if check["name"] == "compared"]
            if not conditions or conditions[0] == str(found.sqltext):
                return ComparisonResult.Equal()
            (condition,) = conditions
        return ComparisonResult.Different(f"{found.sqltext} to {condition}")

    def spelled(self, column: Column[Any]) -> str:
        return column.type.compile(dialect=self.dialect)

    def made(self, found: Column[Any], wanted: Column[Any]) -> Any:
        """Return what the database makes of a column of a model, in a table like the one found."""
        kwargs = getattr(found.table, "dialect_kwargs", {})  # who compares may have no table
        options = {key: kwargs[key] for key in kwargs if key.endswith(("charset", "collate"))}
        default: Any = wanted.server_default
        arg = getattr(default, "arg", default)
        key = self.spelled(wanted), arg, wanted.nullable, *options.items()
        is_plain = arg is None or isinstance(arg, str)  # expressions cannot be looked up
        known: dict[Any, Any] = self.__dict__.setdefault("known", {}) if is_plain else {}
        if not is_plain or key not in known:  # to write the statement each time would take long
            like = Column("compared", wanted.type, default, nullable=wanted.nullable)
            made = self.make(self.table(like, **options), self.columns)
            columns = [Column(each["type"], server_default=each["default"]) for each in made]
            known[key] = columns[0] if columns else None
        return known[key]

    def columns(self, inspector: Inspector, name: str) -> list[Any]:
        return inspector.get_columns(name)

    def table(self, *items: Any, **options: Any) -> Table:
        return Table(NAME, MetaData(), *items, prefixes=["TEMPORARY"], **options)

    @cached_property
    def can_make(self) -> bool:
        """Say whether temporary tables can be made; if not, as on a replica, warn once."""
        try:
            with self.connection.begin_nested():
                self.connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {NAME} (id INTEGER)")
                self.connection.exec_driver_sql(f"{self.drop} {NAME}")
        except SQLAlchemyError:
            logger.warning(
                "No temporary table can be made: types and defaults are compared loosely."
            )
            return False
        return True

    def make(self, table: Table, reflect: Callable[[Inspector, str], list[Any]]) -> list[Any]:
        """Make a table, reflect it, and drop it; return nothing if it cannot be made."""
        all_made: dict[str, list[Any]] = self.__dict__.setdefault("all_made", {})  # many are alike
        if not self.can_make:
            return []
        with suppress(SQLAlchemyError):  # a type that is not there yet
            sql = str(CreateTable(table).compile(dialect=self.dialect))
            if sql not in all_made:
                all_made[sql] = []
                with self.connection.begin_nested():
                    self.connection.execute(CreateTable(table))
                    all_made[sql] = reflect(inspect(self.connection), table.name)
                    self.connection.exec_driver_sql(f"{self.drop} {table.name}")
            return all_made[sql]
        return []

    def render_ddl_sql_expr(self, *arguments: Any, **options: Any) -> str:
        """Write an expression as ``text()`` reads it: the driver's percent signs are not doubled."""
        sql = super().render_ddl_sql_expr(*arguments, **options)
        return sql.replace("%%", "%") if "format" in self.dialect.paramstyle else sql


def bare(default: Any) -> str | None:
    """Return a default without the parentheses and the spaces around it."""
    text = getattr(default, "arg", default)
    inner = text and re.fullmatch(r"\s*\((.*)\)\s*", str(text), re.DOTALL)
    return bare(inner[1]) if inner else text and str(text).strip()
