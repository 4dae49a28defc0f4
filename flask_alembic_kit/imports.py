"""The imports of a new env.py, in the order of isort and ruff."""

import ast
import sys
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from .layout import Layout

LINE = 88  # characters; a longer statement has a name a line


def import_lines(imports: list[Any]) -> list[str]:
    """Return an import statement for each pair of module and name; without a module it is one itself."""
    return [
        f"from {module} import {name}" if module else f"import {name}" for module, name in imports
    ]


def without_imports(source: str) -> tuple[str, list[str]]:
    """Return definitions without the imports among them, and those, a line each."""
    kept, found = [], []
    for node in ast.parse(source).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.append(ast.unparse(node))
        else:
            kept.append(ast.get_source_segment(source, node) or "")
    return "\n\n\n".join(kept), found


def tidy(text: str, layout: Layout) -> str:
    """Return a module with each block of its imports sorted, the app's own last."""
    lines = text.splitlines()
    for nodes in reversed([*blocks(text)]):
        first, last = nodes[0].lineno - 1, nodes[-1].end_lineno or 0
        lines[first:last] = ordered(nodes, lines, layout)
    return "\n".join(lines) + "\n"


def blocks(text: str) -> Iterator[list[ast.Import | ast.ImportFrom]]:
    """Yield the imports of a module that stand together: no statement and no comment is between them."""
    lines = text.splitlines()
    found: list[ast.Import | ast.ImportFrom] = []
    for node in ast.parse(text).body:
        is_import = isinstance(node, (ast.Import, ast.ImportFrom))
        before = lines[found[-1].end_lineno : node.lineno - 1] if found else []
        if found and (not is_import or any(before)):
            yield found
            found = []
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.append(node)


def ordered(
    nodes: list[ast.Import | ast.ImportFrom], lines: list[str], layout: Layout
) -> list[str]:
    """Return the lines of imports: those of one module in one statement, a blank line between the kinds."""
    names: dict[tuple[int, bool, str, str], set[str]] = {}
    for node in nodes:
        for alias in node.names:
            if isinstance(node, ast.Import):
                key = (kind(alias.name, layout), False, alias.name, lines[node.lineno - 1])
                names[key] = set()
            else:
                module = node.module or ""
                renamed = ast.unparse(alias) if alias.asname else ""
                key = (kind(module, layout), True, module, renamed)
                names.setdefault(key, set()).add(ast.unparse(alias))
    found: list[str] = []
    for _, group in groupby(sorted(names, key=in_order), key=lambda key: key[0]):
        found += [""] * bool(found)
        for key in group:
            found += [key[3]] if not key[1] else statement(key[2], names[key])
    return found


def in_order(key: tuple[int, bool, str, str]) -> tuple[Any, ...]:
    """Return what import statements are sorted by."""
    section, is_from, module, rest = key
    return section, is_from, module.lower(), rest.lower()


def kind(module: str, layout: Layout) -> int:
    """Return 0 for a module of Python, 1 for one that is installed, 2 for one of the app."""
    top = module.partition(".")[0]
    folders = (layout.root, layout.root / "src", *layout.paths)
    places = [folder / name for folder in folders for name in (top, f"{top}.py")]
    if top in sys.stdlib_module_names:
        return 0
    return 2 if top == layout.module.partition(".")[0] or any(p.exists() for p in places) else 1


def statement(module: str, names: set[str]) -> list[str]:
    """Return the lines of an import from a module: constants first, then classes, then all else."""
    rank = {name: (not name.isupper(), not name[0].isupper(), name.lower()) for name in names}
    inner = sorted(names, key=rank.__getitem__)
    line = f"from {module} import {', '.join(inner)}"
    if len(line) <= LINE:
        return [line]
    return [f"from {module} import (", *(f"    {name}," for name in inner), ")"]
