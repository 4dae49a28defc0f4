"""The command line: one file in ``commands/`` is one command, and has its name."""

import pkgutil
from importlib import import_module
from importlib.metadata import version

import click

from . import commands


class Commands(click.Group):
    """Imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(module.name for module in pkgutil.iter_modules(commands.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = import_module(f"{commands.__name__}.{cmd_name}").command
        return command


@click.command(cls=Commands)
@click.version_option(version("flask-alembic-kit"))
def main() -> None:
    """Add the kit's migrations to an existing app, and keep them up to date.

    Run it in the folder and in the environment in which you run `flask`.
    """


if __name__ == "__main__":
    main(prog_name="flask-alembic-kit")
