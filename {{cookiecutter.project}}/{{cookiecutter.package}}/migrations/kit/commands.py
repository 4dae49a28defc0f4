"""Alembic's commands as functions, with the names and the parameters that Flask-Migrate gave them.

They are for use in an app context, and raise ``alembic.util.CommandError`` instead of exiting. What
only tells something is data in ``api.py``: ``current()``, ``heads()``, ``differences()``.
"""

from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from .api import FOLDER, alembic_config, set_script_location

Text = str | None
XArguments = str | Sequence[str] | None


def configured(directory: Text, x_arg: XArguments = None, **options: Any) -> Config:
    """Return the configuration of a command.

    :param directory: another folder with an env.py
    :param x_arg: what ``-x`` gets on the command line, one or several
    """
    if x_arg is not None or options:
        x = [x_arg] if isinstance(x_arg, str) else [*(x_arg or ())]
        config = alembic_config(cmd_opts=Namespace(x=x, **options))
    else:
        config = alembic_config()
    if directory is not None:
        set_script_location(config, directory)
    return config


def upgrade(
    directory: Text = None,
    revision: str = "head",
    sql: bool = False,
    tag: Text = None,
    x_arg: XArguments = None,
) -> None:
    """Migrate to a later revision."""
    command.upgrade(configured(directory, x_arg), revision, sql=sql, tag=tag)


def downgrade(
    directory: Text = None,
    revision: str = "-1",
    sql: bool = False,
    tag: Text = None,
    x_arg: XArguments = None,
) -> None:
    """Go back to an earlier revision."""
    revision = "head:-1" if sql and revision == "-1" else revision
    command.downgrade(configured(directory, x_arg), revision, sql=sql, tag=tag)


def stamp(
    directory: Text = None,
    revision: str = "head",
    sql: bool = False,
    tag: Text = None,
    purge: bool = False,
) -> None:
    """Say that the databases are at a revision, and run none."""
    command.stamp(configured(directory), revision, sql=sql, tag=tag, purge=purge)


def revision(
    directory: Text = None, message: Text = None, autogenerate: bool = False, **options: Any
) -> None:
    """Write a revision; the options are those of ``alembic.command.revision()``."""
    x_arg = options.pop("x_arg", None)
    config = configured(directory, x_arg, autogenerate=autogenerate)
    command.revision(config, message, autogenerate=autogenerate, **options)


def migrate(directory: Text = None, message: Text = None, **options: Any) -> None:
    """Write a revision from the models, if they differ from the databases."""
    revision(directory, message, autogenerate=True, **options)


def merge(
    directory: Text = None, revisions: str = "heads", message: Text = None, **options: Any
) -> None:
    """Join heads."""
    command.merge(configured(directory), revisions, message=message, **options)


def check(directory: Text = None) -> None:
    """Raise an error if the models differ from the databases."""
    command.check(configured(directory))


def show(directory: Text = None, revision: str = "head") -> None:
    """Print a revision."""
    command.show(configured(directory), revision)


def edit(directory: Text = None, revision: str = "current") -> None:
    """Open a revision in the editor."""
    command.edit(configured(directory), revision)


def history(
    directory: Text = None,
    rev_range: Text = None,
    verbose: bool = False,
    indicate_current: bool = False,
) -> None:
    """Print the revisions."""
    command.history(configured(directory), rev_range, verbose, indicate_current)


def branches(directory: Text = None, verbose: bool = False) -> None:
    """Print where the history branches."""
    command.branches(configured(directory), verbose)


def list_templates() -> None:
    """Print Alembic's templates."""
    command.list_templates(alembic_config())


def init(directory: Text = None, **_: Any) -> None:
    """Say that there is nothing to do.

    :raises CommandError: always
    """
    raise CommandError(f"The migrations are there already: {FOLDER}. Write a revision: migrate.")
