"""What env.py uses, as ``kit``; some of it is handed on from the files beside this one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from alembic import context
from flask import Flask, has_app_context
from sqlalchemy.engine import Dialect

from . import api, logs  # noqa: F401  (api gives back the environment of a command)
from .answer import stoppable
from .autogenerate.filters import PLUGINS, all_but, schemas_of
from .autogenerate.render import render_item
from .backends import backend_of
from .databases import all_databases, hosts
from .guard import guarded, prepare, transaction_of
from .locations import version_locations
from .mistakes import mistakes
from .outcome import impl_of
from .progress import show_progress, told
from .retry import retry
from .revisions import run_migrations, run_revisions

__all__ = ["all_but", "all_databases", "guarded", "hosts", "prepare", "retry", "run_migrations"]
__all__ += ["run_revisions", "schemas_of", "show_progress", "transaction_of"]


@contextmanager
def app_context(factory: Callable[[], Flask]) -> Iterator[None]:
    """Use the current app, which ``flask db``, a test or a script has; else make one.

    In a command, set up logging, unless the app has done so.
    """
    config = context.config
    with mistakes(), stoppable(), ExitStack() as stack:
        logs.set_up(config)
        if not has_app_context():
            stack.enter_context(factory().app_context())
        logs.restore(config)
        context.script.version_locations = version_locations(context.script)
        with told():
            yield


def process_revision_directives(*arguments: Any) -> None:
    """Import what writes revisions when one is written: other commands need nothing of it."""
    from .autogenerate import hooks

    hooks.process_revision_directives(*arguments)


def options(dialect: Dialect, name: str | None = None, names: list[str] | None = None) -> Any:
    """Return the options of ``context.configure()`` that are hardly a choice; ``names``: of all."""
    backend = backend_of(dialect)  # first of all, for it may load Alembic's own
    hooks = {
        "autogenerate_plugins": PLUGINS,
        "compare_type": True,  # as from Alembic 1.12 on
        "process_revision_directives": process_revision_directives,
        "render_item": render_item,
        # Said each time: context.configure() keeps for a database what the one before it was given.
        "transactional_ddl": impl_of(dialect).transactional_ddl,
        "version_table_schema": None,
        "version_table_pk": True,
        **backend.options,
    }
    if not name:
        return hooks
    tokens = {f"{way}_token": f"{name}_{way}s" for way in ("upgrade", "downgrade")}
    return {**hooks, **tokens, "database": name, "template_args": {"databases": names}}
