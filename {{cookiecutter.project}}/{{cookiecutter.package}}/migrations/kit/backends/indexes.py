"""How autogenerate compares indexes that the database does not tell all of."""

from typing import Any

from sqlalchemy import Column, Index

from .compare import AsMade


class ByName(AsMade):
    """Compares indexes on expressions, such as ``DESC``, by their names: no more is reflected."""

    index_names = ""

    def is_reflected(self, index: Index) -> bool:
        """Say whether all of an index of the models is found again in one of the database."""
        return all(isinstance(expression, Column) for expression in index.expressions)

    def correct_for_autogen_constraints(self, *found_and_wanted: Any) -> None:
        """Take those out that are there already."""
        _, found, _, wanted = found_and_wanted
        reflected = {index for index in wanted if self.is_reflected(index)}
        by_name = {index.name: index for index in wanted - reflected}
        names = {*self.connection.exec_driver_sql(self.index_names).scalars()} if by_name else set()
        found -= {index for index in found if index.name in names & by_name.keys()}
        wanted &= reflected
        theirs: Any = super().correct_for_autogen_constraints  # without type hints
        theirs(*found_and_wanted)
        wanted |= {by_name[name] for name in by_name.keys() - names}
