"""What env.py uses, as ``kit``; some of it is handed on from the files beside this one."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.config import fileConfig
from typing import Any

from alembic import context
from flask import Flask, has_app_context
from sqlalchemy import Dialect

from .autogenerate import PLUGINS, all_but, process_revision_directives, schemas_of
from .backends import backend_of
from .errors import heads_explained, url_errors
from .guard import guarded, prepare
from .progress import show_progress
from .render import render_item
from .revisions import run_revisions

__all__ = ["all_but", "guarded", "prepare", "run_revisions", "schemas_of", "show_progress"]


@contextmanager
def app_context(factory: Callable[[], Flask]) -> Iterator[None]:
    """Migrate the current app, as ``flask db``, a test or a script has one; else make one.

    A command sets up what is logged, unless the app has.
    """
    config = context.config
    if config.cmd_opts and config.config_file_name and not logging.root.handlers:
        fileConfig(config.config_file_name, disable_existing_loggers=False)
    with heads_explained():
        if has_app_context():
            yield
        else:
            with url_errors(), factory().app_context():
                yield


def options(dialect: Dialect, name: str | None = None, names: list[str] | None = None) -> Any:
    """Return the options of ``context.configure()`` that are hardly a choice.

    :param name: of the database, where there are several
    :param names: of all that are migrated together
    """
    hooks = {
        "autogenerate_plugins": PLUGINS,
        "process_revision_directives": process_revision_directives,
        "render_item": render_item,
        **backend_of(dialect).options,
    }
    if not name:
        return hooks
    tokens = {f"{way}_token": f"{name}_{way}s" for way in ("upgrade", "downgrade")}
    return {**hooks, **tokens, "database": name, "template_args": {"databases": names}}
