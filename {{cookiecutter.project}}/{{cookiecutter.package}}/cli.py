"""``flask db``: Alembic's own command line, on the databases of the current app."""

import click
from flask.cli import with_appcontext


@click.command(
    "db",
    short_help="Migrate the databases: the commands of alembic.",
    add_help_option=False,  # argparse answers --help, as for alembic
    context_settings={"ignore_unknown_options": True},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@with_appcontext
def db(arguments: tuple[str, ...]) -> None:
    """Hand everything to Alembic, which is imported for this command only."""
    from .migrations.command_line import CommandLine

    CommandLine().main(arguments)
