"""Alembic's environments of an app: that of the old tool, and the new one. All read the same way."""

import os
from argparse import Namespace
from collections.abc import Callable, Iterator
from configparser import Error as ConfigError
from contextlib import contextmanager
from copy import copy
from importlib import resources
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

from alembic import command, util
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app

from ..layout import OLD, own_folders
from .errors import Refused, shown

T = TypeVar("T")
# What the kit's env.py has.
KIT = ".kit import environment as kit"


class Environment:
    """An ``env.py`` with its configuration; for use in an app context.

    :param kind: which tool it is of
    :param folder: with its env.py
    :param ini: the configuration of Alembic, if there is a file
    """

    kind = "alembic"
    is_old = True

    def __init__(self, folder: Path, ini: Path | None) -> None:
        self.folder = folder
        self.ini = ini

    @property
    def show_current(self) -> str:
        """Return the command that shows at which revision a database is."""
        return "alembic current" if self.kind == "alembic" else "flask db current"

    @property
    def env(self) -> Path:
        """Return its env.py, which may have another name by now; Flask-Alembic has none."""
        kept = self.folder / f"{OLD}env.py"
        return kept if kept.exists() else self.folder / "env.py"

    def config(self) -> Config:
        config = config_at(self.ini) if self.ini else Config()
        config.stdout = StringIO()
        config.cmd_opts = Namespace(x=[], autogenerate=False, raiseerr=True, cmd=(None,))
        return config

    def script(self) -> ScriptDirectory:
        return ScriptDirectory.from_config(self.config())

    def heads(self) -> list[str]:
        return sorted(self.script().get_heads())

    def history(self) -> list[str]:
        """Return all revisions, the newest first."""
        return [str(revision.revision) for revision in self.script().walk_revisions()]

    def upgrade(self, to: str = "heads") -> None:
        with as_before(self):
            command.upgrade(self.config(), to)

    def downgrade(self) -> None:
        command.downgrade(self.config(), "base")

    def read(self, function: Callable[[MigrationContext], T]) -> dict[str, T]:
        """Return what a function returns of each database, changing none."""
        found = {}

        def visit(_: object, migration: MigrationContext) -> list[Any]:
            found[database_of(migration)] = function(migration)
            return []

        config = self.config()
        script = ScriptDirectory.from_config(config)
        with EnvironmentContext(config, script, fn=visit, dont_mutate=True), as_before(self):
            script.run_env()
        return found


class FlaskMigrate(Environment):
    """The folder of Flask-Migrate."""

    kind = "flask-migrate"

    def config(self) -> Config:
        config = super().config()
        config.set_main_option("script_location", str(self.folder).replace("%", "%%"))
        migrate = getattr(current_app.extensions.get("migrate"), "migrate", None)
        return migrate.call_configure_callbacks(config) if migrate else config


class FlaskAlembic(Environment):
    """The extension Flask-Alembic, which has no env.py.

    Each use has a context of its own, at whose end the extension closes and forgets its connections.
    """

    kind = "flask-alembic"

    @property
    def extension(self) -> Any:
        return current_app.extensions["alembic"]

    def script(self) -> ScriptDirectory:
        script: ScriptDirectory = self.extension.script_directory
        return script

    def upgrade(self, to: str = "heads") -> None:
        with current_app.app_context():
            self.extension.upgrade(to)

    def read(self, function: Callable[[MigrationContext], T]) -> dict[str, T]:
        with current_app.app_context():
            if not hasattr(self.extension, "migration_contexts"):  # before Flask-Alembic 3
                return {"default": function(self.extension.migration_context)}
            contexts = self.extension.migration_contexts
            return {name: function(context) for name, context in contexts.items()}


def database_of(migration: MigrationContext) -> str:
    """Return the name of the database that env.py has configured, as the kit names it."""
    name = migration.opts.get("database")
    token = migration.opts.get("upgrade_token") or ""
    return str(name or token.rpartition("upgrades")[0].rstrip("_") or "default")


def run_old(script: ScriptDirectory) -> None:
    """Run the env.py of before."""
    util.load_python_file(script.dir, f"{OLD}env.py")


@contextmanager
def as_before(environment: Environment) -> Iterator[None]:
    """Let Alembic run the env.py of before, if that is meant, as its own tool does.

    It may have another name by now. And it is run once a process there: what it does to the app's
    config, as to take a database away, must not be done twice.
    """
    if not environment.is_old:
        yield
        return
    original, config = ScriptDirectory.run_env, current_app.config
    before = {k: copy(v) if isinstance(v, (dict, list)) else v for k, v in config.items()}
    if (environment.folder / f"{OLD}env.py").exists():
        ScriptDirectory.run_env = run_old  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        ScriptDirectory.run_env = original  # type: ignore[method-assign]
        config.update(before)


@contextmanager
def watched() -> Iterator[list[str]]:
    """Yield the folders whose env.py, or revisions without one, are run meanwhile."""
    run_env, run_migrations = ScriptDirectory.run_env, MigrationContext.run_migrations
    folders = list[str]()

    def watched_env(script: ScriptDirectory) -> None:
        folders.append(script.dir)
        run_env(script)

    def watched_migrations(migration: MigrationContext, **options: Any) -> None:
        folders.extend([migration.script.dir] if migration.script else [])
        run_migrations(migration, **options)

    ScriptDirectory.run_env = watched_env  # type: ignore[assignment,method-assign]
    MigrationContext.run_migrations = watched_migrations  # type: ignore[assignment,method-assign]
    try:
        yield folders
    finally:
        ScriptDirectory.run_env = run_env  # type: ignore[method-assign]
        MigrationContext.run_migrations = run_migrations  # type: ignore[method-assign]


