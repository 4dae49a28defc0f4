"""What an old env.py passes to ``context.configure()``, as lines of a new one."""

import ast
import inspect
import sys
from pathlib import Path
from typing import Any

from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext

# What the new env.py has of its own, or Alembic adds.
OWN = {
    "connection", "url", "dialect_name", "target_metadata", "template_args", "upgrade_token",
    "downgrade_token", "output_buffer", "as_sql", "starting_rev", "fn", "script", "literal_binds",
    "dialect_opts", "destination_rev", "engine_name", "tag", "purge", "dont_mutate", "database",
    "compare_type",
}  # fmt: skip
# What the kit does too, or instead, if the old tool's value is this.
SAME = {"render_as_batch": True, "include_schemas": True, "compare_server_default": True}
STANDARD_HOOK = "No changes in schema detected"


def options_of(migration: MigrationContext, env: Path) -> list[dict[str, Any]]:
    """Return the options that differ from Alembic's defaults, each with Python for it if there is any.

    :param env: the old env.py
    :return: ``name``, ``code`` (None if a human has to read it), ``imports``, ``source``, ``shown``
    """
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(EnvironmentContext.configure).parameters.items()
    }
    # As env.py has set it for its connection: a human has to know that the kit uses transactions.
    connection = migration.connection
    level = connection.get_execution_options().get("isolation_level") if connection else None
    by_hand = {"isolation_level": level} if level else {}
    return [
        {"name": name, "shown": shown(value), **described(value, env)}
        for name, value in migration.opts.items()
        if name not in OWN
        and value not in (None, (), [])
        and not same(value, defaults.get(name))
        and not same(value, SAME.get(name))
        and not is_standard_hook(value)
    ] + [
        {"name": name, "shown": shown(value), "code": None, "imports": [], "source": ""}
        for name, value in by_hand.items()
    ]


def same(value: object, other: object) -> bool:
    """Say whether two values are the same, of whatever type they are."""
    return type(value) is type(other) and bool(value == other)


def is_standard_hook(value: object) -> bool:
    """Say whether this is the function of the usual template that writes no empty revision."""
    try:
        return callable(value) and STANDARD_HOOK in inspect.getsource(value)
    except (OSError, TypeError):
        return False


def shown(value: object) -> str:
    name = getattr(value, "__qualname__", None)
    return f"{name}()" if name else repr(value)


def described(value: object, env: Path) -> dict[str, Any]:
    """Return how a new env.py says the same, as far as that is known."""
    try:
        if ast.literal_eval(repr(value)) == value:
            return {"code": repr(value), "imports": [], "source": ""}
    except (ValueError, SyntaxError):
        pass
    nothing: dict[str, Any] = {"code": None, "imports": [], "source": ""}
    name, module = getattr(value, "__qualname__", ""), str(getattr(value, "__module__", ""))
    if not name.isidentifier():
        return nothing
    if getattr(sys.modules.get(module), name, None) is value and not module.endswith("env_py"):
        return {"code": name, "imports": [f"from {module} import {name}"], "source": ""}
    source = definitions(env, name)
    return {"code": name, "imports": [], "source": source} if source else nothing


def definitions(env: Path, name: str) -> str:
    """Return the source of a name of an env.py with all that it needs; nothing if that is too much.

    What is no plain definition, as what is done in a ``with`` or an ``if``, is too much.
    """
    text = env.read_text(encoding="utf-8")
    body = ast.parse(text).body
    where = {defined: index for index, node in enumerate(body) for defined in defined_by(node)}
    needed: set[int] = set()
    names = [name] if name in where else []
    while names:
        index = where[names.pop()]
        if index not in needed:
            needed.add(index)
            inner = (node.id for node in ast.walk(body[index]) if isinstance(node, ast.Name))
            names += [used for used in inner if used in where]
    source = "\n\n".join(
        ast.get_source_segment(text, body[index]) or "" for index in sorted(needed)
    )
    return "" if any(mark in source for mark in ("{{", "{%", "{#")) else source


def defined_by(node: ast.stmt) -> list[str]:
    """Return the names that a plain definition gives."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    return []
