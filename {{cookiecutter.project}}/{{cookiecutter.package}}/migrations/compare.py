"""How autogenerate compares columns and indexes with those of the models.

Alembic takes the class of a dialect from here, instead of its own, when this has been imported.
"""

import re
from contextlib import suppress
from functools import cached_property
from typing import Any

from alembic.ddl.impl import DefaultImpl
from alembic.ddl.mysql import MariaDBImpl, MySQLImpl
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.ddl.sqlite import SQLiteImpl
from sqlalchemy import Column, MetaData, Table, inspect
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import TypeEngine


class AsMade(DefaultImpl):
    """Compares a column with what the database makes of the model's, in a temporary table.

    Every database spells types and defaults in its own way: MariaDB says ``current_timestamp()``
    for ``now()``, and ``DOUBLE`` for ``REAL``. Alembic's own comparison is left to what cannot be
    made so.
    """

    drop = "DROP TABLE"

    def compare_type(self, inspector_column: Column[Any], metadata_column: Column[Any]) -> bool:
        """Say whether the types differ, in precision, character set and the like too."""
        found, wanted = self.spelled(inspector_column.type), self.spelled(metadata_column.type)
        made = None if found == wanted else self.made(inspector_column, metadata_column)
        if made:
            return self.spelled(made["type"]) != found
        return found != wanted and super().compare_type(inspector_column, metadata_column)

    def compare_server_default(
        self,
        inspector_column: Column[Any],
        metadata_column: Column[Any],
        rendered_metadata_default: str | None,
        rendered_inspector_default: str | None,
    ) -> bool:
        """Say whether the defaults differ: neither Alembic nor the database finds them the same."""
        assert self.connection is not None
        own: Any = super()  # without type hints
        columns = (inspector_column, metadata_column)
        defaults = (rendered_metadata_default, rendered_inspector_default)
        # Whether there is nothing to ask the database about.
        if defaults[0] == defaults[1] or (
            None in defaults and not own.compare_server_default(*columns, *defaults)
        ):
            return False
        made = self.made(*columns)
        # Alembic puts those of SQLite into parentheses, unless it met the table by a key to it.
        if made and bare(made["default"]) == bare(rendered_inspector_default):
            return False
        with suppress(SQLAlchemyError), self.connection.begin_nested():  # json knows no "="
            return bool(own.compare_server_default(*columns, *defaults))
        return True

    def spelled(self, type_: TypeEngine[Any]) -> str:
        return type_.compile(dialect=self.dialect)

    def made(self, found: Column[Any], wanted: Column[Any]) -> ReflectedColumn | None:
        """Return what the database makes of a column of a model, in a table like the one found."""
        options = {
            option: value
            for option, value in found.table.dialect_kwargs.items()
            if option.endswith(("charset", "collate"))
        }
        default = getattr(wanted.server_default, "arg", wanted.server_default)
        kind = (self.spelled(wanted.type), wanted.nullable, str(default), *options.items())
        if kind not in self.all_made:
            column = Column(
                "compared",
                wanted.type,
                nullable=wanted.nullable,
                server_default=wanted.server_default,
            )
            table = Table("alembic_compared", MetaData(), column, prefixes=["TEMPORARY"], **options)
            self.all_made[kind] = self.make(table)
        return self.all_made[kind]

    @cached_property
    def all_made(self) -> dict[tuple[Any, ...], ReflectedColumn | None]:
        """What has been made already: most columns of a database are alike."""
        return {}

    def make(self, table: Table) -> ReflectedColumn | None:
        """Return the column of a table that is made and dropped; None if it cannot be made."""
        assert self.connection is not None
        try:
            with self.connection.begin_nested():
                self.connection.execute(CreateTable(table))
                (made,) = inspect(self.connection).get_columns(table.name)
                self.connection.exec_driver_sql(f"{self.drop} {table.name}")
        except SQLAlchemyError:  # a type that is not there yet, or no right to do this
            return None
        return made


def bare(default: str | None) -> str | None:
    """Return a default without the parentheses around it."""
    return default and re.sub(r"^\((.*)\)$", r"\1", default, flags=re.DOTALL)


class PostgreSQL(AsMade, PostgresqlImpl):
    __dialect__ = "postgresql"


class ByName(AsMade):
    """Compares indexes on expressions, such as ``DESC``, by their names: no more is reflected."""

    index_names = ""

    def correct_for_autogen_constraints(self, *found_and_wanted: Any) -> None:
        """Take those out that are there already."""
        assert self.connection is not None
        _, found, _, wanted = found_and_wanted
        by_name = {
            index
            for index in wanted
            if not all(isinstance(expression, Column) for expression in index.expressions)
        }
        names = {index.name for index in by_name}
        if names:
            names &= {*self.connection.exec_driver_sql(self.index_names).scalars()}
        found -= {index for index in found if index.name in names}
        wanted -= by_name
        own: Any = super()  # without type hints
        own.correct_for_autogen_constraints(*found_and_wanted)
        wanted |= {index for index in by_name if index.name not in names}


class MySQL(ByName, MySQLImpl):
    __dialect__ = "mysql"
    index_names = (
        "SELECT index_name FROM information_schema.statistics WHERE table_schema = DATABASE()"
    )
    drop = "DROP TEMPORARY TABLE"  # without the word, MySQL would commit


class MariaDB(MySQL, MariaDBImpl):
    __dialect__ = "mariadb"


class SQLite(ByName, SQLiteImpl):
    __dialect__ = "sqlite"
    index_names = "SELECT name FROM sqlite_master WHERE type = 'index'"