def old_environment(root: Path) -> Environment | None:
    """Return what migrates the current app today.

    :raises Refused: if several folders could have its revisions, or if none has an env.py
    """
    extensions = current_app.extensions
    migrate = extensions.get("migrate")
    if migrate is not None:
        # By its option or variable, people use a folder that the extension does not know.
        named = (os.environ.get("FLASK_DB_DIRECTORY"), migrate.directory)
        bases = (root, Path(current_app.root_path))
        places = [base / name for name in named if name for base in bases]
        folder = next((place for place in places if (place / "env.py").exists()), None)
        folder = folder or next((p for p in places if (p / f"{OLD}env.py").exists()), None)
        return FlaskMigrate(folder, folder / "alembic.ini") if folder else elsewhere(root)
    alembic = extensions.get("alembic")
    if alembic is not None and hasattr(alembic, "script_directory"):
        with current_app.app_context():
            folder = resolved(alembic.config.get_main_option("script_location"), root)
            environment = FlaskAlembic(folder, None)
            return environment if environment.history() else None
    own, kept = root / "alembic.ini", root / f"{OLD}alembic.ini"
    ini = kept if kept.exists() or adopted(own) else own
    if not adopted(ini) and (location := location_in(ini)):
        return Environment(resolved(location, root), ini)
    return elsewhere(root)


def elsewhere(root: Path) -> Environment | None:
    """Return what is in the only folder of revisions, where no extension and no alembic.ini leads to it.

    :raises Refused: if there are more
    """
    found = histories(root)
    if len(found) > 1:
        names = " ".join(folder.relative_to(root).as_posix() for folder in found)
        raise Refused(f"Which has the app's revisions? {names}\nSet FLASK_DB_DIRECTORY to it.")
    if not found:
        return None
    inis = [folder / "alembic.ini" for folder in (found[0], found[0].parent)]
    environment = FlaskMigrate(found[0], next((ini for ini in inis if ini.exists()), None))
    environment.kind = (FlaskMigrate if "migrate" in current_app.extensions else Environment).kind
    return environment


def histories(root: Path) -> list[Path]:
    """Return the folders that have revisions and an env.py which is not the kit's.

    :raises Refused: if there are only revisions without an env.py
    """
    if named := os.environ.get("FLASK_DB_DIRECTORY"):
        return [root / named]
    found, lost = [], []
    for here, files in own_folders(root):
        if {"tests", "test"} & {*here.relative_to(root).parts}:
            continue
        env = next((here / name for name in (f"{OLD}env.py", "env.py") if name in files), None)
        texts = [file.read_text("utf-8", "replace") for file in here.glob("versions/*.py")]
        if env and texts and KIT not in env.read_text("utf-8", "replace"):
            found.append(here)
        elif not env and any("\ndown_revision" in text for text in texts):
            lost.append(here)
    if lost and not found:
        raise Refused(
            f"{lost[0].relative_to(root).as_posix()} has revisions, and no env.py: bring it back, or move "
            "the folder out of the app to begin without them. Nothing has been changed."
        )
    return found


def adopted(ini: Path) -> Path | None:
    """Return the folder of the kit's env.py, if an alembic.ini names one."""
    location = location_in(ini)
    folder = ini.parent / location if location else None
    return folder if folder and (folder / "kit" / "__init__.py").exists() else None


def config_at(ini: Path) -> Config:
    """Return what Alembic reads: an alembic.ini if there is one, and since 1.16 the pyproject.toml beside it."""
    file = str(ini) if ini.exists() else None
    if not hasattr(Config, "get_alembic_option"):
        return Config(file)
    return Config(file, ini.with_name("pyproject.toml"))


def location_in(ini: Path) -> str | None:
    """Return the folder that an alembic.ini, or a pyproject.toml beside it, names.

    :raises Refused: if Alembic cannot read it
    """
    try:
        config = config_at(ini)
        option = getattr(config, "get_alembic_option", config.get_main_option)
        location: str | None = option("script_location")
        return location
    except (ConfigError, ValueError) as error:  # ValueError: as of an encoding, or of TOML
        said = " ".join(str(error).split())
        raise Refused(
            f"{shown(str(ini))} cannot be read: {said}. Mend that first, and save it as UTF-8. Nothing has been changed."
        ) from error


def resolved(location: str, root: Path) -> Path:
    """Return a folder that is named relative to the root, absolutely, or inside a package."""
    package, separator, rest = location.partition(":")
    if separator and os.sep not in package and len(package) > 1:
        return Path(str(resources.files(package).joinpath(rest)))
    return root / location


class Kit(Environment):
    """The new one."""

    kind = "kit"
    is_old = False


def new_environment(ini: Path) -> Environment:
    """Return the kit's, as the command ``alembic`` finds it."""
    return Kit(Path(location_in(ini) or ""), ini)
