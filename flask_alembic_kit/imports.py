"""The imports of a new env.py, in the order of isort and ruff."""

import isort

from .layout import Layout


def tidy(text: str, layout: Layout) -> str:
    """Return a module with each block of its imports sorted, the app's own last."""
    own = [layout.module.partition(".")[0]]
    folders = (layout.root, layout.root / "src", *layout.paths)
    return isort.code(text, profile="black", known_first_party=own, src_paths=folders)
