"""The lines of an app that use the old tool, and what becomes of each."""

import ast
from collections.abc import Iterator
from pathlib import Path

TOOLS = ("flask_migrate", "flask_alembic")
SKIPPED = {"node_modules", "site-packages", "__pycache__", "build", "dist"}


def lines(root: Path, module: str) -> list[str]:
    """Return a line for each place that imports or registers an old tool, with what to write instead.

    :param module: what the new migrations are imported as
    """
    found = []
    for path in sources(root):
        text = path.read_text(encoding="utf-8", errors="replace")
        if not any(tool in text for tool in TOOLS):
            continue
        try:
            tree = ast.parse(text)
        except SyntaxError:
            continue
        for line, advice in sorted(set(advices(tree, module))):
            place = f"{path.relative_to(root).as_posix()}:{line}"
            code = text.splitlines()[line - 1].strip()
            found.append(f"{place}: {code}\n        {advice}")
    return found


def sources(root: Path) -> Iterator[Path]:
    """Yield the modules below a folder that are the app's own."""
    for path in sorted(root.iterdir()):
        if path.name.startswith(".") or path.name in SKIPPED:
            continue
        if path.is_dir() and not path.is_symlink() and not (path / "pyvenv.cfg").exists():
            yield from sources(path)
        elif path.suffix == ".py" and path.is_file():
            yield path


def advices(tree: ast.Module, module: str) -> Iterator[tuple[int, str]]:
    """Yield for each line what to do with it."""
    extensions: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in TOOLS:
            names = [alias.name for alias in node.names]
            others = [name for name in names if name not in ("Migrate", "Alembic", "db")]
            extensions |= {alias.asname or alias.name for alias in node.names} - {*others}
            if others:
                yield node.lineno, f"from {module} import {', '.join(others)}"
            if names != others:
                yield node.lineno, f"from {module}.kit import db as migrations_command"
        elif isinstance(node, ast.Import) and any(
            a.name.split(".")[0] in TOOLS for a in node.names
        ):
            yield node.lineno, f"import {module}"
    objects = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and is_call_of(node.value, extensions)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        first = node.args[0] if node.args else None
        if is_call_of(node, extensions):
            yield node.lineno, registration(first.id) if isinstance(first, ast.Name) else "goes"
        elif (
            isinstance(node.func, ast.Attribute)
            and node.func.attr == "init_app"
            and isinstance(node.func.value, ast.Name)
            and (node.func.value.id in objects or node.func.value.id in ("migrate", "alembic"))
        ):
            yield node.lineno, registration(first.id if isinstance(first, ast.Name) else "app")


def is_call_of(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def registration(app: str) -> str:
    """Return the line that adds ``flask db`` to an app."""
    return f"{app}.cli.add_command(migrations_command)"
