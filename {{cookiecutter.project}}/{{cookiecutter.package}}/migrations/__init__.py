"""The migrations from Python: functions about the databases of the current app.

They are for use in an app context, go through env.py, so that what is edited there holds for them,
and raise ``alembic.util.CommandError``. Those in api.py return data and print nothing; the others are
Alembic's commands, with the parameters that Flask-Migrate gave them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .kit.api import alembic_config, current, differences, heads, needs_upgrade, read

__all__ = ["alembic_config", "current", "differences", "heads", "needs_upgrade", "read"]
__all__ += ["branches", "check", "downgrade", "edit", "history", "init", "list_templates"]
__all__ += ["merge", "migrate", "revision", "show", "stamp", "upgrade"]


def __getattr__(name: str) -> Any:
    """Import a function when it is used: an app that only serves needs no Alembic."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .kit import api, commands

    return getattr(commands if hasattr(commands, name) else api, name)
