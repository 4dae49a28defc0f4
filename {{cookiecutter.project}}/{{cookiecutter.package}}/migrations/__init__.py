"""The migrations from Python: functions about the databases of the current app.

Call them in an app context. They run env.py, so your edits there count, and raise
``alembic.util.CommandError``. Those in api.py return data and print nothing. The others are Alembic's
commands, with the parameters that Flask-Migrate gave them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .kit.api import alembic_config, current, differences, heads, needs_upgrade, read
    from .kit.graph import graph
    from .kit.lint import lint
    from .kit.plan import plan
    from .kit.reset import reset

MODULES = ["graph", "lint", "plan", "reset"]
__all__ = ["alembic_config", "current", "differences", "heads", "needs_upgrade", "read"]
__all__ += ["branches", "check", "downgrade", "edit", "history", "init", "list_templates"]
__all__ += ["merge", "migrate", "revision", "show", "stamp", "upgrade"]
__all__ += ["graph", "lint", "plan", "reset"]


def __getattr__(name: str) -> Any:
    """Import a function when it is used: an app that only serves needs no Alembic."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .kit import api, commands

    if name in MODULES:
        return getattr(import_module(f".kit.{name}", __package__), name)
    return getattr(commands if hasattr(commands, name) else api, name)
