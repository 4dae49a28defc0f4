"""Records what a revision does with Alembic's ``op``, in place of a database; used by offline.py."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from alembic.operations import MigrateOperation, Operations
from alembic.operations.ops import ExecuteSQLOp
from alembic.script import Script
from alembic.util import CommandError
from sqlalchemy.engine import URL
from sqlalchemy.types import NullType


@dataclass
class Step:
    """An operation, or a statement without one: where it is written, and its SQL."""

    line: int
    operation: MigrateOperation | None = None
    sql: list[str] = field(default_factory=list)
    copied: str | None = None  # the table that batch mode copies to do it


class Recorder:
    def __init__(self, operations: Operations, revision: Script) -> None:
        self.steps: list[Step] = []
        self.running: Step | None = None
        self.module = vars(revision.module)
        vars(operations)["invoke"] = partial(self.invoke, operations)
        vars(operations)["batch_alter_table"] = partial(self.batch, operations)
        vars(operations.impl)["static_output"] = self.write
        bind, dialect = vars(operations.get_bind()), operations.impl.dialect
        bind["execute"] = partial(self.execute, operations)
        bind["commit"] = lambda: [*map(self.write, ("COMMIT;", "BEGIN;"))]
        bind["url"] = URL.create(f"{dialect.name}+{dialect.driver}")  # for its kind

    def add(self, operation: MigrateOperation | None = None) -> Step:
        frames = traceback.walk_stack(None)
        line = next((line for frame, line in frames if frame.f_globals is self.module), 0)
        operation = None if isinstance(operation, ExecuteSQLOp) else operation
        if operation or not self.steps or self.steps[-1] != Step(line, None, self.steps[-1].sql):
            self.steps.append(Step(line, operation))  # else one of many statements, as for an enum
        return self.steps[-1]

    def write(self, text: str) -> None:
        (self.running or self.add()).sql.append(text.strip())

    def invoke(self, operations: Any, operation: MigrateOperation) -> Any:
        before, self.running = self.running, self.add(operation)
        try:
            return type(operations).invoke(operations, operation)
        finally:
            self.running = before

    def execute(self, operations: Any, statement: Any, parameters: Any = None, *_: Any) -> None:
        """Write a statement for each row of its parameters, which Alembic leaves out."""
        for row in parameters if isinstance(parameters, list) else [parameters]:
            filled = row and (getattr(statement, "values", None) or statement.params)(row)
            operations.impl.execute(statement if filled is None else filled)

    @contextmanager
    def batch(self, operations: Any, table: str, *arguments: Any, **options: Any) -> Iterator[Any]:
        """Do each operation at once, to tell its SQL from that of others; a copied table is not read."""
        manager = type(operations).batch_alter_table(operations, table, *arguments, **options)
        batch = manager.__enter__()
        is_copied = False

        def flush() -> None:
            nonlocal is_copied
            try:
                batch.impl.flush()
            except CommandError as error:
                if "--sql mode" not in str(error):
                    raise  # what this database cannot do at all
                if self.running and not is_copied:
                    self.running.copied = table
                    self.running.sql = [f"-- copies table {table}, which has to be read for that"]
                is_copied = True
            batch.impl.batch.clear()

        def invoke(operation: MigrateOperation) -> None:
            before, self.running = self.running, self.add(operation)
            type(batch).invoke(batch, operation)
            if batch.impl.copy_from is None or operations.impl.dialect.supports_alter:
                flush()  # else the table is known, and all is one copy
            self.running = before

        vars(batch)["invoke"] = invoke
        yield batch
        self.running = self.add()
        flush()
        if not (self.running.sql or self.running.copied):
            self.steps.remove(self.running)
        elif not self.running.copied:
            self.running.copied = table  # with all its SQL
        self.running = None


class Shown(NullType):
    """The type of values without one, as in ``sa.column("x")``: their SQL is only to be read."""

    def literal_processor(self, dialect: Any) -> Any:
        quote = "'{}'".format
        return lambda v: str(v) if isinstance(v, (int, float)) else quote(str(v).replace("'", "''"))
