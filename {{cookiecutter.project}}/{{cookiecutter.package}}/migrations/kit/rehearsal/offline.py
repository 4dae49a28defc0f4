"""Finds what revisions do, by running their functions without a database; for plan.py and lint.py."""

import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from threading import get_ident
from typing import Any

from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from alembic.util import CommandError
from sqlalchemy.engine import Engine
from sqlalchemy.pool import Pool
from sqlalchemy.types import NullType

from ..api import lock, run_env
from ..mistakes import first_line
from ..session import listening
from .recorder import Recorder, Shown, Step


@dataclass
class Rehearsal:
    """What a revision does, and why that may not be all."""

    revision: Script
    steps: list[Step]
    problem: str | None


def rehearse(revision: Script, migration: MigrationContext, is_up: bool) -> Rehearsal:
    """Run a function of a revision without a database: whatever reads one fails."""
    name, problem = migration.opts.get("database"), None
    with Operations.context(migration) as operations:
        recorder = Recorder(operations, revision)
        try:
            function = getattr(revision.module, "upgrade" if is_up else "downgrade")
            function(**{"engine_name": name} if name else {})
        except (Exception, SystemExit) as error:  # noqa: BLE001 (a revision may do anything)
            raised = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][-1]
            is_told = isinstance(error, RuntimeError) and raised.f_globals is recorder.module
            if is_told and not is_up:  # NotImplementedError is one, too
                problem = f"cannot go back: {error}"
            else:
                reason = f"{type(error).__name__}: {first_line(error)}"
                # What Alembic has in the place of a connection.
                if re.search("NoneType|MockConnection|Dialect_", reason):
                    reason = "it reads the database"
                problem = f"cannot be known without running it ({reason})"
    del vars(migration.impl)["static_output"]  # env.py writes, too
    return Rehearsal(revision, recorder.steps, problem)


def rehearsals(
    config: Config, chosen: Callable[[str], Sequence[Script]], is_up: bool = True
) -> dict[str, tuple[MigrationContext, list[Rehearsal]]]:
    """Return what revisions do on each database, by its name, with its context.

    :param chosen: returns the revisions of a database
    """
    found = {}

    def visit(_: object, migration: MigrationContext) -> list[Any]:
        name = migration.opts.get("database", "default")
        migration.dialect.colspecs = {**migration.dialect.colspecs, NullType: Shown}
        found[name] = migration, [rehearse(each, migration, is_up) for each in chosen(name)]
        return []

    config.output_buffer = StringIO()
    with lock, apart():
        run_env(config, visit, as_sql=True)
    return found


@contextmanager
def apart() -> Iterator[None]:
    """Let this thread connect to nothing, and log nothing."""
    thread, level = get_ident(), logging.root.manager.disable

    def refuse(*_: Any) -> None:
        if get_ident() == thread:
            raise CommandError("it wants a connection")

    logging.disable(logging.INFO)
    try:
        no_engine, no_pool = listening(Engine, do_connect=refuse), listening(Pool, checkout=refuse)
        with no_engine, no_pool, redirect_stdout(sys.stderr):  # what revisions print
            yield
    finally:
        logging.disable(level)
