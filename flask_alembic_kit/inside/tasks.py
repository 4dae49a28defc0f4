"""The tasks of a process inside the app."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from alembic import command
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import MetaData, Table, inspection

from . import environments, finding
from .answers import answers, built, current, exists, kept
from .environments import Environment, histories, new_environment, old_environment, resolved
from .errors import Refused, is_ours, where
from .loading import load
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
    return found_in(app, db, Scratch(Path(folder), "kit_old"))


def look(app: str | None, db: str | None, folder: str) -> dict[str, Any]:
    """Find out what there is, and ask no tool; the parameters are those of ``inspect()``."""
    return found_in(app, db, None)


def found_in(reference: str | None, named: str | None, scratch: Scratch | None) -> dict[str, Any]:
    """Return what there is in an app. This is what the command calls ``found``.

    :param scratch: where the old tool builds; None to leave it alone
    :return: ``app``, ``package``, ``db``, ``metadata`` and ``metadatas``: how each is imported, see ``finding``;
        ``has_db``: whether the app has a command ``db`` of its own; ``databases``: the file and the URL of each;
        ``names`` of those that env.py migrates; ``merged``: whether it compares one metadata made of several;
        ``migrated``: the folders whose revisions the app has run by being made;
        ``adopted``: the folder of the kit's env.py, or nothing, and then its ``history``;
        ``old``: what ``described()`` says of the old tool, or None
    """
    root = Path.cwd().resolve()
    with environments.watched() as migrated:
        app, how = load(reference)
    package = finding.package(app, how["module"], root)
    with app.app_context():
        db = finding.database(app, named, root)
        engines = finding.engines(app, db)
        ini = root / "alembic.ini"
        answer: dict[str, Any] = {
            "app": how,
            "package": package,
            "db": {"place": db.place, "way": db.way},
            "metadata": finding.metadata(app, db, root),
            "metadatas": finding.metadatas(app, db, engines, root),
            "has_db": finding.has_db(app),
            "databases": {name: about(engine) for name, engine in engines.items()},
            "names": [*engines],
            "merged": False,
            "migrated": [str(Path(folder).resolve()) for folder in migrated],
            "adopted": str(environments.adopted(ini) or ""),
            "old": None,
        }
        # Once adopted, the new tool may have written revisions that the old one cannot run.
        if answer["adopted"]:
            answer["history"] = new_environment(ini).history()
            env = Path(answer["adopted"], "env.py")  # which may have been made from an older one
            text = finding.text_of(env) if env.exists() else ""
            targets = [target for target, _ in finding.imported_by(env)] if text else []
            answer["metadata"] = finding.metadata(app, db, root, targets, env)
            answer["merged"] = "merged(*target_metadata)" in text
            if "run_revisions" not in text:  # it migrates one
                answer["names"] = ["default"]
        elif scratch and (old := old_environment(root)):
            answer["old"] = described(old, engines, scratch)
            compared = answer["old"].pop("compared")
            answer["metadata"] = finding.metadata(app, db, root, compared, old.env)
            answer["merged"] = len(answer["metadata"]) > 1 and isinstance(compared, MetaData)
            answer["names"] = answer["old"]["names"]
        elif scratch:  # what cannot be empty is said before the first write
            with scratch.on():
                for engine in engines.values():
                    engine.connect().close()
    return answer


def about(engine: Any) -> dict[str, Any]:
    """Return what may be shown of an engine: its URL has a password."""
    url = engine.url
    return {
        "file": url.database if engine.dialect.name == "sqlite" else None,
        "url": repr(url.set(query={})),
    }


def described(old: Environment, engines: dict[str, Any], scratch: Scratch) -> dict[str, Any]:
    """Return where the old tool has its revisions, what it says of the app, and what it makes.

    :return: ``kind`` of the tool, its ``folder``, the ``locations`` of revisions, whether they are ``recursive``,
        ``others``: folders of other revisions, ``settings`` of Alembic, and what ``answers()`` says
    :raises Refused: if it cannot be run
    """
    root = Path.cwd().resolve()
    try:
        script = old.script()
        locations = [path.resolve() for path in version_locations(script, root)]
        return {
            "kind": old.kind,
            "folder": str(old.folder.resolve()),
            "locations": [*map(str, dict.fromkeys(locations))],
            "recursive": bool(getattr(script, "recursive_version_locations", False)),
            "others": [
                folder.relative_to(root).as_posix()
                for folder in (histories(root) if old.kind != "flask-alembic" else [])
                if folder.resolve() != old.folder.resolve()
                and (folder / "versions").resolve() not in locations
            ],
            "settings": settings(old),
            **answers(old, engines, scratch, old.env),
        }
    except Refused:
        raise
    except (Exception, SystemExit) as error:
        if is_ours(error):
            raise
        raise Refused(
            f"The old migrations cannot be run: {where(error)}\nMend that first, or set what it needs "
            f"in the environment, until {old.show_current} runs. Nothing has been changed."
        ) from error


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
    # From pyproject.toml, only what an alembic.ini would hide: Alembic goes on to read it.
    toml = {
        name: value
        for name, value in getattr(config, "toml_alembic_config", {}).items()
        if name not in OWN and isinstance(value, str)
    }
    main = {**toml, **sections.pop(own, {})}
    return {"alembic": main, **{k: v for k, v in sections.items() if v}}


def version_locations(script: Any, root: Path) -> list[Path]:
    """Return the folders of the revisions."""
    named = [resolved(str(path), root) for path in script.version_locations or []]
    return named or [Path(script.dir) / "versions"]


@contextmanager
def loaded(app: str | None, db: str | None) -> Iterator[dict[str, Any]]:
    """Use the app, and yield its engines by the names of their databases."""
    application, _ = load(app)
    with application.app_context():
        named = finding.database(application, db, Path.cwd().resolve())
        yield finding.engines(application, named)


def rebuild(
    app: str | None, db: str | None, folder: str, ini: str, is_old: bool, is_made: bool = True
) -> dict[str, Any]:
    """Return what the old tool or the new environment makes of empty databases with the app's extensions.

    :param is_made: whether the app is made on these, too: a factory may make tables
    """
    scratch = Scratch(Path(folder), "kit_old" if is_old else "kit_new", extended=True)
    found: dict[str, Any] = {}
    is_on = scratch.on() if is_made else nullcontext()
    with is_on, kept(found, "build_error"), loaded(app, db) as engines:
        new = new_environment(Path(ini))
        environment = old_environment(Path.cwd().resolve()) if is_old else new
        if environment is not None:
            found |= built(environment, engines, scratch)
    return found


def alone(folder: str, ini: str, is_own: bool = False) -> dict[str, Any]:
    """Return what fails if ``alembic`` runs the new environment, which then makes the app itself.

    And what the app does by being made on empty databases: the tables that it ``makes``, and what it ``migrated``.

    :param is_own: whether it reads the app's own databases: a factory may need the tables there
    """
    sys.argv = ["alembic", "current"]
    scratch = Scratch(Path(folder), "kit_new")
    environment = new_environment(Path(ini))
    found: dict[str, Any] = {}
    with (
        nullcontext() if is_own else scratch.on(),
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
    with loaded(app, db) as engines:
        return answers(new_environment(Path(ini)), engines, scratch)


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
        try:
            command.revision(config, BASELINE, autogenerate=True)
        except CommandError as error:
            raise Refused(
                f"The first revision is not written: {error}\nMend that and run this again. Or write it by "
                f'yourself: alembic revision --autogenerate -m "{BASELINE}", with -x before revision.'
            ) from error
    return {"written": {f.name: f.read_text(encoding="utf-8") for f in written.glob("*.py")}}


def stamp(app: str | None, db: str | None, folder: str, ini: str) -> dict[str, Any]:
    """Say in the app's databases that the first revision has made them, if all its tables are there.

    :return: ``stamped``, the tables that are ``missing``, and ``unstamped``: whether all are there, but there
        is more than that revision, so that nobody but the owner knows what they are at
    """
    environment = new_environment(Path(ini))
    found: dict[str, Any] = {"stamped": False, "missing": [], "unstamped": False}
    with loaded(app, db) as engines:
        is_there = all(exists(engine) for engine in engines.values())
        if not is_there or any(environment.read(current).values()):
            return found
        messages = [revision.doc for revision in environment.script().walk_revisions()]
        missing = [name for names in environment.read(missing_tables).values() for name in names]
        if messages != [BASELINE]:
            models = environment.read(model_tables).values()
            return {**found, "unstamped": any(models) and not missing}
        if not missing:
            command.stamp(environment.config(), "heads")
    return {**found, "stamped": not missing, "missing": missing}


def tables(migration: MigrationContext) -> list[str]:
    """Return the names of the tables that are in the database, but for its version table."""
    names = inspection.inspect(migration.connection).get_table_names()
    return sorted({*names} - {migration.version_table})


def missing_tables(migration: MigrationContext) -> list[str]:
    """Return the names of the models' tables that are not in the database."""
    inspector = inspection.inspect(migration.connection)
    return [
        str(table.fullname)
        for table in model_tables(migration)
        if not inspector.has_table(table.name, schema=table.schema)
    ]


def model_tables(migration: MigrationContext) -> list[Table]:
    """Return the models' tables."""
    target = migration.opts["target_metadata"]
    several = target if isinstance(target, list) else [target]
    return [table for metadata in several for table in metadata.tables.values()]


# What ``process.ask()`` asks for. Each gets a ``folder`` of its own, for scratch databases.
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
