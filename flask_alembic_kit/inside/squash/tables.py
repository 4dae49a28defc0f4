"""Tables as operations of Alembic, with types that other databases have too, where possible."""

import re
import warnings
from collections.abc import Iterable
from io import StringIO
from typing import Any, Literal

import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.migration import MigrationContext
from alembic.operations import MigrateOperation, Operations, ops
from sqlalchemy.dialects.postgresql import ENUM
from sqlalchemy.schema import conv, sort_tables_and_constraints

from .said import Item, escaped, listed

# How MySQL names what it would also have made of the other name.
SPELLINGS = {
    "INTEGER(11)": "INTEGER",
    "BIGINT(20)": "BIGINT",
    "SMALLINT(6)": "SMALLINT",
}
MYSQL = ("mysql", "mariadb")
# The default that every database has, by another name. PostgreSQL keeps CURRENT_TIMESTAMP apart from now().
NOW = re.compile(r"""sa\.text\(['"]\(?(now\(\)|CURRENT_TIMESTAMP|current_timestamp\(\))\)?['"]\)""")
# A text of PostgreSQL with its type, which is that of its column anyway.
TYPED = re.compile(r"('(?:[^']|'')*')::[\w ]+(\(\d+\))?")


def reflected(connection: Any, own: Iterable[str]) -> sa.MetaData:
    """Return the tables of a database, as far as SQLAlchemy sees them."""
    metadata = sa.MetaData()
    inspector = sa.inspect(connection)
    schemas = [None]
    if connection.dialect.name == "postgresql":
        skipped = {"information_schema", inspector.default_schema_name}
        schemas += [name for name in inspector.get_schema_names() if name not in skipped]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it does not know is compared later
        for schema in schemas:
            metadata.reflect(
                connection, schema=schema, resolve_fks=False, only=lambda name, _: name not in own
            )
    for name in virtual(connection) & {*metadata.tables}:  # by it, others know their rows
        if "rowid" not in metadata.tables[name].columns:
            metadata.tables[name].append_column(sa.Column("rowid", sa.Integer))
    return metadata


def virtual(connection: Any, kind: str = "virtual") -> set[str]:
    """Return the names of the virtual tables of SQLite, or of those that it makes with one."""
    if connection.dialect.name != "sqlite":
        return set()
    rows = connection.connection.execute("PRAGMA table_list")  # known since SQLite 3.37
    return {row[1] for row in rows if row[2] == kind}


def full_name(table: sa.Table) -> str:
    return f"{table.schema}.{table.name}" if table.schema else str(table.name)


def simplify(table: sa.Table, dialect: Any, items: dict[Any, Item], raw: set[Any]) -> list[str]:
    """Give a table types that other databases have too, and no default that its type implies.

    :return: sequences that come with its columns
    """
    serials = []
    for column in table.columns:
        default = str(getattr(column.server_default, "arg", ""))
        name = f"{full_name(table)}_{column.name}_seq"
        is_key = list(table.primary_key.columns) == [column]
        if (
            default == f"nextval('{name}'::regclass)"
            and is_key
            and ("sequence", name, full_name(table)) not in raw
        ):
            column.server_default = None
            serials.append(name)
        elif typed := TYPED.fullmatch(default):
            column.server_default = sa.DefaultClause(sa.text(escaped(typed[1])))
        column.type = portable(column.type, dialect)
        if not column.primary_key or column.autoincrement:
            column.autoincrement = "auto"
    things: list[Any] = [*table.constraints, *table.indexes]
    for thing in things:
        thing.name = thing.name and conv(thing.name)  # which no naming convention changes
        if isinstance(thing, sa.CheckConstraint):
            thing.sqltext = sa.text(escaped(listed(str(thing.sqltext))))
        elif where := thing.dialect_kwargs.get("postgresql_where"):
            thing.dialect_kwargs["postgresql_where"] = listed(where)
        elif (where := thing.dialect_kwargs.get("sqlite_where")) is not None:
            thing.dialect_kwargs["sqlite_where"] = sa.text(escaped(where.text))
        for option, value in [*thing.dialect_kwargs.items()]:
            if not isinstance(value, sa.TextClause) and not value:
                thing.dialect_kwargs.pop(option)  # as it is anyway
    (text,) = [i.create for i in items.values() if i.key[::2] == ("table", full_name(table))]
    for option in [name for name in table.dialect_kwargs if dialect.name in MYSQL]:
        word = option.partition("_")[2].replace("default charset", "charset")
        if word == "engine" or f"{word.upper()}=" not in text.rpartition("\n)")[2]:
            table.dialect_kwargs.pop(option)
    return serials


