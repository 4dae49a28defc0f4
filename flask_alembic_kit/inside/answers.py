"""What an environment says of the app's databases, and what it makes of empty ones."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from alembic.autogenerate import produce_migrations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Constraint, DefaultClause, Index, Table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import configure_mappers

from . import finding
from .environments import Environment
from .errors import Refused, line_of, shown
from .options import beside, options_of
from .schema import contents
from .scratch import Scratch


def answers(
    environment: Environment, engines: dict[str, Any], scratch: Scratch, file: Path | None = None
) -> dict[str, Any]:
    """Return what an environment says of the app's databases, and what it makes of empty ones.

    :param file: the env.py whose options are wanted, too
    :return: its ``heads`` and its ``history``; what ``built()`` says; of the app's databases, the ``current``
        revisions, and how each ``differs`` from its models, or ``own_error`` or ``compare_error``; with a file
        also ``options``, what it does ``beside``, the metadata ``compared`` and the ``names`` of the databases
    :raises Refused: if env.py migrates nothing
    """
    found: dict[str, Any] = {"heads": environment.heads(), "history": environment.history()}
    if file is not None:
        with scratch.on():
            options = by_default(environment.read(lambda migration: options_of(migration, file)))
            found["options"] = options
            found["beside"] = beside(file, options, app_packages()) if file.exists() else []
            if not (compared := environment.read(target)):
                raise Refused(
                    f"{shown(str(file))} does not call context.configure() on an empty database, so what it "
                    f"migrates is not known. Mend that first, until {environment.show_current} shows a revision, or move its "
                    "folder out of the app to begin without it. Nothing has been changed."
                )
            found["compared"], found["names"] = by_default(compared), [*compared]
    found |= built(environment, engines, scratch)
    # An old env.py may write, as by create_all().
    reading = scratch.only_reading() if environment.is_old else nullcontext()
    with reading, kept(found, "own_error"):
        if all(exists(engine) for engine in engines.values()):
            found["current"] = environment.read(current)
            with kept(found, "compare_error"):
                found["differs"] = environment.read(differences)
    if not scratch.used and "build_error" not in found:
        found["build_error"] = "No engine of the app connected: nothing could be compared."
    return found


def built(environment: Environment, engines: dict[str, Any], scratch: Scratch) -> dict[str, Any]:
    """Return what an environment makes of empty databases.

    :return: the contents, ``built``; the revisions, ``built_at``; the ``version_tables``; the differences from
        the models, ``built_differs``; or ``build_error`` or ``compare_error``
    :raises Refused: if an old env.py migrates another database
    """
    found: dict[str, Any] = {}
    with scratch.on(), kept(found, "build_error"):
        environment.upgrade()
        found["built"] = {name: contents(engine) for name, engine in engines.items()}
        found["built_at"] = environment.read(current)
        found["version_tables"] = environment.read(version_table)
        with kept(found, "compare_error"):
            found["built_differs"] = environment.read(differences)
    is_elsewhere = "built" in found and not any(found["built"].values())
    if environment.is_old and environment.heads() and is_elsewhere:
        raise Refused(
            "The old env.py migrates another database than the app's, or by another URL: let both use the same, in alembic.ini "
            "or env.py and in the app. Nothing has been changed."
        )
    return found


@contextmanager
def kept(found: dict[str, Any], name: str) -> Iterator[None]:
    """Keep what goes wrong as part of the answer: the old tool may well fail."""
    try:
        yield
    except (Exception, SystemExit) as error:  # noqa: BLE001 (so may a revision)
        said = re.sub(
            r"\bkit_(old|new)_[0-9a-f]{12}\.?", "", str(error)
        )  # MySQL names the database
        said = " ".join(said.split()).partition(" (Background on this error")[0]
        found[name] = f"{type(error).__name__}: {said}"[:500] + line_of(error)


def exists(engine: Any) -> bool:
    """Say whether a database is there; to connect to a file of SQLite would make it."""
    return engine.dialect.name != "sqlite" or Path(engine.url.database or "?").exists()


def current(migration: MigrationContext) -> list[str]:
    """Return the revisions at which a database is."""
    return sorted(migration.get_current_heads())


def version_table(migration: MigrationContext) -> str:
    """Return the name of the version table, as ``contents()`` has it."""
    schema = migration.version_table_schema
    is_usual = schema in (None, migration.dialect.default_schema_name)
    return migration.version_table if is_usual else f"{schema}.{migration.version_table}"


def target(migration: MigrationContext) -> Any:
    """Return the metadata that a database is compared with."""
    return migration.opts.get("target_metadata")


def differences(migration: MigrationContext) -> list[str]:
    """Return what autogenerate finds, a line each: with the new environment, what alembic check does."""
    kit, is_new, _ = type(migration.impl).__module__.partition(".kit.backends.")
    if is_new:
        with suppress(SQLAlchemyError):
            configure_mappers()
    changes: Any = produce_migrations(migration, migration.opts["target_metadata"]).upgrade_ops
    if is_new:
        import_module(f"{kit}.kit.autogenerate.mend").mend_columns(changes, migration.dialect)
    return [line for change in changes.as_diffs() for line in described_change(change)]


def described_change(change: Any) -> list[str]:
    """Return a difference as text: what it is, of which table and column."""
    if isinstance(change, list):  # all of a column
        return [line for each in change for line in described_change(each)]
    kind, *parts = change
    if kind.startswith("modify_"):
        _, table, column, _, before, after = parts
        what = f"{table}.{column}: {kind.removeprefix('modify_')}"
        return [f"{what} {word_for(before) or 'none'} -> {word_for(after) or 'none'}"]
    return [" ".join(word for part in change if (word := word_for(part)))]


def word_for(part: Any) -> str:
    """Return how a part of a difference is shown."""
    if isinstance(part, (dict, type(None))):
        return ""
    if isinstance(part, (Table, Column, str)):
        return str(part)
    if isinstance(part, (Constraint, Index)):
        columns = ", ".join(getattr(part, "columns", {}).keys())
        name = part.name or f"{type(part).__name__}({columns})"
        return f"{name} of {part.table}"
    return str(getattr(part, "arg", part) if isinstance(part, DefaultClause) else repr(part))


def app_packages() -> set[str]:
    """Return the names of the outermost packages and modules that are the app's own."""
    return {module.__name__.partition(".")[0] for module in finding.modules(Path.cwd().resolve())}


def by_default(found: dict[str, Any]) -> Any:
    """Return what is said of the default database, or of the first."""
    return found.get("default", next(iter(found.values()), []))
