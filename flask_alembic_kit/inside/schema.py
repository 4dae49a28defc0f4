"""What is in a database, so that two can be compared."""

from typing import Any

from sqlalchemy import inspect, text
from sqlalchemy.engine import Engine

ITEMS = ("indexes", "unique_constraints", "foreign_keys", "check_constraints", "pk_constraint")


def contents(engine: Engine) -> dict[str, Any]:
    """Return for each table its columns, keys, indexes and checks as text, and its number of rows."""
    found: dict[str, Any] = {}
    with engine.connect() as connection:
        inspector: Any = inspect(connection)
        usual = inspector.default_schema_name
        schemas = inspector.get_schema_names() if engine.dialect.name == "postgresql" else [None]
        for schema in schemas:
            if schema == "information_schema":
                continue
            for name in inspector.get_table_names(schema=schema):
                table: dict[str, Any] = {
                    column["name"]: f"{column['type']}, {column['nullable']}, {column['default']}"
                    for column in inspector.get_columns(name, schema=schema)
                }
                for item in ITEMS:
                    table[f"({item})"] = described(inspector, item, name, schema)
                prefix = f"{schema}." if schema not in (None, usual) else ""
                quoted = engine.dialect.identifier_preparer.quote(name)
                within = f"{engine.dialect.identifier_preparer.quote(schema)}." if schema else ""
                where = f"{only(engine.dialect)}{within}{quoted}"
                count = connection.execute(text(f"SELECT count(*) FROM {where}")).scalar()
                found[prefix + name] = {"columns": table, "rows": count}
    return found


def only(dialect: Any) -> str:
    """Return what keeps out the rows of other tables: of partitions, and of those that inherit."""
    return "ONLY " if dialect.name == "postgresql" else ""


def described(inspector: Any, item: str, table: str, schema: str | None) -> list[str]:
    """Return the keys, indexes or checks of a table as text, whatever their order."""
    try:
        items = getattr(inspector, f"get_{item}")(table, schema=schema)
    except NotImplementedError:
        return []
    found = items if isinstance(items, list) else [items]
    # A condition is an object, which is another each time.
    options = [{k: str(v) for k, v in one.get("dialect_options", {}).items()} for one in found]
    return sorted(
        repr({**one, "dialect_options": each}) for one, each in zip(found, options, strict=True)
    )
