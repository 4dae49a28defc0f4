"""The command line of ``flask db``: Alembic's, and what is usual in Flask projects beside it."""

import os
from argparse import SUPPRESS, Namespace
from collections.abc import Sequence
from types import FunctionType
from typing import Any

from alembic import command, config
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import err

from . import typed
from .api import alembic_config, run_env
from .edited import find_edited
from .locations import set_script_location
from .log import Log
from .mistakes import in_one_line

# The revision that a command takes if it is given none; init takes no folder.
REVISIONS: dict[str, str | None] = dict.fromkeys(("edit", "show", "stamp", "upgrade"), "head")
REVISIONS |= {"downgrade": "-1", "merge": "heads", "plan": None, "lint": None, "init": None}


def renamed(known: Any, name: str, help: str) -> Any:
    """Return a command under another name: Alembic asks the function itself for both."""
    copy = FunctionType(known.__code__, known.__globals__, name, known.__defaults__)
    copy.__doc__ = help
    return copy


migrate = renamed(command.revision, "migrate", "Write a revision from the models: --autogenerate.")
log = renamed(command.history, "log", "List the revisions, as history does.")


def applied(config: Config) -> None:
    """List what was applied to the databases, when (UTC), and what was edited afterwards."""

    def show(_: object, migration: MigrationContext) -> list[Any]:
        log = Log(migration)
        edited = find_edited(log)
        for row in log.rows():
            way = f"{'stamped ' if row.stamped else ''}{row.direction}"
            took = "" if row.seconds is None else f"{row.seconds:g} s"
            note = "  edited since" if row.revision in edited else ""
            line = (f"{row.applied_at}  {way:<12}  {row.revision:<12}", f"{took:>9}  kit {row.kit}")
            config.print_stdout("%s", "  ".join(line) + note)
        return []

    run_env(config, show, dont_mutate=True)


def plan(config: Config, revision: str, sql: bool = False, down: bool = False) -> None:
    """List what an upgrade would do, in words, or as SQL; nothing is changed."""
    from . import plan

    plan.show(config, revision, sql, down)


def lint(config: Config, revision: str) -> None:
    """Find what locks tables or breaks running code, in new revisions or in FROM:TO."""
    from . import lint

    lint.show(config, revision)


def graph(config: Config) -> None:
    """Print the revisions as a Mermaid graph, and where each database is."""
    from . import graph

    config.print_stdout("%s", graph.graph(config))


def reset(config: Config, yes: bool = False) -> None:
    """Drop everything in the databases, and migrate them from empty; for development."""
    from . import reset

    reset.reset(yes, config)


class CommandLine(config.CommandLine):
    """Every command and option of ``alembic``, and some that users of Flask-Migrate type."""

    def __init__(self) -> None:
        more = (migrate, log, applied, plan, lint, graph, reset, typed.mkdir)
        is_old = not hasattr(config.CommandLine, "register_command")
        for each in more if is_old else ():  # before 1.16, Alembic looks for them in its module
            each.__module__ = command.__name__
            setattr(command, each.__name__, each)
        super().__init__("flask db")
        for each in () if is_old else more:
            self.register_command(each)
        parsers = next(a.choices for a in self.parser._actions if isinstance(a.choices, dict))
        typed.add_options(parsers)
        parsers["plan"].add_argument("--down", action="store_true", help="what a downgrade does")
        parsers["reset"].add_argument("--yes", action="store_true", help="even without debug mode")
        self.parser.description = "Migrate the databases of the app that --app or FLASK_APP names."
        self.parser.add_argument("--x-arg", action="append", dest="x", help=SUPPRESS)
        folder = "the folder with env.py and versions/; default: $FLASK_DB_DIRECTORY, alembic.ini"
        self.parser.add_argument("-d", "--directory", dest="folder", help=folder)
        for name, parser in parsers.items():
            parser.add_argument("-x", "--x-arg", action="append", dest="more_x", help=SUPPRESS)
            parser.add_argument("-d", "--directory", dest="folder", default=SUPPRESS, help=SUPPRESS)
            for action in parser._actions:
                if name in REVISIONS and not action.option_strings:
                    several = action.nargs == "+"
                    action.nargs, action.required = "*" if several else "?", False
                    action.default = [REVISIONS[name]] if several else REVISIONS[name]

    def main(self, argv: Sequence[str] | None = None) -> None:
        """Run a command, by default with the project's own ``alembic.ini``."""
        argv = ["list_templates" if word == "list-templates" else word for word in argv or ()]
        options = self.parser.parse_args(argv)
        try:
            if options.config or "ALEMBIC_CONFIG" in os.environ or not hasattr(options, "cmd"):
                super().main(argv)
            else:
                self.run_cmd(alembic_config(ini_section=options.name, cmd_opts=options), options)
        except Exception as error:  # where env.py, which says it, has not been run
            if options.raiseerr or not (line := in_one_line(error)):
                raise
            err(line)

    def run_cmd(self, config: Config, options: Namespace) -> None:
        """Take ``-x`` and ``-d`` before and after the command."""
        more = getattr(options, "more_x", None)  # not of a command that somebody has registered
        options.x = [*(options.x or []), *(more or [])]
        options.autogenerate = options.cmd[0] is migrate or getattr(options, "autogenerate", False)
        if folder := options.folder or os.environ.get("FLASK_DB_DIRECTORY"):
            set_script_location(config, folder)
        typed.understand(config, options)
        super().run_cmd(config, options)
