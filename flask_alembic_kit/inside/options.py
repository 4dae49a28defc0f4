"""What an old env.py passes to ``context.configure()``, as lines of a new one."""

import ast
import builtins
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext

from .finding import text_of

# What the new env.py has of its own, or Alembic adds.
OWN = {
    "connection", "url", "dialect_name", "target_metadata", "template_args", "upgrade_token",
    "downgrade_token", "output_buffer", "as_sql", "starting_rev", "fn", "script", "literal_binds",
    "dialect_opts", "destination_rev", "engine_name", "tag", "purge", "dont_mutate", "database",
    "compare_type",
}  # fmt: skip
# What the kit does too, or instead, if the old tool's value is this.
SAME = {"render_as_batch": True, "include_schemas": True, "compare_server_default": True}
REGISTERED = (
    "register_entities"  # the function by which alembic-utils gets to know what it compares
)
STANDARD_HOOK = "No changes in schema detected"
# What an env.py imports for its own work, also where it does not use it.
STANDARD = {*sys.stdlib_module_names, "alembic", "flask", "sqlalchemy"}
# What the env.py of the usual templates calls, and what only sets things up for it.
USUAL = {
    "fileConfig", "set_main_option", "set_section_option", "configure", "run_migrations", "close",
    "dispose", "begin", "commit", "rollback", "prepare", "run", "run_sync", "debug", "info",
    "warning", "error", "exception", "write", "append", "insert", "extend", "update", "setdefault",
    "load_dotenv", "print", "tometadata", "to_metadata", "configure_mappers",
}  # fmt: skip


def options_of(migration: MigrationContext, env: Path) -> list[dict[str, Any]]:
    """Return the options that differ from Alembic's defaults, each with Python for it if there is any.

    :param env: the old env.py
    :return: ``name``, ``code`` (None if a human has to read it; empty if it is no option, but a call beside
        them that is known), ``imports``, ``source``, ``shown``
    """
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(EnvironmentContext.configure).parameters.items()
    }
    # As env.py has set it for its connection: a human has to know that the kit uses transactions.
    connection = migration.connection
    level = connection.get_execution_options().get("isolation_level") if connection else None
    by_hand = {"isolation_level": level} if level else {}
    source, imports = definitions(env, f"{REGISTERED}()") if env.exists() else ("", [])
    call = {"name": REGISTERED, "shown": "", "code": "", "imports": imports, "source": source}
    return (
        [
            {"name": name, "shown": shown(value), **described(value, env)}
            for name, value in migration.opts.items()
            if name not in OWN
            and value not in (None, (), [])
            and not same(value, defaults.get(name))
            and not same(value, SAME.get(name))
            and not is_target(value, migration)
            and not is_standard_hook(value)
        ]
        + [
            {"name": name, "shown": shown(value), "code": None, "imports": [], "source": ""}
            for name, value in by_hand.items()
        ]
        + ([call] if source else [])
    )


def beside(env: Path, options: list[dict[str, Any]], packages: set[str]) -> list[str]:
    """Return what an env.py does beside passing options, each with its line; the new one does not.

    :param options: what has been found in it, with the source of what is taken over
    :param packages: of the app: to import them is to have their models
    """
    text = text_of(env)
    tree = ast.parse(text)
    own = {name for node in tree.body for name in defined_by(node)} - imported(tree)
    taken = "\n".join(option["source"] for option in options)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    found = []
    for node in statements(tree.body):
        source = ast.get_source_segment(text, node) or ""
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = ast.unparse(node.value.func)
            is_new = called not in own and called.rpartition(".")[2] not in USUAL
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            is_new = bool(node.decorator_list)
            source = ast.unparse(node.decorator_list[0]) if is_new else ""
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            module = getattr(node, "module", None) or node.names[0].name
            is_used = not names.isdisjoint(defined_by(node))
            is_new = not is_used and module.partition(".")[0] not in {*packages, *STANDARD}
        else:
            continue
        if is_new and source not in taken:
            found.append(f"{node.lineno}: {' '.join(source.split())[:100]}")
    return found


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield all statements, also those in others."""
    for node in body:
        yield node
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, ast.ExceptHandler):
                yield from statements(inner.body)
        children = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
        yield from statements([each for block in children for each in block])


def imported(tree: ast.Module) -> set[str]:
    """Return the names that a module imports at its top level."""
    nodes = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    return {name for node in nodes for name in defined_by(node)}


def is_target(value: object, migration: MigrationContext) -> bool:
    """Say whether an option is one more name for metadata that is compared: it has no effect."""
    target = migration.opts.get("target_metadata")
    return value is not None and any(value is each for each in (target, *as_list(target)))


def as_list(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else []


def same(value: object, other: object) -> bool:
    """Say whether two values are the same, of whatever type they are."""
    return type(value) is type(other) and bool(value == other)


def is_standard_hook(value: object) -> bool:
    """Say whether this is the function of the usual template that writes no empty revision, and no more."""
    try:
        source = dedent(inspect.getsource(value))  # type: ignore[arg-type]
        (function,) = ast.parse(source).body
    except (OSError, TypeError, SyntaxError):
        return False
    return STANDARD_HOOK in source and len(getattr(function, "body", ())) == 1


def shown(value: object) -> str:
    """Return how an option is shown."""
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
    source, imports = definitions(env, name)
    return {"code": name, "imports": imports, "source": source} if source or imports else nothing


def definitions(env: Path, name: str) -> tuple[str, list[str]]:
    """Return the source of a name of an env.py, and the imports that it needs; nothing if that is too much.

    What is no plain definition, as what is done in a ``with`` or an ``if``, is too much.
    """
    text = text_of(env)
    body = ast.parse(text).body
    where = {defined: index for index, node in enumerate(body) for defined in defined_by(node)}
    needed: set[int] = set()
    names = [name] if name in where else []
    while names:
        index = where[names.pop()]
        if index not in needed:
            needed.add(index)
            inner = [node.id for node in ast.walk(body[index]) if isinstance(node, ast.Name)]
            if isinstance(body[index], ast.Expr) and not {*inner} <= {*where, *dir(builtins)}:
                return "", []
            names += [used for used in inner if used in where]
    nodes = [body[index] for index in sorted(needed)]
    imports = [ast.unparse(n) for n in nodes if isinstance(n, (ast.Import, ast.ImportFrom))]
    others = [n for n in nodes if not isinstance(n, (ast.Import, ast.ImportFrom))]
    return "\n\n\n".join(source_of(node, text) for node in others), imports


def source_of(node: ast.stmt, text: str) -> str:
    """Return the source of a statement, with its decorators."""
    decorators = [f"@{ast.unparse(each)}\n" for each in getattr(node, "decorator_list", ())]
    return "".join(decorators) + (ast.get_source_segment(text, node) or "")


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
    if isinstance(node, ast.Expr) and ast.unparse(node).startswith(f"{REGISTERED}("):
        return [f"{REGISTERED}()"]
    return []
