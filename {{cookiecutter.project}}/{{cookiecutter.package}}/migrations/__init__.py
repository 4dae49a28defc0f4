"""The migrations from Python: functions about the databases of the current app.

They are for use in an app context, go through env.py, so that what is edited there holds for them,
print nothing, and raise ``alembic.util.CommandError`` if a database cannot be reached.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .kit.api import alembic_config, current, differences, heads, needs_upgrade, read
    from .kit.commands import branches, check, downgrade, edit, history, init, list_templates
    from .kit.commands import merge, migrate, revision, show, stamp, upgrade

DATA = ["alembic_config", "current", "differences", "heads", "needs_upgrade", "read"]
__all__ = [*DATA, "branches", "check", "downgrade", "edit", "history", "init", "list_templates"]
__all__ += ["merge", "migrate", "revision", "show", "stamp", "upgrade"]


def __getattr__(name: str) -> Any:
    """Import a function when it is used: an app that only serves needs no Alembic."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .kit import api, commands

    return getattr(api if name in DATA else commands, name)
