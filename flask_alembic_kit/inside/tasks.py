"""The tasks of a process inside the app."""

import contextlib
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import produce_migrations
from alembic.runtime.migration import MigrationContext
from flask import Flask
from sqlalchemy import Column, Constraint, DefaultClause, Index, MetaData, Table, inspection

from . import environments, finding
from .environments import Environment, new_environment, old_environment, resolved
from .errors import Refused, is_ours, shown, where
from .loading import load
from .options import beside, options_of
from .schema import contents
from .scratch import Scratch
from .squash import chained, squash

# The message of the first revision of an app without any.
BASELINE = "what there was"
# What the new alembic.ini has of its own: settings, and sections. All others are taken over, but for URLs.
OWN = {
    "script_location", "prepend_sys_path", "version_locations", "version_path_separator", "path_separator",
    "recursive_version_locations", "output_encoding", "databases",
}  # fmt: skip
OWN_SECTIONS = re.compile("(loggers|handlers|formatters)$|(logger|handler|formatter)_")


def inspect(app: str | None, db: str | None, folder: str) -> dict[str, Any]:
    """Find out what there is, and what the old tool says and makes.

    :param app: what ``flask --app`` takes
    :param db: ``MODULE:NAME`` of what has the engine
    :param folder: for scratch databases
    """
    scratch = Scratch(Path(folder), "kit_old")
    return found_in(app, db, scratch)


def look(app: str | None, db: str | None, folder: str) -> dict[str, Any]:
    """Find out what there is, and ask no tool."""
    return found_in(app, db, None)


def found_in(reference: str | None, named: str | None, scratch: Scratch | None) -> dict[str, Any]:
    """Return what there is in an app.

    :param scratch: where the old tool builds
    """
    root = Path.cwd().resolve()
    with environments.watched() as migrated:
        app, how = load(reference)
    with app.app_context():
        db = finding.database(app, named, root)
        engines = finding.engines(app, db)
        answer: dict[str, Any] = {
            "app": how,
            "package": finding.package(app, how["module"], root),
            "db": {"place": db.place, "way": db.way},
            "metadata": finding.metadata(app, db, root),
            "metadatas": finding.metadatas(app, db, engines, root),
            "has_db": finding.has_db(app),
            "databases": {name: about(engine) for name, engine in engines.items()},
            "adopted": str(environments.adopted(root / "alembic.ini") or ""),
            "migrated": [str(Path(folder).resolve()) for folder in migrated],
            "old": None,
        }
        if answer["adopted"]:
            answer["history"] = new_environment(root / "alembic.ini").history()
            env = Path(answer["adopted"], "env.py")  # which may have been made from an older one
            targets = [target for target, _ in finding.imported_by(env)] if env.exists() else []
            answer["metadata"] = finding.metadata(app, db, root, targets, env)
        # After that, the new tool may have written revisions that the old one cannot run.
        old = old_environment(app, root) if scratch and not answer["adopted"] else None
        if old is not None and scratch is not None:
            try:
                answer["old"] = described(app, old, engines, scratch)
            except Refused:
                raise
            except (Exception, SystemExit) as error:
                if is_ours(error):
                    raise
                raise Refused(
                    f"The old migrations cannot be run: {where(error)}\nMend that first, or set what it needs "
                    f"in the environment, until {old.show_current} runs. Nothing has been changed."
                ) from error
            compared = answer["old"].pop("compared")
            answer["metadata"] = finding.metadata(app, db, root, compared, old.env)
            several = len(answer["metadata"]) > 1
            answer["merged"] = several and isinstance(compared, MetaData)
    return answer


def about(engine: Any) -> dict[str, Any]:
    """Return what may be shown of an engine: its URL has a password."""
    url = engine.url
    return {
        "file": url.database if engine.dialect.name == "sqlite" else None,
        "url": repr(url.set(query={})),
    }


def described(
    app: Flask, old: Environment, engines: dict[str, Any], scratch: Scratch
) -> dict[str, Any]:
    """Return where the old tool has its revisions, what it says of the app, and what it makes."""
    script = old.script()
    return {
        "kind": old.kind,
        "folder": str(old.folder.resolve()),
        "locations": [str(path.resolve()) for path in version_locations(script, Path.cwd())],
        "recursive": bool(getattr(script, "recursive_version_locations", False)),
        "settings": settings(old),
        **answers(app, old, engines, scratch, old.env),
    }


