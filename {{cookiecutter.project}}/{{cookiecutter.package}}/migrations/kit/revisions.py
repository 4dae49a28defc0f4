"""Runs revisions, of any origin, and logs them; used by env.py.

They may be from a time when there was only one database, or be written by Flask-Migrate or
Flask-Alembic. A revision does nothing on a database that it does not know.
"""

from collections.abc import Iterable
from contextlib import suppress
from inspect import iscoroutinefunction, isgeneratorfunction, signature
from typing import Any

import sqlalchemy as sa
from alembic import context
from alembic.script import Script
from alembic.script.revision import ResolutionError
from alembic.util import CommandError, to_tuple
from sqlalchemy.orm import configure_mappers

from .autogenerate.ask import logger
from .autogenerate.filters import leave_own_alone
from .edited import accept_edited, warn_of_edited
from .errors import NEWER, fail
from .log import Log
from .mistakes import STAMP, changed_by_hand
from .outcome import is_changing
from .progress import announce


def run_migrations(**arguments: Any) -> None:
    """Do what ``context.run_migrations()`` does, except on a database that newer code has migrated."""
    migration = context.get_context()
    leave_own_alone(migration)
    if "revision_context" in migration.opts:  # as SQLAlchemy-Continuum, mappers may make tables
        with suppress(sa.exc.SQLAlchemyError):  # a module with models may be missing
            configure_mappers()
    log = Log(migration)
    is_ended = not migration.as_sql and not log.connection.in_transaction()
    migration.opts.setdefault("dont_mutate", not is_changing())
    try:
        make_ready(log, *arguments.values())
        with log.written():
            context.run_migrations(**arguments)
    except CommandError as error:
        if not isinstance(error.__cause__, ResolutionError) or not explain_unknown(log):
            raise
    if is_ended and (read := log.connection.get_transaction()):
        read.commit()  # else another name of the same database would commit nothing


def make_ready(log: Log, database: str | None = None) -> None:
    """Say what is going to run, and make the log for it."""
    migration, heads = log.migration, log.migration.get_current_heads()
    found: list[Script] = []
    if not migration.as_sql:
        if is_changing() and not migration.opts.get("purge"):
            known = context.script.get_revisions([*filter(None, heads)])  # by parts of ids, too
            if sorted({each.revision for each in known if each}) != sorted(heads):
                raise CommandError(changed_by_hand())
        if heads and (is_changing() or "revision_context" in migration.opts):
            if is_changing():
                accept_edited(log)
            warn_of_edited(log)
        if is_changing():
            found = announce(migration, heads)
    if not is_changing() or {*to_tuple(context.get_revision_argument(), ())} == {*heads}:
        return  # a table is only made where something is written
    fit(found or context.script.walk_revisions(), database)
    log.create()
    if not (migration.as_sql or migration.impl.transactional_ddl):
        if not heads:
            migration.stamp(context.script, "base")  # makes the version table
        try_to_record(log, [each.revision for each in found])


def try_to_record(log: Log, revisions: list[str]) -> None:
    """Write, but no row: what fails here would fail after a revision that cannot be rolled back."""
    nothing = sa.select(log.table).where(sa.false())
    log.connection.execute(log.table.insert().from_select([*log.table.columns.keys()], nothing))
    name, longest = log.migration.version_table, max(revisions, key=len, default="")
    table = sa.table(name, sa.column("version_num"), schema=log.table.schema)
    log.connection.execute(table.update().where(sa.false()).values(version_num=""))
    if len(longest) > 32:  # what Alembic's own column takes
        (column,) = sa.inspect(log.connection).get_columns(name, log.table.schema)
        if (length := getattr(column["type"], "length", None)) and length < len(longest):
            problem = f"{name}.version_num has {length} characters, too few for {longest!r}"
            raise CommandError(f"{problem}: make it longer first.")


def explain_unknown(log: Log) -> bool:
    """Fail if a command needs a revision that is not here; return False if all of them are here."""
    current = {*log.migration.get_current_heads()}
    heads = {*(context.script.as_revision_number("heads") or ())}
    known = {revision.revision for revision in context.script.walk_revisions()}
    if current <= known:
        return False
    at, own = (", ".join(sorted(found)) for found in (current - known, heads))
    where = f"Database {log.name!r} is at {at}"
    for squashed in context.script.walk_revisions():
        if current & {*getattr(squashed.module, "replaces", ())}:
            commit = getattr(squashed.module, "replaced_at", "the code of before")
            way = f"check out {commit}, run alembic upgrade {squashed.revision}, and come back"
            raise CommandError(f"{where}, which was squashed into {squashed.revision}: {way}.")
    advice = f"Run the code that has it. If it is lost: {STAMP}."
    if not log.is_newer(current, heads):
        past = f" Its log does not name {own}." if own else ""
        raise CommandError(f"{where}, a revision that this code does not have.{past} {advice}")
    state = f"Database {log.name!r} is newer than this code: it is at {at}, after {own}."
    goal = log.migration.opts.get("destination_rev")
    if not isinstance(goal, str) or goal.rpartition("@")[2] not in ("head", "heads"):
        fail(f"{state} {advice}", NEWER)
    logger.warning("%s There is nothing to do.", state)
    return True


def run_revisions(database: str) -> None:
    """Run the functions for the database that was configured last: ``upgrade_NAME()``."""
    run_migrations(engine_name=database)


def fit(revisions: Iterable[Script], database: str | None = None) -> None:
    """Let revisions run that were written for another number of databases; None if there is one."""
    for revision in revisions:
        module = vars(revision.module)
        if f"downgrade_{database}" in module and f"upgrade_{database}" not in module:
            raise CommandError(f"{revision.path}: upgrade_{database}() is missing, or misspelt.")
        for direction in module.keys() & {"upgrade", "downgrade"}:
            run = module[direction]
            for each in (run, module.get(f"{direction}_{database}")):
                if isgeneratorfunction(each) or iscoroutinefunction(each):
                    raise CommandError(f"{revision.path}: functions with yield or async never run.")
            found = signature(run).parameters.values()  # also *args
            is_named = any(p.default is p.empty for p in found if p.kind is p.POSITIONAL_OR_KEYWORD)
            if not database and is_named:  # from when there were several
                name = "" if f"{direction}_" in module else "default"
                module[direction] = lambda run=run, name=name: run(name)
            elif database and not found:  # from when there was one
                module[direction] = lambda engine_name, run=run: engine_name == "default" and run()
            module[direction].__name__ = direction  # which Alembic logs
            if database:  # Flask-Migrate names none in the functions for the default one
                other = module.get(f"{direction}_") if database == "default" else None
                module.setdefault(f"{direction}_{database}", other or (lambda: None))
