"""How autogenerate compares indexes that are not reflected, or that Alembic compares only in part."""

from contextlib import suppress
from typing import Any

from sqlalchemy import Column, Index, MetaData, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex

from ..session import as_text
from .compare import NAME, AsMade

DEFINITION = "SELECT split_part(pg_get_indexdef(to_regclass(:name)), ' USING ', 2)"


class Once(AsMade):
    """Wants no unique constraint that says what the primary key or another one says: it may not be made."""

    def correct_for_autogen_constraints(self, *found_and_wanted: Any) -> None:
        names, wanted = {unique.name for unique in found_and_wanted[0]}, found_and_wanted[2]
        there = [unique for unique in wanted if unique.name in names]
        for unique in [unique for unique in wanted if unique not in there]:
            others = (unique.table.primary_key, *there)
            if unique.columns.keys() in [other.columns.keys() for other in others]:
                wanted.discard(unique)
        theirs: Any = super().correct_for_autogen_constraints  # without type hints
        theirs(*found_and_wanted)


class ByName(Once):
    """Compares indexes on expressions, such as ``DESC``, by their names: no more is read, if at all."""

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
        for table in {index.table for index in by_name.values()}:
            names = {*self.connection.exec_driver_sql(self.index_names, (table.name,)).scalars()}
        found -= {index for index in found if index.name in names & by_name.keys()}
        wanted -= {*by_name.values()}
        super().correct_for_autogen_constraints(*found_and_wanted)
        wanted |= {by_name[name] for name in by_name.keys() - names}


class AsDefined(Once):
    """Compares what PostgreSQL says of an index with what it says of that of the models, if made.

    That is its WHERE, its kind, its operator classes and more; Alembic compares the expressions.
    """

    def compare_indexes(self, wanted: Any, found: Any) -> Any:  # Alembic asks since 1.12
        from alembic.ddl.impl import ComparisonResult

        theirs: Any = super()
        result = theirs.compare_indexes(wanted, found)
        one, other = (str(CreateIndex(i).compile(dialect=self.dialect)) for i in (found, wanted))
        if one == other or bool(found.unique) != bool(wanted.unique) or not self.can_make:
            return result
        with suppress(SQLAlchemyError), self.connection.begin_nested() as savepoint:
            quote = self.dialect.identifier_preparer.quote
            table = self.dialect.identifier_preparer.format_table(wanted.table)
            self.connection.execute(text(f"CREATE TEMPORARY TABLE {NAME} (LIKE {table})"))
            like = wanted.table.to_metadata(MetaData(), schema=None, name=NAME)
            copies = {index.name: index for index in like.indexes}
            columns = (like.columns[key] for key in [*wanted.columns.keys()])  # of index=True
            made = copies.get(wanted.name) or Index(wanted.name, *columns)
            made.dialect_options[self.dialect.name]["concurrently"] = False
            self.connection.execute(CreateIndex(made))
            places = wanted.table.schema or self.dialect.default_schema_name, "pg_temp"
            names = [{"name": f"{quote(str(place))}.{quote(wanted.name)}"} for place in places]
            one, other = (self.connection.scalar(text(DEFINITION), name) for name in names)
            if one != other:  # PostgreSQL spells its own spelling once more, after a downgrade
                again = f"CREATE INDEX {NAME}_again ON {NAME} USING {other}"
                self.connection.execute(text(as_text(again)))
                names[1] = {"name": f"pg_temp.{NAME}_again"}
                other = self.connection.scalar(text(DEFINITION), names[1])
            savepoint.rollback()
            different = ComparisonResult.Different(f"{one} to {other}")
            return ComparisonResult.Equal() if one == other else different
        return result