def settings(old: Environment) -> dict[str, dict[str, str]]:
    """Return the settings that the old tool gives to Alembic, and to its env.py, by their sections."""
    config = old.extension.config if old.kind == "flask-alembic" else old.config()  # type: ignore[attr-defined]
    raw, own = config.file_config, config.config_ini_section
    sections = {
        section: {
            name: raw.get(section, name, raw=True).replace("\n", "\n    ")
            for name in raw.options(section)
            if name not in {*OWN, *raw.defaults()} and not name.startswith("sqlalchemy.")
        }
        for section in raw.sections()
        if not OWN_SECTIONS.match(section)
    }
    return {"alembic": sections.pop(own, {}), **{k: v for k, v in sections.items() if v}}


def version_locations(script: Any, root: Path) -> list[Path]:
    """Return the folders of the revisions."""
    named = [resolved(str(path), root) for path in script.version_locations or []]
    return named or [Path(script.dir) / "versions"]


def answers(
    app: Flask,
    environment: Environment,
    engines: dict[str, Any],
    scratch: Scratch,
    file: Path | None = None,
) -> dict[str, Any]:
    """Return what an environment says of the app's databases, and what it makes of empty ones."""
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
    reading = scratch.only_reading() if environment.is_old else contextlib.nullcontext()
    with reading, kept(found, "own_error"):
        if all(exists(engine) for engine in engines.values()):
            found["current"] = environment.read(current)
            with kept(found, "compare_error"):
                found["differs"] = environment.read(differences)
    if not scratch.used and "build_error" not in found:
        found["build_error"] = "No engine of the app connected: nothing could be compared."
    return found


def built(environment: Environment, engines: dict[str, Any], scratch: Scratch) -> dict[str, Any]:
    """Return what an environment makes of empty databases."""
    found: dict[str, Any] = {}
    with scratch.on(), kept(found, "build_error"):
        environment.upgrade()
        found["built"] = {name: contents(engine) for name, engine in engines.items()}
        found["built_at"] = environment.read(current)
        found["version_tables"] = environment.read(version_table)
        with kept(found, "compare_error"):
            found["built_differs"] = environment.read(differences)
    return found


@contextlib.contextmanager
def kept(found: dict[str, Any], name: str) -> Iterator[None]:
    """Keep what goes wrong as part of the answer: the old tool may well fail."""
    try:
        yield
    except (Exception, SystemExit) as error:  # noqa: BLE001 (so may a revision)
        said = re.sub(
            r"\bkit_(old|new)_[0-9a-f]{12}\.?", "", str(error)
        )  # MySQL names the database
        said = " ".join(said.split()).partition(" (Background on this error")[0]
        found[name] = f"{type(error).__name__}: {said}"[:500]


def exists(engine: Any) -> bool:
    """Say whether a database is there; to connect to a file of SQLite would make it."""
    return engine.dialect.name != "sqlite" or Path(engine.url.database or "?").exists()


def current(migration: MigrationContext) -> list[str]:
    return sorted(migration.get_current_heads())


def version_table(migration: MigrationContext) -> str:
    """Return the name of the version table, as ``contents()`` has it."""
    schema = migration.version_table_schema
    is_usual = schema in (None, migration.dialect.default_schema_name)
    return migration.version_table if is_usual else f"{schema}.{migration.version_table}"


def target(migration: MigrationContext) -> Any:
    return migration.opts.get("target_metadata")


def differences(migration: MigrationContext) -> list[str]:
    """Return what autogenerate finds, a line each: with the new environment, what alembic check does."""
    changes: Any = produce_migrations(migration, migration.opts["target_metadata"]).upgrade_ops
    kit, is_new, _ = type(migration.impl).__module__.partition(".kit.backends.")
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


def rebuild(
    app: str | None, db: str | None, folder: str, ini: str, is_old: bool, is_made: bool = True
) -> dict[str, Any]:
    """Return what the old tool or the new environment makes of empty databases with the app's extensions.

    :param is_made: whether the app is made on these, too: a factory may make tables
    """
    scratch = Scratch(Path(folder), "kit_old" if is_old else "kit_new", extended=True)
    found: dict[str, Any] = {}
    with scratch.on() if is_made else contextlib.nullcontext(), kept(found, "build_error"):
        application, _ = load(app)
        with application.app_context():
            new = new_environment(Path(ini))
            environment = old_environment(application, Path.cwd().resolve()) if is_old else new
            if environment is not None:
                named = finding.database(application, db, Path.cwd())
                found |= built(environment, finding.engines(application, named), scratch)
    return found


