"""Checksums of a revision: of its file, and of what it does; for the log."""

import ast
from hashlib import sha256
from typing import Any


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def meaning(source: bytes) -> str:
    """Return a checksum that whitespace, comments, quotes and docstrings do not change.

    It is the same in every version of Python, as ``ast.dump()`` is not.
    """
    return digest(repr(shape(ast.parse(source))).encode())


def shape(node: Any) -> Any:
    if isinstance(node, list):
        return [shape(each) for each in node if not is_text(each)]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [
        (name, shape(value)) for name, value in ast.iter_fields(node) if value not in (None, [])
    ]
    return type(node).__name__, fields


def is_text(node: Any) -> bool:
    """Say whether a statement is a text that nobody uses, such as a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
