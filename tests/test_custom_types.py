"""Types that are not SQLAlchemy's: what autogenerate writes of them runs without an edit."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from kit import Project
from test_autogenerate import on_server

# The app's own: one whose repr() says how to make it again, one whose does not, and in between.
TYPES = '''"""Types of the app."""

from typing import Any

from sqlalchemy import Dialect, Numeric, String, Text, TypeDecorator
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import TypeEngine, UserDefinedType


class Money(TypeDecorator[Any]):
    """With the arguments of what it is stored as, which repr() shows."""

    impl = Numeric
    cache_ok = True


class Code(TypeDecorator[Any]):
    """Takes something that repr() leaves out, and by which the column differs."""

    impl = String
    cache_ok = True

    def __init__(self, country: str = "de") -> None:
        super().__init__({"de": 11, "fr": 13}[country])
        self.country = country

    def __repr__(self) -> str:
        return "Code()"


class Digits(TypeDecorator[Any]):
    """Is stored as something else by each database."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Numeric(20, 0) if dialect.name == "mysql" else String(20))


class Long(TypeDecorator[Any]):
    """Takes what repr() leaves out, and decides by that which variants it has."""

    impl = Text
    cache_ok = True

    def __init__(self, is_long: bool = False) -> None:
        super().__init__()
        if is_long:
            self.impl = Text().with_variant(mysql.LONGTEXT(), "mysql")
            self.impl = self.impl.with_variant(postgresql.JSONB(), "postgresql")


class Point(UserDefinedType[Any]):
    """Is a type of its own, as the database spells it."""

    cache_ok = True

    def __init__(self, places: int) -> None:
        self.places = places

    def get_col_spec(self, **_: Any) -> str:
        return f"VARCHAR({2 * self.places})"
'''

COLUMNS = {
    "price": "Money(10, 2)",
    "code": 'Code("fr")',
    "digits": "Digits()",
    "long": "Long(is_long=True)",
    "place": "Point(places=9)",
    "mail": "sqlalchemy_utils.EmailType(200)",
    "site": "sqlalchemy_utils.URLType",
    "token": "sqlalchemy_utils.UUIDType(binary=False)",
    "colour": 'sqlalchemy_utils.ChoiceType([("r", "red"), ("g", "green")], impl=String(7))',
}

# All in one process: to start Python so often takes longer than all that.
GO = """
from alembic import command
from PACKAGE import create_app
from PACKAGE.db import db
from PACKAGE.migrations import alembic_config, differences
from PACKAGE.types import Code


def go(message):
    command.revision(alembic_config(), message, autogenerate=True)
    command.upgrade(alembic_config(), "head")
    command.check(alembic_config())
    command.downgrade(alembic_config(), "-1")
    assert differences().keys() == {"default"}
    command.upgrade(alembic_config(), "head")


with create_app().app_context():
    command.upgrade(alembic_config(), "head")
    go("types")
    db.metadata.tables["sales"].columns["code"].type = Code("de")
    go("change")
"""


@pytest.mark.parametrize(
    ("variant", "dialect"),
    [
        *(("multidb", "sqlite"), ("generic", "postgresql")),
        *(pytest.param("generic", each, marks=pytest.mark.slow) for each in ("sqlite", "mysql")),
    ],
)
def test_revision_with_types_of_others_runs_up_and_down(
    variant: str, dialect: str, rendered: Callable[..., Project], tmp_path: Path
) -> None:
    project = rendered(variant=variant).copy(tmp_path)
    (project.folder / project.package / "types.py").write_text(TYPES, encoding="utf-8")
    columns = "".join(
        f"    {name}: Mapped[Any | None] = mapped_column({type_})\n"
        for name, type_ in COLUMNS.items()
    )
    with (project.folder / project.package / "models.py").open("a", encoding="utf-8") as models:
        models.write(
            "\n\nimport sqlalchemy_utils\nfrom .types import *\n\n\n"
            'class Sale(Model):\n    __tablename__ = "sales"\n'
            f"    id: Mapped[int] = mapped_column(primary_key=True)\n{columns}"
        )
    with on_server(dialect, project) if dialect != "sqlite" else nullcontext():
        project.python("-W", "error", "-c", GO.replace("PACKAGE", project.package))
    (revision,) = project.versions.glob("*_types.py")
    text = revision.read_text(encoding="utf-8")
    assert f"sa.Column('price', {project.package}.types.Money(precision=10, scale=2)" in text
    assert "sa.String(length=13)" in text and "Code" not in text and "sqltypes" not in text
    assert "sqlalchemy_utils.types.email.EmailType(length=200)" in text
