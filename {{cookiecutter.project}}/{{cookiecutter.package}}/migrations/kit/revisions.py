"""Runs revisions of any origin on one of several databases; used by env.py.

They may be older than the database, from when there was only one, or written by Flask-Migrate or
Flask-Alembic. There is nothing to do on a database that they do not know.
"""

from collections.abc import Callable
from inspect import signature

from alembic import context


def run_revisions(database: str) -> None:
    """Run what the command has to run on the database that was configured last.

    :param database: its name; a revision has a function for it, ``upgrade_NAME()``, or does nothing
    """
    for revision in context.script.walk_revisions():
        module = vars(revision.module)
        for direction in module.keys() & {"upgrade", "downgrade"}:
            if not signature(module[direction]).parameters:  # from when there was one database
                module[direction] = on_default(module[direction])
            # Flask-Migrate names no database in the functions for the default one.
            other = module.get(f"{direction}_", do_nothing) if database == "default" else do_nothing
            module.setdefault(f"{direction}_{database}", other)
    context.run_migrations(engine_name=database)


def on_default(function: Callable[[], None]) -> Callable[[str], None]:
    """Return a function that takes the name of a database, and leaves all but ``default`` alone."""

    def run(engine_name: str) -> None:
        if engine_name == "default":
            function()

    return run


def do_nothing() -> None:
    """Stand for the function of a database that a revision does not know."""
