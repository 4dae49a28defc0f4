"""The lines of an app that use the old tool, and what becomes of each."""

import ast
import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

from .layout import TOOLS, own_folders

CLASSES = ("Migrate", "Alembic", "MigrateCommand")
OTHER_NAME = "migrations"  # of the command, where `db` is another
GOES = "remove it"
# Methods of Flask-Alembic, and what they take for the revision if nobody gives one.
METHODS = {"upgrade": '"heads"', "downgrade": '"-1"', "stamp": '"heads"'}
# What is Alembic's own, though some import it from Flask-Migrate.
ALEMBIC = {"command": "alembic", "Config": "alembic.config", "CommandError": "alembic.util"}


def in_front() -> str | None:
    """Return which installed package brings a ``flask db`` that comes before the app's own.

    Flask-Migrate before 4 does.
    """
    for found in entry_points(group="flask.commands"):
        if found.name == "db":
            return f"{found.dist.name} {found.dist.version}" if found.dist else found.value
    return None


def command_line(module: str, app: str = "app", name: str | None = None) -> str:
    """Return the line that adds the kit's commands to an app.

    :param app: the expression for the app
    :param name: of the command in Python, if it is not ``db``
    """
    arguments = f"kit.db, {name}" if name else "kit.db"
    return f"from {module} import kit; {app}.cli.add_command({arguments})"


def lines(root: Path, module: str, name: str | None = None) -> list[str]:
    """Return a line for each place that imports or registers an old tool, with what to write instead.

    :param module: what the new migrations are imported as
    :param name: of the command in Python, where the old tool's was ``db``
    """
    found = []
    texts = dict(sources(root))
    used = {
        path: parsed(text) for path, text in texts.items() if any(tool in text for tool in TOOLS)
    }
    objects = {name for tree in used.values() for name in extensions(tree)[1]}
    for path, text in texts.items():
        if path in used or any(name in text for name in objects):
            used.setdefault(path, parsed(text))
    for path, tree in sorted(used.items()):
        begins = [each.lineno for each in ast.walk(tree) if isinstance(each, ast.stmt)]
        for line, advice in sorted(set(advices(tree, objects, module, name))):
            place = f"{path.relative_to(root).as_posix()}:{line}"
            code = texts[path].split("\n")[line - 1].strip()
            rest = "  # the rest of the line stays" if begins.count(line) > 1 else ""
            found.append(f"{place}: {code}\n        {advice}{rest}")
    return found


def makers(root: Path) -> list[str]:
    """Return the lines that make tables from models, but for those of the tests."""
    found = []
    for path, text in sources(root):
        name = path.relative_to(root).as_posix()
        if re.search(r"(^|/)(tests?/|tests?\.py$|test_|conftest)", name):
            continue
        tree = parsed(text) if "create_all" in text else ast.Module([], [])
        for node in ast.walk(tree):
            if getattr(node, "attr", getattr(node, "id", "")) == "create_all":
                line = getattr(node, "lineno", 0)
                found.append(f"{name}:{line}: {text.splitlines()[line - 1].strip()}")
    return found


def sources(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield the modules of the app, with their text."""
    for folder, names in own_folders(root):
        for path in (folder / name for name in names if re.match(r"[^.].*\.py$", name)):
            if path.is_file():
                yield path, path.read_text(encoding="utf-8-sig", errors="replace")


def parsed(text: str) -> ast.Module:
    """Return the tree of a module; an empty one if this Python cannot read it."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):  # the latter for a NUL, before Python 3.12
        return ast.Module([], [])


def extensions(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Return what the extension's class is called in a module, and the names of the objects made of it."""
    classes = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in TOOLS
        for alias in node.names
        if alias.name in CLASSES
    } | {f"{tool}.{name}" for tool in TOOLS for name in CLASSES}
    objects = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and is_call_of(node.value, classes)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    return classes, objects


def advices(
    tree: ast.Module, objects: set[str], module: str, name: str | None
) -> Iterator[tuple[int, str]]:
    """Yield for each line what to do with it.

    :param objects: the names of the old extension, wherever it was made
    """
    classes, _ = extensions(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in TOOLS:
            place = f"{module}.kit" if node.module == "flask_migrate.cli" else module
            names: dict[str, list[str]] = {}
            for alias in (each for each in node.names if each.name not in CLASSES):
                names.setdefault(ALEMBIC.get(alias.name, place), []).append(ast.unparse(alias))
            lines = [f"from {where} import {', '.join(named)}" for where, named in names.items()]
            yield node.lineno, "; ".join(lines) or GOES
        elif isinstance(node, ast.ImportFrom) and any(each.name in objects for each in node.names):
            kept = [alias for alias in node.names if alias.name not in objects]
            line = ast.unparse(ast.ImportFrom(node.module, kept, node.level))
            yield node.lineno, line if kept else GOES
        elif isinstance(node, ast.Import):
            for tool in {alias.name for alias in node.names if alias.name.split(".")[0] in TOOLS}:
                commands = f"from {module} import kit  # kit.db has the commands"
                name_of = " as flask_migrate" if tool == "flask_migrate" else ""
                imported = f"import {module}{name_of}"
                yield node.lineno, commands if tool.endswith(".cli") else imported
        elif isinstance(node, (ast.Tuple, ast.List)):  # as in: for each in (db, migrate): ...
            for old in {getattr(each, "id", "") for each in node.elts} & objects:
                yield node.lineno, f"without {old}"
        elif isinstance(node, ast.Call):
            function = node.func
            method = function.attr if isinstance(function, ast.Attribute) else ""
            inner = function.value if isinstance(function, ast.Attribute) else None
            is_old = getattr(inner, "id", getattr(inner, "attr", None)) in objects
            if is_call_of(node, classes):
                yield node.lineno, registration(node, module, name) if node.args else GOES
            elif is_old and method == "init_app":
                yield node.lineno, registration(node, module, name)
            elif is_old and method in METHODS:
                to = ast.unparse(node.args[0]) if node.args else METHODS[method]
                yield node.lineno, f"from {module} import {method}; {method}(revision={to})"


def is_call_of(node: ast.AST | None, names: set[str]) -> bool:
    """Say whether a node is a call of one of several functions."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) in names


def registration(node: ast.Call, module: str, name: str | None) -> str:
    """Return the line that adds ``flask db`` to an app, in the place of a call that did it."""
    app = ast.unparse(node.args[0]) if node.args else "app"
    if app.endswith("db"):
        return GOES
    names = [ast.unparse(each.value) for each in node.keywords if each.arg == "command"]
    return command_line(module, app, next(iter(names), name))
