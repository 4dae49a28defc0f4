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
    words: list[str] = []
    spell(ast.parse(source), words)
    return digest("\n".join(words).encode())


def spell(node: Any, words: list[str]) -> None:
    """Add what a part of a syntax tree says, without what is empty."""
    if isinstance(node, ast.AST):
        words.append(type(node).__name__)
        for name, value in ast.iter_fields(node):
            if value is not None and value != []:
                words.append(name)
                spell(value, words)
    elif isinstance(node, list):
        statements = [each for each in node if not is_text(each)]
        words.append(str(len(statements)))
        for each in statements:
            spell(each, words)
    else:
        words.append(repr(node))


def is_text(node: Any) -> bool:
    """Say whether a statement is a text that nobody uses, such as a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
