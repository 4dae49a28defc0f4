"""The command line of ``flask db``: Alembic's, and what is usual in Flask projects beside it."""

import os
from argparse import SUPPRESS, Namespace
from collections.abc import Sequence

from alembic import command, config
from alembic.config import Config

from . import alembic_config

# The revision that a command takes if it is given none.
REVISIONS = {
    "upgrade": "head",
    "downgrade": "-1",
    "edit": "head",
    "merge": "heads",
    "show": "head",
    "stamp": "head",
}


class CommandLine(config.CommandLine):
    """Every command and option of ``alembic``, and some that users of Flask-Migrate type."""

    def __init__(self) -> None:
        super().__init__("flask db")
        self.register_command(migrate)
        self.register_command(log)
        self.parser.description = "Migrate the databases of the app that --app or FLASK_APP names."
        self.parser.add_argument("--x-arg", action="append", dest="x", help=SUPPRESS)
        for name, parser in dict(self.subparsers.choices or {}).items():
            parser.add_argument("-x", "--x-arg", action="append", dest="more_x", help=SUPPRESS)
            for action in parser._actions:
                if name in REVISIONS and not action.option_strings:
                    several = action.nargs == "+"
                    action.nargs, action.required = "*" if several else "?", False
                    action.default = [REVISIONS[name]] if several else REVISIONS[name]

    def main(self, argv: Sequence[str] | None = None) -> None:
        """Run a command, by default with the project's own ``alembic.ini``."""
        options = self.parser.parse_args(argv)
        if options.config or "ALEMBIC_CONFIG" in os.environ or not hasattr(options, "cmd"):
            super().main(argv)
        else:
            self.run_cmd(alembic_config(ini_section=options.name, cmd_opts=options), options)

    def run_cmd(self, config: Config, options: Namespace) -> None:
        """Take ``-x`` before and after the command."""
        options.x = [*(options.x or []), *(options.more_x or [])]
        super().run_cmd(config, options)


def migrate(
    config: Config,
    message: str | None = None,
    sql: bool = False,
    head: str = "head",
    splice: bool = False,
    branch_label: str | None = None,
    version_path: str | None = None,
    rev_id: str | None = None,
    depends_on: str | None = None,
) -> None:
    """Create a revision from the models: revision --autogenerate."""
    if config.cmd_opts:
        config.cmd_opts.autogenerate = True
    command.revision(
        config, message, True, sql, head, splice, branch_label, version_path, rev_id, depends_on
    )


def log(
    config: Config,
    rev_range: str | None = None,
    verbose: bool = False,
    indicate_current: bool = False,
) -> None:
    """List the revisions: history."""
    command.history(config, rev_range, verbose, indicate_current)
