"""What env.py uses, as ``kit``."""

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from typing import Any

from alembic import context
from alembic.util import CommandError
from flask import Flask, has_app_context
from sqlalchemy.engine import Dialect

from . import api, logs  # noqa: F401  (api lets threads take turns)
from .autogenerate.filters import PLUGINS, all_but, schemas_of
from .autogenerate.render import render_item
from .backends import backend_of
from .databases import all_databases, hosts
from .errors import running_command
from .guard import guarded, prepare, retry, transaction_of
from .locations import version_locations
from .mistakes import mistakes
from .outcome import impl_of, is_changing
from .progress import show_progress, summary
from .revisions import run_migrations, run_revisions
from .signals import stoppable

__all__ = ["all_but", "all_databases", "guarded", "hosts", "prepare", "retry", "run_migrations"]
__all__ += ["run_revisions", "schemas_of", "show_progress", "transaction_of"]
X_KEYS = ["accept", "database", "drop", "fill", "rename", "without"]  # an env.py may know more


@contextmanager
def app_context(factory: Callable[[], Flask]) -> Iterator[None]:
    """Use the current app, which ``flask db``, a test or a script has; else make one."""
    config = context.config
    with mistakes(), stoppable(), ExitStack() as stack:
        logs.set_up(config)
        if not has_app_context():
            stack.enter_context(factory().app_context())
        logs.restore()
        for each in getattr(config.cmd_opts, "x", None) or ():
            near = get_close_matches(each.partition("=")[0], X_KEYS, 1, 0.85)
            if near and not each.startswith(f"{near[0]}="):
                raise CommandError(f"-x {each} is unknown: did you mean -x {near[0]}=?")
        context.script.version_locations = version_locations(context.script)
        if running_command():  # a process of its own
            is_changing()  # loads the revisions
            gc.freeze()  # the garbage collector skips them: that saves a tenth of a long run
        with summary():
            yield


def process_revision_directives(*arguments: Any) -> None:
    """Import the code that writes revisions only when one is written."""
    from .autogenerate import hooks

    hooks.process_revision_directives(*arguments)


def options(dialect: Dialect, name: str | None = None, names: list[str] | None = None) -> Any:
    """Return the options of ``context.configure()`` that few change, for one of ``names``, if several."""
    backend = backend_of(dialect)  # first: it may load Alembic's own
    hooks = {
        "autogenerate_plugins": PLUGINS,
        "compare_type": True,  # as from Alembic 1.12 on
        "process_revision_directives": process_revision_directives,
        "render_item": render_item,
        # Set each time: context.configure() keeps the options of the database before.
        "transactional_ddl": impl_of(dialect).transactional_ddl,
        "version_table_schema": None,
        "version_table_pk": True,
        **backend.options,
    }
    if not name:
        return hooks
    tokens = {f"{way}_token": f"{name}_{way}s" for way in ("upgrade", "downgrade")}
    return {**hooks, **tokens, "database": name, "template_args": {"databases": names}}