def portable(type_: Any, dialect: Any) -> Any:
    """Return a type that is the same on this database, and works on others, if there is one."""
    if dialect.name in MYSQL and getattr(type_, "display_width", 0) == 1:
        return sa.Boolean()
    item = getattr(type_, "item_type", type_)  # of an array
    is_made_apart = hasattr(item, "create_type")
    if is_made_apart:
        item.create_type = False
    try:
        exact, generic = type_.compile(dialect), type_.as_generic()
        if compiled(generic, dialect) == SPELLINGS.get(exact, exact) and not is_made_apart:
            return generic
        for name in MYSQL if dialect.name in MYSQL else [dialect.name]:
            generic = generic.with_variant(type_, name)
        return generic
    except Exception:  # noqa: BLE001 (no type is worth more than that)
        return type_


def compiled(type_: Any, dialect: Any) -> str:
    text = str(type_.compile(dialect))
    return text.replace("NUMERIC", "DECIMAL") if dialect.name in MYSQL else text


def in_order(
    metadata: sa.MetaData, dialect: Any, items: dict[Any, Item]
) -> tuple[list[sa.Table], list[Any]]:
    """Return tables in the order of their foreign keys, and the keys that come after all tables."""
    made = [item.table for item in items.values() if item.kind == "table"]
    found = sorted(metadata.tables.values(), key=lambda table: made.index(full_name(table)))
    pairs = [*sort_tables_and_constraints(found)]  # type: ignore[no-untyped-call]
    tables = [table for table, _ in pairs if table is not None]
    waiting = [key for table, keys in pairs if table is None for key in keys]
    if dialect.name == "sqlite":
        return tables, []
    for key in waiting:
        key.table.constraints.discard(key)
    return tables, waiting


def referred_by_index(metadata: sa.MetaData) -> set[sa.Table]:
    """Return the tables of which a foreign key needs a unique index, and no key: it is made before that one."""
    keys = (sa.PrimaryKeyConstraint, sa.UniqueConstraint)
    found = set()
    for table in metadata.tables.values():
        for key in table.foreign_key_constraints:
            names = [element.target_fullname.rpartition(".") for element in key.elements]
            other = metadata.tables.get(names[0][0])
            columns = {name for _, _, name in names}
            if other is not None and not any(
                {*each.columns.keys()} == columns
                for each in other.constraints
                if isinstance(each, keys)
            ):
                found.add(other)
    return found


class Renderer:
    """Writes operations as Python."""

    def __init__(self, dialect: Any, target_metadata: Any) -> None:
        self.dialect = dialect
        self.target_metadata = target_metadata  # whose naming convention an operation follows
        self.imports: set[str] = set()
        self.context = MigrationContext.configure(dialect=dialect)

    def code(self, operation: MigrateOperation) -> str:
        """Return an operation as Python.

        :raises Exception: if it does not run
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = render_python_code(
                ops.UpgradeOps([operation]),
                render_item=made_apart,
                migration_context=self.context,
            )
        lines = [line.removeprefix("    ") for line in text.splitlines()]
        code = "\n".join(line for line in lines if not line.startswith("# ###"))
        own = ("CURRENT_TIMESTAMP",) if self.dialect.name == "postgresql" else ()
        code = NOW.sub(lambda found: found[0] if found[1] in own else "sa.func.now()", code)
        if f"{self.dialect.name}." in code:
            self.imports.add(f"from sqlalchemy.dialects import {self.dialect.name}")
        self.run(code)
        return code

    def run(self, *codes: str) -> None:
        """Run code without a database, as ``alembic upgrade --sql`` does.

        :raises Exception: if it does not run
        """
        offline = MigrationContext.configure(
            dialect=self.dialect,
            opts={
                "as_sql": True,
                "output_buffer": StringIO(),
                "target_metadata": self.target_metadata,
            },
        )
        imports = f"from sqlalchemy.dialects import {self.dialect.name}\nimport sqlalchemy as sa"
        with Operations.context(offline):
            code = "\n".join([imports, "from alembic import op", *codes])
            exec(code, {})  # noqa: S102 (it is what has just been rendered)


def made_apart(kind: str, thing: Any, _: object) -> str | Literal[False]:
    """Return an enum of PostgreSQL as Python; False for all else. SQLAlchemy 2.0 would make its type again."""
    if kind != "type" or not isinstance(thing, ENUM):
        return False
    return f"postgresql.{repr(thing).replace(', create_type=False', '')[:-1]}, create_type=False)"
