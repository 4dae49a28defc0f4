"""The operations of the revision that takes the place of others."""

import ast
import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext

from .rows import all_rows, bulk_insert, insert
from .said import Item, escaped, said
from .state import own_tables
from .tables import (
    MYSQL,
    Renderer,
    full_name,
    in_order,
    referred_by_index,
    reflected,
    simplify,
)

OWNER = "owner of sequence"


@dataclass
class Choices:
    """What is not made by the operations of Alembic, but by statements of the server.

    :param raw: the keys of items; a table is there with its columns, keys and checks
    :param literal: tables whose rows are
    """

    raw: set[Any] = field(default_factory=set)
    literal: set[str] = field(default_factory=set)


@dataclass
class Code:
    """The code of a revision for one database.

    :param tables: the table of each piece of code that is of one
    """

    up: list[str] = field(default_factory=list)
    down: list[str] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)
    tables: dict[str, str] = field(default_factory=dict)


def code_for(migration: MigrationContext, choices: Choices) -> Code:
    """Return what makes the same database; add to the choices what no operation can make."""
    connection: Any = migration.connection
    own = own_tables(migration)
    items = {item.key: item for item in said(connection, own)}
    metadata = reflected(connection, own)
    return Writer(migration, items, choices).write(metadata, reflected(connection, own))


