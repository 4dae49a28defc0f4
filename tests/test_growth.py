"""A project gets more databases, and fewer; its revisions and rows stay."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from kit import Project, render
from recipes import (
    POSTS,
    USERS,
    empty_databases,
    follow,
    on_each_dialect,
    recipe,
    schema,
    there_and_back,
    using,
    walk,
    write_rows,
)

pytestmark = pytest.mark.slow

# In the layer that is asked first.
LOGIN = '''

class Login(AuthModel):
    """When somebody came."""

    __tablename__ = "logins"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
'''
ENTRY = (
    LOGIN.replace("(AuthModel)", "(Model)")
    .replace("Login", "Entry")
    .replace('__tablename__ = "logins"', '__bind_key__ = "log"\n    __tablename__ = "entries"')
)


@pytest.fixture
def shop(rendered: Callable[..., Project], tmp_path: Path) -> Callable[[str], Project]:
    """Return a project, named as that of the recipes, in a variant."""

    def copy(variant: str) -> Project:
        return rendered(project="shop", variant=variant).copy(tmp_path / "work")

    return copy


def add_to_models(project: Project, text: str) -> None:
    """Add to the models, with the base class of those in ``auth``."""
    models = project.folder / "shop" / "models.py"
    before = models.read_text(encoding="utf-8")
    before = before.replace("import Model\n", "import AuthModel, Model\n")
    models.write_text(before + text, encoding="utf-8")


def take_from_models(project: Project, text: str) -> None:
    """Take back what was added."""
    project.edit("models.py", text, "")
    models = project.folder / "shop" / "models.py"
    before = models.read_text(encoding="utf-8")
    if "(AuthModel)" not in before:
        models.write_text(before.replace("AuthModel, ", ""), encoding="utf-8")


def test_from_one_database_to_several(shop: Callable[[str], Project], tmp_path: Path) -> None:
    project = shop("generic")
    with on_each_dialect(tmp_path, "default", "auth") as databases:
        sqlite, _ = databases
        project.add_column()
        walk(project.folder, [sqlite], "upgrade head", "revision --autogenerate -m body")
        walk(project.folder, databases, "upgrade head")
        for each in databases:
            write_rows(each, {"default": [USERS, POSTS]})

        follow(recipe("From one database to several"), project.folder)
        for file in ("shop/config.py", "tests/conftest.py"):
            shutil.copy(tmp_path / "work" / "kit" / "shop" / file, project.folder / file)
        add_to_models(project, LOGIN)
        follow(recipe("Add or remove a database"), project.folder, sqlite)

        rows = {"default": {"users": 2, "posts": 2}, "auth": {"logins": 0}}
        there_and_back(project.folder, databases, rows)


def test_database_that_exists(shop: Callable[[str], Project], tmp_path: Path) -> None:
    """Its tables were there before the project, and keep their rows."""
    project = shop("generic")
    with empty_databases("sqlite", tmp_path, "default") as databases:
        create = "from shop import *; create_app().app_context().push(); db.create_all()"
        project.python("-c", create, env=using(databases))
        write_rows(databases, {"default": [USERS, POSTS]})

        follow(recipe("A database that exists"), project.folder, databases)

        (first,) = project.versions.glob("*.py")
        assert "create_table('posts'" in first.read_text(encoding="utf-8")
        project.add_column()
        walk(project.folder, [databases], "revision --autogenerate -m body")
        rows = {"default": {"users": 2, "posts": 2}}
        assert walk(project.folder, [databases], "upgrade head", "check", "rows") == [rows]


def test_from_several_databases_to_one(shop: Callable[[str], Project], tmp_path: Path) -> None:
    """One revision is from when there was one database, the next has a part for each of two."""
    project = shop("multidb")
    (first,) = project.versions.glob("*.py")
    one = render(tmp_path / "one", {"project": "shop", "variant": "generic"})
    shutil.copy(one.versions / first.name, first)
    shutil.copy(one.folder / "shop" / "models.py", project.folder / "shop")
    add_to_models(project, LOGIN)
    with on_each_dialect(tmp_path, "default", "auth") as databases:
        project.add_column()
        revise = ("upgrade head", "revision --autogenerate -m both")
        walk(project.folder, databases[:1], *revise)
        walk(project.folder, databases, "upgrade head")
        for each in databases:
            write_rows(each, {"default": [USERS, POSTS]})

        take_from_models(project, LOGIN)
        commands = recipe("From one database to several")
        follow(commands.replace("variant=multidb", "variant=generic"), project.folder)

        default = [{"default": each["default"]} for each in databases]
        there_and_back(project.folder, default, {"default": {"users": 2, "posts": 2}})


@pytest.mark.slow
def test_database_more_and_one_less(shop: Callable[[str], Project], tmp_path: Path) -> None:
    project = shop("multidb")
    rows = {"default": {"posts": 2}, "auth": {"users": 2}, "log": {"entries": 0}}
    log = ', "log": os.environ["LOG_DATABASE_URL"]}'
    with (
        on_each_dialect(tmp_path / "grown", *rows) as grown,
        on_each_dialect(tmp_path / "rebuilt", *rows) as rebuilt,
    ):
        walk(project.folder, grown, "upgrade head")
        for each in grown:
            write_rows(each, {"default": [POSTS], "auth": [USERS]})

        project.edit("config.py", '("AUTH_DATABASE_URL")}', f'("AUTH_DATABASE_URL"){log}')
        add_to_models(project, ENTRY)
        follow(recipe("Add or remove a database"), project.folder, grown[0])

        walk(project.folder, grown + rebuilt, "upgrade head", "check")
        for each, other in zip(grown, rebuilt, strict=True):
            for name in rows:
                assert schema(each[name]) == schema(other[name])
        there_and_back(project.folder, grown, rows)

        project.edit("config.py", log, "}")
        take_from_models(project, ENTRY)
        for each in rebuilt:
            write_rows(each, {"default": [POSTS], "auth": [USERS]})
        del rows["log"]
        left = [{name: each[name] for name in rows} for each in rebuilt]
        there_and_back(project.folder, left, rows)


def test_revision_with_a_dispatcher_of_its_own_leaves_unknown_databases_alone(
    multidb: Project, tmp_path: Path
) -> None:
    """As Flask-Migrate's of before there was a second database."""
    body = 'op.create_table("old", sa.Column("id", sa.Integer(), primary_key=True))'
    names = {"upgrade_": body, "downgrade_": 'op.drop_table("old")'}
    multidb.add_revision("", **names)
    (path,) = multidb.versions.glob("9*.py")
    text = path.read_text(encoding="utf-8")
    for direction in ("upgrade", "downgrade"):
        text = text.replace(f"def {direction}_default(", f"def unused_{direction}(")
        new = f'globals()["{direction}_%s" % engine_name]()'
        text = text.replace(f'globals().get(f"{direction}_{{engine_name}}", lambda: None)()', new)
    assert ".get(" not in text
    path.write_text(text.replace("():\n\n", "():\n    pass\n\n"), encoding="utf-8")
    with on_each_dialect(tmp_path, "default", "auth") as databases:
        steps = ("upgrade head", "rows", "downgrade -1", "rows", "upgrade head --sql")
        before = {"default": {"posts": 0}, "auth": {"users": 0}}
        after = {"default": {"posts": 0, "old": 0}, "auth": {"users": 0}}
        assert walk(multidb.folder, databases, *steps) == [after, before] * 2
