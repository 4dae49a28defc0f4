"""Accepts options that users of Flask-Migrate or Flask-Alembic are used to."""

import re
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from .api import FOLDER


def mkdir(*_: Any, **__: Any) -> None:
    """Make nothing: the folders are there. For users of Flask-Alembic."""
    raise CommandError(f"The migrations are there already, in {FOLDER}: run flask db migrate.")


def add_options(parsers: Mapping[str, ArgumentParser]) -> None:
    """Let Alembic's commands take the options of the other tools."""
    for name in ("history", "log"):
        parsers[name].add_argument("--start", help=SUPPRESS)
        parsers[name].add_argument("--end", help=SUPPRESS)
    revision = parsers["revision"]
    revision.add_argument("words", nargs="?", help=SUPPRESS)
    revision.add_argument("--empty", action="store_true", help=SUPPRESS)
    revision.add_argument("--branch", help=SUPPRESS)
    revision.add_argument("--depend", action="append", dest="depends_on", help=SUPPRESS)
    theirs: Any = {"default": SUPPRESS, "help": SUPPRESS}
    revision.add_argument("-p", "--parent", dest="head", **theirs)
    revision.add_argument("--label", dest="branch_label", **theirs)
    revision.add_argument("--path", dest="version_path", **theirs)
    parsers["init"].add_argument("--multidb", action="store_true", help=SUPPRESS)


def understand(config: Config, options: Namespace) -> None:
    function = options.cmd[0]
    if function is command.init and not options.directory:
        options.cmd = (mkdir, [], [])
    if function in (command.upgrade, command.downgrade):
        options.revision = steps(config, options.revision, function is command.upgrade)
        if function is command.downgrade and options.sql and options.revision == "-1":
            options.revision = "head:-1"
    if getattr(options, "words", None):
        options.message, options.autogenerate = options.words, not options.empty
    if branch := getattr(options, "branch", None):
        options.head = f"{branch}@head"
    if getattr(options, "start", None) or getattr(options, "end", None):
        options.rev_range = f"{options.start or 'base'}:{options.end or 'heads'}"


def steps(config: Config, revision: str, is_up: bool) -> str:
    """Return a number as that many steps, unless it is a revision."""
    if re.fullmatch(r"\d{1,3}", revision):
        try:
            ScriptDirectory.from_config(config).get_revision(revision)
        except CommandError:
            return f"{'+' if is_up else '-'}{revision}"
    return revision
