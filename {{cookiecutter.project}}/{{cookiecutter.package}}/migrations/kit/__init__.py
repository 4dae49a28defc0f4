"""Safe migrations for Flask with Alembic: the part of flask-alembic-kit that no project edits.

An update replaces this folder. Your own files lie beside it, such as env.py. This file has what the app
uses, environment.py what env.py uses, api.py what scripts and tests use, and command_line.py ``flask db``.
autogenerate/ writes revisions, rehearsal/ says what they do, backends/ has what differs by database.

https://github.com/org/flask-alembic-kit
"""

import os
from collections.abc import Callable
from functools import wraps
from threading import Thread
from typing import Any, ParamSpec

import click
from flask import Flask
from flask.cli import NoAppException, with_appcontext

from .version import __version__ as __version__

P = ParamSpec("P")


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

    Its ``status`` is ``ok`` at ``heads``, ``newer`` if newer code has migrated it further, or else
    ``behind``, ``unknown`` or ``unreachable``. Only the first two are healthy. A migration that runs
    is not waited for.
    """
    from .probe import states  # and here

    return states()


def factory(create_app: Callable[P, Flask]) -> Callable[P, Flask]:
    """Let ``flask`` say in one line why there is no app, and ``flask run`` that a database is behind.

    Other servers, such as those of production, get the app as it is, without this check.
    """

    @wraps(create_app)
    def make(*arguments: P.args, **options: P.kwargs) -> Flask:
        if os.environ.get("FLASK_RUN_FROM_CLI") != "true":
            return create_app(*arguments, **options)
        try:
            app = create_app(*arguments, **options)
        except Exception as error:
            from .mistakes import in_one_line

            if line := in_one_line(error):
                raise NoAppException(line) from error
            raise
        command = click.get_current_context(silent=True)
        if command and command.info_name == "run" and "WERKZEUG_RUN_MAIN" not in os.environ:
            Thread(target=warn, args=[app], daemon=True).start()
        return app

    return make


def warn(app: Flask) -> None:
    """Log that a database is behind. This is done in a thread, since the import of Alembic takes long."""
    with app.app_context():
        behind = [name for name, state in health().items() if state["status"] == "behind"]
    for name in behind:
        app.logger.warning("Database %s is behind the code: run flask db upgrade.", name)
