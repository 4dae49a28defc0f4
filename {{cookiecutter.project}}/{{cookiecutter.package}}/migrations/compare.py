"""How autogenerate compares columns, checks and indexes with those of the models.

Alembic takes the class of a dialect from here, instead of its own, when this has been imported.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import Any, TypeVar

from alembic.ddl.impl import ComparisonResult, DefaultImpl
from alembic.ddl.mysql import MariaDBImpl, MySQLImpl
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.ddl.sqlite import SQLiteImpl
from sqlalchemy import CheckConstraint, Column, Inspector, MetaData, Table, inspect
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql.elements import ColumnClause
from sqlalchemy.sql.visitors import replacement_traverse
from sqlalchemy.types import TypeEngine

Made = TypeVar("Made")


class AsMade(DefaultImpl):
    """Compares with what the database makes of a model's column or check, in a temporary table.

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
        # Then there is nothing to ask the database about.
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

    def compare_check_constraint(
        self, metadata_constraint: CheckConstraint, reflected_constraint: CheckConstraint
    ) -> ComparisonResult:
        """Compare the conditions of two check constraints of one name."""
        condition = replacement_traverse(metadata_constraint.sqltext, {}, without_table)
        columns = [Column(column.name, column.type) for column in metadata_constraint.table.columns]
        constraint = CheckConstraint(condition, name="compared")
        made = self.make(columns, constraint, reflect=Inspector.get_check_constraints)
        wanted = {check["sqltext"] for check in made or () if check["name"] == "compared"}
        found = str(reflected_constraint.sqltext)
        if wanted <= {found}:
            return ComparisonResult.Equal()
        return ComparisonResult.Different(f"{found} to {' '.join(wanted)}")

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
        spelled = (self.spelled(wanted.type), type(default), str(default))
        kind = (*spelled, wanted.nullable, *options.items())
        if kind not in self.all_made:
            column = Column(
                "compared",
                wanted.type,
                nullable=wanted.nullable,
                server_default=wanted.server_default,
            )
            made = self.make([column], reflect=Inspector.get_columns, **options)
            self.all_made[kind] = made[0] if made else None
        return self.all_made[kind]

    @cached_property
    def all_made(self) -> dict[tuple[Any, ...], ReflectedColumn | None]:
        """What has been made already: most columns of a database are alike."""
        return {}

    def make(
        self,
        columns: list[Column[Any]],
        *constraints: CheckConstraint,
        reflect: Callable[[Inspector, str], list[Made]],
        **options: Any,
    ) -> list[Made] | None:
        """Return what there is of a table that is made and dropped; None if it cannot be made."""
        assert self.connection is not None
        name = "alembic_compared"
        table = Table(name, MetaData(), *columns, *constraints, prefixes=["TEMPORARY"], **options)
        try:
            with self.connection.begin_nested():
                self.connection.execute(CreateTable(table))
                made = reflect(inspect(self.connection), name)
                self.connection.exec_driver_sql(f"{self.drop} {name}")
        except SQLAlchemyError:  # a type that is not there yet, or no right to do this
            return None
        return made


def without_table(element: Any, **_: Any) -> ColumnClause[Any] | None:
    """Return a column of a model as one that belongs to no table."""
    return ColumnClause(element.name, element.type) if isinstance(element, Column) else None


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