def alone(folder: str, ini: str, is_own: bool = False) -> dict[str, Any]:
    """Return what fails if ``alembic`` runs the new environment, which then makes the app itself.

    And what the app does by being made on empty databases: the tables that it ``makes``, and what it ``migrated``.

    :param is_own: whether it reads the app's own databases: a factory may need the tables there
    """
    scratch = Scratch(Path(folder), "kit_new")
    environment = new_environment(Path(ini))
    found: dict[str, Any] = {}
    with (
        contextlib.nullcontext() if is_own else scratch.on(),
        environments.watched() as migrated,
        kept(found, "alone_error"),
    ):
        found["makes"] = [name for names in environment.read(tables).values() for name in names]
    own = environment.folder.resolve()
    found["migrated"] = [folder for folder in migrated if Path(folder).resolve() != own]
    return found


def imported(folder: str, ini: str) -> dict[str, Any]:
    """Return what fails if ``alembic`` imports the revisions and no app, as for ``heads``."""
    # In a process of its own: revisions may import modules that the app has to patch first.
    found: dict[str, Any] = {}
    with kept(found, "import_error"):
        new_environment(Path(ini)).heads()
    return found


def prove(app: str | None, db: str | None, folder: str, ini: str) -> dict[str, Any]:
    """Return what the new environment says and makes, as ``flask db`` runs it."""
    scratch = Scratch(Path(folder), "kit_new")
    application, _ = load(app)
    with application.app_context():
        engines = finding.engines(application, finding.database(application, db, Path.cwd()))
        return answers(application, new_environment(Path(ini)), engines, scratch)


def baseline(app: str | None, db: str | None, folder: str, ini: str) -> dict[str, Any]:
    """Return the first revision, from the models and empty databases: its file's name and text.

    It is not written here: if the command is killed, this goes on, beside the next command.
    """
    scratch = Scratch(Path(folder), "kit_new")
    application, _ = load(app)
    environment = new_environment(Path(ini))
    written = Path(folder) / "versions"
    config = environment.config()
    config.set_main_option("version_locations", str(written).replace("%", "%%"))
    config.cmd_opts.autogenerate = True  # type: ignore[union-attr]
    with application.app_context(), scratch.on():
        command.revision(config, BASELINE, autogenerate=True)
    return {"written": {f.name: f.read_text(encoding="utf-8") for f in written.glob("*.py")}}


def stamp(app: str | None, db: str | None, folder: str, ini: str) -> dict[str, Any]:
    """Say in the app's databases that the first revision has made them, if all its tables are there.

    :return: ``stamped``, and the tables that are ``missing``
    """
    application, _ = load(app)
    environment = new_environment(Path(ini))
    with application.app_context():
        engines = finding.engines(application, finding.database(application, db, Path.cwd()))
        if not all(exists(engine) for engine in engines.values()):
            return {"stamped": False, "missing": []}
        is_baseline = [revision.doc for revision in environment.script().walk_revisions()] == [
            BASELINE
        ]
        if not is_baseline or any(environment.read(current).values()):
            return {"stamped": False, "missing": []}
        missing = [
            table for tables in environment.read(missing_tables).values() for table in tables
        ]
        if not missing:
            command.stamp(environment.config(), "heads")
    return {"stamped": not missing, "missing": missing}


def tables(migration: MigrationContext) -> list[str]:
    """Return the names of the tables that are in the database, but for its version table."""
    names = inspection.inspect(migration.connection).get_table_names()
    return sorted({*names} - {migration.version_table})


def missing_tables(migration: MigrationContext) -> list[str]:
    """Return the names of the models' tables that are not in the database."""
    inspector = inspection.inspect(migration.connection)
    target = migration.opts["target_metadata"]
    tables = [
        t for m in (target if isinstance(target, list) else [target]) for t in m.tables.values()
    ]
    return [str(t.fullname) for t in tables if not inspector.has_table(t.name, schema=t.schema)]


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "inspect": inspect,
    "look": look,
    "alone": alone,
    "imported": imported,
    "rebuild": rebuild,
    "prove": prove,
    "baseline": baseline,
    "stamp": stamp,
    "chained": chained,
    "squash": squash,
}
