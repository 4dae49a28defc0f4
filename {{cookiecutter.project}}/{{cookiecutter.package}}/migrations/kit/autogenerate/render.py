"""Writes types that are not SQLAlchemy's into a revision, with the imports that they need.

https://alembic.sqlalchemy.org/en/latest/autogenerate.html#affecting-the-rendering-of-types-themselves
"""

import re
from contextlib import suppress
from typing import Any, Literal

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

# A type within another, as PostgreSQL's have them: without its module if the database is another.
BARE = re.compile(r"(?<![.\w'])[A-Z]\w*(?=\()")


def render_item(kind: str, item: Any, autogenerate: AutogenContext) -> str | Literal[False]:
    """Return a type as Python, and let the revision import its module.

    If its ``repr()`` leaves out what it was made with, this is the type that the database gets.

    :return: False if Alembic itself writes it correctly
    """
    if kind != "type":
        return False
    dialect = autogenerate.dialect
    is_own = type(item).__module__.startswith("sqlalchemy.")
    is_made = isinstance(item, TypeDecorator) and not is_own
    impl = item.load_dialect_impl(dialect) if is_made else item
    for type_ in dict.fromkeys([item, impl, as_public(impl, dialect)]):
        module, line = module_of(type_)
        theirs = autogenerate.migration_context.impl.render_type(type_, autogenerate)
        written = BARE.sub(
            lambda name: f"sa.{name[0]}" if hasattr(sa, name[0]) else name[0],
            theirs or f"{module}.{type_!r}",
        )
        with suppress(Exception):  # whatever the code of a type raises
            names: dict[str, Any] = {"sa": sa}
            exec(line, names)  # noqa: S102 (it is an import)
            # A variant for another kind of database is compared as that has it.
            target = names[module].dialect() if is_own and line.startswith("from ") else dialect
            if eval(written, names).compile(target) == item.compile(target):
                autogenerate.imports |= {line} - {""}
                is_same = is_own and type_ is item and (theirs or target is dialect)
                return False if is_same else written
    return False


def module_of(type_: Any) -> tuple[str, str]:
    """Return the module of a type as a revision names it, and the line that imports it."""
    path = type(type_).__module__
    if path.startswith("sqlalchemy.dialects."):
        name = path.split(".")[2]
        return name, f"from sqlalchemy.dialects import {name}"
    return ("sa", "") if path.startswith("sqlalchemy.") else (path, f"import {path}")


def as_public(item: Any, dialect: Dialect) -> Any:
    """Return the type that a dialect has for another, with variants; no class of a driver."""
    impl = item.dialect_impl(dialect)
    return impl.adapt(next(c for c in type(impl).__mro__ if not c.__name__.startswith("_")))
