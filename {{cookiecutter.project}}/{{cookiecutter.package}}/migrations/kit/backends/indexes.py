"""How autogenerate compares indexes that are not reflected, or that Alembic compares only in part."""

from contextlib import suppress
from functools import partial
from typing import Any

from sqlalchemy import Column, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex

from ..session import as_text
from .compare import NAME, AsMade
from .constraints import models_of

# What makes an index, from its kind on.
DEFINITION = "SELECT split_part(pg_get_indexdef(to_regclass(:name)), ' USING ', 2)"


class Once(AsMade):
    """Ignores a unique constraint on the columns of the primary key or of another one: it may not exist."""

    def correct_for_autogen_constraints(self, *found_and_wanted: Any) -> None:
        found, wanted = found_and_wanted[0], found_and_wanted[2]
        known = [each for unique in found for each in (unique.name, unique.columns.keys())]
        kept = [unique for unique in wanted if (unique.name or unique.columns.keys()) in known]
        for unique in sorted(wanted.difference(kept), key=lambda each: str(each.name)):
            others = [other.columns.keys() for other in (unique.table.primary_key, *kept)]
            (wanted.discard if unique.columns.keys() in others else kept.append)(unique)
        super().correct_for_autogen_constraints(*found_and_wanted)


class ByName(Once):
    """Compares indexes on expressions, such as ``DESC``, by name: SQLAlchemy reads little more."""

    index_names = ""

    def correct_for_autogen_constraints(self, *found_and_wanted: Any) -> None:
        """Remove those that are there already."""
        uniques, found, _, wanted = found_and_wanted
        read = {item.name for item in (*uniques, *found)}
        by_name = {
            index.name: index
            for index in wanted
            if index.name not in read or not all(isinstance(e, Column) for e in index.expressions)
        }
        names: set[Any] = set()
        for table in {index.table for index in by_name.values()}:  # there is one, if any
            names = {*self.connection.exec_driver_sql(self.index_names, (table.name,)).scalars()}
        found -= {index for index in found if index.name in names & by_name.keys()}
        # Also of a dropped table: Alembic takes an index with the name of a column for that of a key.
        kept = {i for i in found if i.name in i.columns and not models_of(i.table.fullname)}
        kept -= {i for i in kept if i.name in [k.name for k in i.table.foreign_key_constraints]}
        wanted -= {*by_name.values()}
        super().correct_for_autogen_constraints(*found_and_wanted)
        found |= kept
        wanted |= {by_name[name] for name in by_name.keys() - names}


class AsDefined(Once):
    """Compares indexes as PostgreSQL spells them, with WHERE, kind, operator classes and all."""

    def compare_indexes(self, wanted: Any, found: Any) -> Any:  # Alembic asks since 1.12
        from alembic.ddl.impl import ComparisonResult

        result = super().compare_indexes(wanted, found)
        one, other = (str(CreateIndex(i).compile(dialect=self.dialect)) for i in (found, wanted))
        if one == other or bool(found.unique) != bool(wanted.unique) or not self.can_make:
            return result
        preparer, run = self.dialect.identifier_preparer, self.connection.exec_driver_sql
        table, name = preparer.format_table(wanted.table), preparer.quote(wanted.name)
        schema = preparer.quote(wanted.table.schema or self.dialect.default_schema_name)
        read = partial(self.connection.scalar, text(DEFINITION))
        with suppress(SQLAlchemyError), self.connection.begin_nested() as savepoint:
            run(f"CREATE TEMPORARY TABLE {NAME} (LIKE {table})")
            run(other.replace(" CONCURRENTLY ", " ", 1).replace(f" ON {table} ", f" ON {NAME} ", 1))
            one, other = (read({"name": f"{place}.{name}"}) for place in (schema, "pg_temp"))
            if one != other:  # as after a downgrade: PostgreSQL changes its own spelling
                again = f"CREATE INDEX {NAME}_again ON {NAME} USING {other}"
                self.connection.execute(text(as_text(again)))
                other = read({"name": f"pg_temp.{NAME}_again"})
            savepoint.rollback()
            different = ComparisonResult.Different(f"{one} to {other}")
            return ComparisonResult.Equal() if one == other else different
        return result
