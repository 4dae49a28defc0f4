"""Alembic's commands as functions, with the names and the parameters that Flask-Migrate gave them.

Call them in an app context. After ``directory`` they take the parameters of ``alembic.command``, and they
raise ``alembic.util.CommandError`` instead of exiting. ``directory`` is another folder with env.py,
``x_arg`` is what ``-x`` gets on the command line, one or several.
"""

from argparse import Namespace
from collections.abc import Callable
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Any

from alembic import command

from .api import alembic_config
from .locations import set_script_location
from .typed import mkdir


def function(name: str, without: str = "", **defaults: Any) -> Callable[..., None]:
    """Return a command of Alembic as a function, without a parameter, and with defaults for others."""
    command_ = getattr(command, name)
    x_arg = Parameter("x_arg", Parameter.POSITIONAL_OR_KEYWORD, default=None)
    known = [*signature(command_).parameters.values()][1:]
    found = [p.replace(default=defaults.get(p.name, p.default)) for p in known if p.name != without]
    names = [*(each.name for each in found), "depends_on"]  # Flask-Migrate's come before it
    found.insert(names.index("depends_on"), x_arg)
    accepted = Signature(found)

    def run(directory: str | Path | None = None, *arguments: Any, **options: Any) -> None:
        if name in ("edit", "show") and "revision" in options:
            options["rev"] = options.pop("revision")
        options = {**defaults, **accepted.bind_partial(*arguments, **options).arguments}
        if name == "downgrade" and options.get("sql") and options["revision"] == "-1":
            options["revision"] = "head:-1"
        typed: dict[str, Any] = {"autogenerate": True} if options.get("autogenerate") else {}
        if (x := options.pop("x_arg", None)) is not None:
            typed["x"] = [x] if isinstance(x, str) else [*x]
        config = alembic_config(cmd_opts=Namespace(**typed) if typed else None)
        if directory is not None:
            set_script_location(config, directory)
        command_(config, **options)

    places = signature(run).parameters["directory"], *found
    vars(run)["__signature__"], run.__doc__ = Signature(places), command_.__doc__
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
