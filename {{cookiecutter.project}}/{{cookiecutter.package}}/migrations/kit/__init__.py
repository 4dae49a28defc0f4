"""Safe migrations for Flask with Alembic: the part of flask-alembic-kit that no project edits.

An update replaces this folder; what is yours lies beside it, above all env.py. Here is what the app
uses. What env.py uses is in environment.py, and what scripts and tests use in api.py.

https://github.com/org/flask-alembic-kit
"""

from typing import Any

import click
from flask.cli import with_appcontext

from .version import __version__ as __version__


@click.command(
    short_help="Migrate the databases: the commands of alembic.",
    add_help_option=False,  # argparse answers --help, as for alembic
    context_settings={"ignore_unknown_options": True},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@with_appcontext
def db(arguments: tuple[str, ...]) -> None:
    """Hand everything to Alembic's own command line, on the databases of the current app."""
    from .command_line import CommandLine  # only here does the app need Alembic

    CommandLine().main(arguments)


def health() -> dict[str, dict[str, Any]]:
    """Return the state of each database of the current app by name, ready for JSON.

    Its ``status`` is ``ok`` at ``heads``, ``newer`` if newer code has gone on from there, which is
    about to replace this, else ``behind``, ``unknown`` or ``unreachable``; the first two are well.
    No migration is waited for.
    """
    from .probe import states  # and here

    return states()
