"""The defaults of MySQL that SQLAlchemy does not read, and a changed column would lose: bits and expressions."""

from typing import Any

from sqlalchemy import Table
from sqlalchemy.engine.reflection import Inspector

from .compare import AsMade

DEFAULTS = """
    SELECT table_name, column_name, column_default, extra, column_comment
    FROM information_schema.columns WHERE table_schema = DATABASE() AND column_default <> 'NULL'
    AND (data_type = 'bit' OR LOCATE('(', column_default))
"""


class Unread(AsMade):
    inspector: Inspector | None = None

    def autogen_column_reflect(self, inspector: Inspector, table: Table, column_info: Any) -> None:
        theirs: Any = super().autogen_column_reflect  # without type hints
        theirs(inspector, table, column_info)
        if self.inspector is not inspector:  # all are read at once
            self.inspector, rows = inspector, self.connection.exec_driver_sql(DEFAULTS)
            self.defaults = {(name, column): more for name, column, *more in rows}
        default, extra, comment = self.defaults.get((table.name, column_info["name"]), [""] * 3)
        if not table.schema and default and is_unread(column_info):
            sql = default.replace("\\'", "'") if "GENERATED" in extra else default  # of MySQL
            column_info |= {"default": sql, "comment": comment or None}

    def columns(self, inspector: Inspector, name: str) -> list[Any]:
        found = super().columns(inspector, name)
        for column, row in zip(
            found, self.connection.exec_driver_sql(f"SHOW COLUMNS FROM {name}"), strict=True
        ):
            column["default"] = row[4] if is_unread(column) else column["default"]
        return found


def is_unread(column: Any) -> bool:
    """Say whether no default is read, or one up to its first space; the comment is not, either."""
    default = column["default"] or "("
    return not default.startswith("'") and default.count("(") != default.count(")")