class Writer:
    """Writes the operations, in an order in which they run."""

    def __init__(
        self, migration: MigrationContext, items: dict[Any, Item], choices: Choices
    ) -> None:
        self.connection: Any = migration.connection
        self.dialect = migration.dialect
        self.items = items
        self.choices = choices
        self.code = Code()
        self.renderer = Renderer(self.dialect, migration.opts["target_metadata"])
        self.serials: set[str] = set()

    def write(self, metadata: sa.MetaData, exact: sa.MetaData) -> Code:
        """Return the operations.

        :param metadata: the tables as reflected, and again, to stay so
        """
        for table in metadata.tables.values():
            if not self.is_raw(table):
                self.serials |= {*simplify(table, self.dialect, self.items, self.choices.raw)}
        tables, waiting = in_order(metadata, self.dialect, self.items)
        creates = {table: self.created(table) for table in tables}
        self.statements(
            item for item in self.items.values() if item.when == "before" and self.is_needed(item)
        )
        is_unordered = self.dialect.name in MYSQL and any(map(self.is_raw, tables))
        if is_unordered:
            self.code.up.append(executed("SET foreign_key_checks = 0"))
        early = {each for each in referred_by_index(metadata) if not self.is_raw(each)}
        for table in tables:
            with self.code_of(table):
                self.create(table, creates[table])
                if table in early:
                    self.indexes(table)
        for table in tables:
            with self.code_of(table):
                self.rows(table, exact.tables[table.key], creates[table])
        for table in tables:
            if table not in early:
                with self.code_of(table):
                    self.indexes(table)
        for key in waiting:
            if not self.is_raw(key.table):
                with self.code_of(key.table):
                    self.add(
                        ops.CreateForeignKeyOp.from_constraint(key),
                        ops.DropConstraintOp.from_constraint(key),
                    )
        if is_unordered:
            self.code.up.append(executed("SET foreign_key_checks = 1"))
        self.statements(
            item for item in self.items.values() if item.when == "after" and item.create
        )
        self.code.imports |= self.renderer.imports
        self.code.down.reverse()
        return self.code

    @contextmanager
    def code_of(self, table: sa.Table) -> Iterator[None]:
        """Note what code is of a table."""
        before = len(self.code.up), len(self.code.down)
        yield
        added = self.code.up[before[0] :] + self.code.down[before[1] :]
        self.code.tables |= dict.fromkeys(added, full_name(table))

    def is_raw(self, table: sa.Table) -> bool:
        return any(key[0] == "table" and key[2] == full_name(table) for key in self.choices.raw)

    def of(self, table: sa.Table, when: str) -> list[Item]:
        """Return the items of a table that its operation does not make."""
        is_raw = self.is_raw(table)
        return [
            item
            for item in self.items.values()
            if item.when == when
            and item.table == full_name(table)
            and item.create
            and (
                is_raw
                or item.key in self.choices.raw
                or (item.kind == OWNER and self.is_needed(item))
            )
        ]

    def is_needed(self, item: Item) -> bool:
        """Say whether an item is made by a statement, and not by the type of a column."""
        return item.kind not in ("sequence", OWNER) or item.name not in self.serials

    def created(self, table: sa.Table) -> str:
        """Return the operation that creates a table; nothing if only a statement can."""
        if self.is_raw(table):
            return ""
        try:
            return self.renderer.code(ops.CreateTableOp.from_table(table))
        except Exception:  # noqa: BLE001 (then it says so itself)
            self.choices.raw |= {
                k for k in self.items if k[0] == "table" and k[2] == full_name(table)
            }
            return ""

    def create(self, table: sa.Table, code: str) -> None:
        if code and self.is_bulk(table):
            code = f"{variable(table)} = {code}"
        self.code.up += (
            [code] if code else [executed(item.create) for item in self.of(table, "table")]
        )
        self.code.up += [executed(item.create) for item in self.of(table, "with")]
        self.code.down.append(self.renderer.code(ops.DropTableOp(table.name, schema=table.schema)))

    def is_bulk(self, table: sa.Table) -> bool:
        return (
            not self.is_raw(table)
            and full_name(table) not in self.choices.literal
            and bool(all_rows(self.connection, table))
        )

    def rows(self, table: sa.Table, exact: sa.Table, created: str) -> None:
        """Insert the rows of a table: by Alembic, or as the server writes them.

        :param created: the operation that creates the table
        """
        if self.is_bulk(table):
            try:
                code, imports = bulk_insert(self.connection, table, variable(table))
                self.renderer.run(*imports, f"{variable(table)} = {created}", code)
            except Exception:  # noqa: BLE001 (of whatever type its values are)
                self.choices.literal.add(full_name(table))
            else:
                self.code.up.append(code)
                self.code.imports |= imports
                return
        if all_rows(self.connection, table):
            self.code.up.append(executed(insert(self.connection, exact)))

    def indexes(self, table: sa.Table) -> None:
        """Create the indexes of a table, and the keys of a table that a statement has created."""
        by_server = self.of(table, "index")
        said_names = {item.name.strip('"').rpartition(".")[2].strip('"') for item in by_server}
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            if not self.is_raw(table) and index.name not in said_names:
                try:
                    self.code.up.append(self.renderer.code(ops.CreateIndexOp.from_index(index)))
                except Exception:  # noqa: BLE001 (then it says so itself)
                    keys = {
                        k for k in self.items if k[0] == "index" and k[1].endswith(str(index.name))
                    }
                    self.choices.raw |= keys
                    by_server += [self.items[key] for key in keys]
        for item in by_server:
            self.code.up.append(executed(item.create))
            if item.drop:
                self.code.down.append(executed(item.drop))

    def add(self, up: Any, down: Any) -> None:
        self.code.up.append(self.renderer.code(up))
        self.code.down.append(self.renderer.code(down))

    def statements(self, items: Any) -> None:
        """Add statements that only this kind of database understands, and their opposite."""
        up, down = [], []
        for item in items:
            if item.create:
                up.append(executed(item.create))
                down += [executed(item.drop)] if item.drop else []
                if item.table:
                    self.code.tables[up[-1]] = item.table
        names = MYSQL if self.dialect.name in MYSQL else (self.dialect.name,)
        is_here = " in " + repr(names) if names[1:] else f' == "{names[0]}"'
        condition = f"if op.get_context().dialect.name{is_here}:\n"
        for code, lines in ((self.code.up, up), (self.code.down, down[::-1])):
            if lines:
                code.append(condition + textwrap.indent("\n".join(lines), "    "))


def variable(table: sa.Table) -> str:
    """Return a name for a table in Python."""
    return re.sub(r"\W", "_", f"table_{full_name(table)}")


def executed(statement: str) -> str:
    """Return the operation that executes a statement, in which SQLAlchemy sees no parameter."""
    lines = escaped(statement).splitlines(keepends=True)
    if len(lines) == 1 and len(lines[0]) < 80:
        return f"op.execute({lines[0]!r})"
    return "op.execute(\n" + "".join(f"    {line!r}\n" for line in lines) + ")"


def copied(source: str, revision: str) -> tuple[str, str, set[str]]:
    """Return a function that contains a whole revision, so that its names are local.

    :return: its name, its code, and which functions it can do
    """
    tree = ast.parse(source)
    body = [
        node
        for node in tree.body[ast.get_docstring(tree) is not None :]
        if not (isinstance(node, ast.ImportFrom) and node.module == "__future__")
    ]
    name = re.sub(r"\W", "_", f"do_{revision}")
    code = f'def {name}(function: str) -> None:\n    """Do what revision {revision} did."""\n'
    code += textwrap.indent("\n".join(map(ast.unparse, body)), "    ")
    defined = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    return name, f"{code}\n    locals()[function]()", defined
