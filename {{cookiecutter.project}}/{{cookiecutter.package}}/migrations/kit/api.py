"""What scripts and tests use; ``migrations/__init__.py`` exports it."""

import os
import sys
from collections.abc import Callable
from copy import copy
from inspect import signature
from io import StringIO
from pathlib import Path
from threading import RLock
from traceback import walk_stack
from typing import Any, TypeVar

from alembic import context
from alembic.autogenerate import produce_migrations
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from flask import current_app
from sqlalchemy.orm import configure_mappers

from .locations import says_where, set_script_location, version_locations
from .mistakes import revision_in

FOLDER = Path(__file__).parents[1]
# Alembic has one environment at a time for the whole process: the threads of an app take turns.
lock = RLock()
enter, leave = EnvironmentContext.__enter__, EnvironmentContext.__exit__
around: list[EnvironmentContext | None] = []
T = TypeVar("T")


def enter_alone(self: EnvironmentContext) -> EnvironmentContext:
    if revision_in(walk_stack(None)):
        raise CommandError("Alembic cannot be called here, while it runs this revision.")
    if not lock.acquire(timeout=self.config.attributes.get("patience", -1)):
        raise CommandError("Another thread of this process migrates.")
    around.append(getattr(context, "_proxy", None))
    return enter(self)


def leave_alone(self: EnvironmentContext, *error: Any) -> None:
    try:
        leave(self, *error)
    finally:
        if environment := around.pop():  # of a command: its app has migrated by itself
            enter(environment)
        lock.release()


EnvironmentContext.__enter__ = enter_alone  # type: ignore[method-assign]
EnvironmentContext.__exit__ = leave_alone  # type: ignore[method-assign]


def alembic_config(**options: Any) -> Config:
    """Return the configuration that every function in ``alembic.command`` takes.

    It is the project's ``alembic.ini``: beside the package, above ``src/``, or in a wheel.
    """
    ini = next(filter(says_where, (f / "alembic.ini" for f in Path(__file__).parents[1:6])), None)
    if ini and "toml_file" in signature(Config).parameters:  # since Alembic 1.16
        options = {"toml_file": ini.with_name("pyproject.toml"), **options}
    config = Config(str(ini) if ini else None, **{"stdout": sys.stdout or StringIO(), **options})
    if ini:
        # A wheel has alembic.ini beside env.py, but it is about the folder around the package.
        here = FOLDER.parents[1] if ini.parent == FOLDER else ini.parent
        config.file_config.set("DEFAULT", "here", here.as_posix().replace("%", "%%"))
    else:
        set_script_location(config, FOLDER)
    config.set_main_option("prepend_sys_path", "")  # the package is imported already
    if config.cmd_opts and not hasattr(config.cmd_opts, "x"):
        config.cmd_opts.x = []
    if current_app and "ALEMBIC" in current_app.config:
        found = os.pathsep.join(version_locations(ScriptDirectory.from_config(config)))
        for name in ("path_separator", "version_path_separator"):  # the second before Alembic 1.16
            config.set_main_option(name, "os")
        config.set_main_option("version_locations", found.replace("%", "%%"))
    return config


def heads() -> tuple[str, ...]:
    """Return the newest revisions: one, unless there are branches."""
    return tuple(ScriptDirectory.from_config(alembic_config()).get_heads())


def current() -> dict[str, tuple[str, ...]]:
    """Return the revisions that each database is at, by its name."""
    return read(lambda migration: migration.get_current_heads())


def needs_upgrade() -> list[str]:
    """Return the names of the databases that ``alembic upgrade heads`` would change.

    A database at a revision that is not here is left out: newer code has migrated it.
    """
    newest, known = revisions()
    return [name for name, at in current().items() if newest - {*at} and {*at} <= known]


def revisions() -> tuple[set[str], set[str]]:
    """Return the newest revisions, and all revisions, with those that were squashed."""
    script = ScriptDirectory.from_config(alembic_config())
    squashed = {r.revision: getattr(r.module, "replaces", ()) for r in script.walk_revisions()}
    return {*(script.as_revision_number("heads") or ())}, {*squashed}.union(*squashed.values())


def differences() -> dict[str, list[Any]]:
    """Return what ``compare_metadata()`` finds for each database that differs, by its name.

    A database that is behind is compared as it is. The same differences count as in ``check``.
    """
    from .autogenerate.mend import mend_columns  # only here is it needed

    def compared(migration: MigrationContext) -> list[Any]:
        configure_mappers()
        changes: Any = produce_migrations(migration, migration.opts["target_metadata"]).upgrade_ops
        mend_columns(changes, migration.dialect)
        return [*changes.as_diffs()]

    return {name: changes for name, changes in read(compared).items() if changes}


def read(function: Callable[[MigrationContext], T], config: Config | None = None) -> dict[str, T]:
    """Run env.py without changing anything; return what a function returns for each database."""
    found = {}

    def visit(_: object, migration: MigrationContext) -> list[Any]:
        found[migration.opts.get("database", "default")] = function(migration)
        return []

    config = copy(config or alembic_config())
    config.stdout = StringIO()  # env.py prints nothing here
    run_env(config, visit, dont_mutate=True)
    return found


def run_env(config: Config, function: Callable[..., Any], **options: Any) -> None:
    """Run env.py with a function in place of the one that finds the revisions to run."""
    script = ScriptDirectory.from_config(config)
    with EnvironmentContext(config, script, fn=function, **options):
        script.run_env()
