"""Alembic's commands as functions, with the names and the parameters that Flask-Migrate gave them.

Call them in an app context. After ``directory`` they take the parameters of ``alembic.command``, and they
raise ``alembic.util.CommandError`` instead of exiting. The functions that return data are in ``api.py``:
``current()``, ``heads()``, ``differences()``.
"""

from argparse import Namespace
from collections.abc import Callable, Sequence
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config

from .api import alembic_config
from .locations import set_script_location
from .typed import mkdir

Folder = str | Path | None


def configured(directory: Folder, x_arg: str | Sequence[str] | None, **options: Any) -> Config:
    """Return the configuration of a command.

    :param directory: another folder with an env.py
    :param x_arg: what ``-x`` gets on the command line, one or several
    """
    if x_arg is not None:
        options["x"] = [x_arg] if isinstance(x_arg, str) else [*x_arg]
    config = alembic_config(cmd_opts=Namespace(**options) if options else None)
    if directory is not None:
        set_script_location(config, directory)
    return config


def function(name: str, without: str = "", **defaults: Any) -> Callable[..., None]:
    """Return a command of Alembic as a function, with default values for some of its parameters.

    :param without: a parameter that this function does not have
    """
    command_ = getattr(command, name)
    x_arg = Parameter("x_arg", Parameter.POSITIONAL_OR_KEYWORD, default=None)
    found = [each for each in signature(command_).parameters.values() if each.name != without][1:]
    names = [*(each.name for each in found), "depends_on"]  # Flask-Migrate's come before it
    found.insert(names.index("depends_on"), x_arg)
    accepted = Signature(found)

    def run(directory: Folder = None, *arguments: Any, **options: Any) -> None:
        if name in ("edit", "show") and "revision" in options:
            options["rev"] = options.pop("revision")
        options = {**defaults, **accepted.bind_partial(*arguments, **options).arguments}
        if name == "downgrade" and options.get("sql") and options["revision"] == "-1":
            options["revision"] = "head:-1"
        is_automatic = {"autogenerate": True} if options.get("autogenerate") else {}
        config = configured(directory, options.pop("x_arg", None), **is_automatic)
        command_(config, **options)

    return run


branches = function("branches")
check = function("check")
downgrade = function("downgrade", revision="-1")
edit = function("edit", rev="current")
history = function("history")
init = mkdir
list_templates = function("list_templates")
merge = function("merge", revisions="heads")
migrate = function("revision", without="autogenerate", autogenerate=True)
revision = function("revision")
show = function("show", rev="head")
stamp = function("stamp", revision="head")
upgrade = function("upgrade", revision="head")
