"""``db`` is the same in every layer: engines of each app, a session of each app context."""

from collections.abc import Callable
from pathlib import Path

import pytest
from kit import CHOICES, Project


@pytest.fixture(params=CHOICES["layer"])
def layer(request: pytest.FixtureRequest) -> str:
    """Every layer in turn."""
    return str(request.param)


@pytest.fixture
def generic(rendered: Callable[..., Project], layer: str, tmp_path: Path) -> Project:
    """A project with one database, in every layer in turn."""
    return rendered(project="shop", variant="generic", layer=layer).copy(tmp_path / "generic")


@pytest.fixture
def multidb(rendered: Callable[..., Project], layer: str, tmp_path: Path) -> Project:
    """A project with several databases, in every layer in turn."""
    return rendered(project="shop", variant="multidb", layer=layer).copy(tmp_path / "multidb")


START = """
from alembic import command
from sqlalchemy import insert, inspect, select
from shop import create_app
from shop.db import db
from shop.migrations import alembic_config
from shop.models import Post, User

def migrated(**config):
    app = create_app(config)
    with app.app_context():
        command.upgrade(alembic_config(), "head")
    return app
"""


def test_session_belongs_to_the_app_context_and_is_rolled_back(generic: Project) -> None:
    generic.python(
        "-c",
        START
        + """
app = migrated()
with app.app_context():
    user = User(name="committed")
    db.session.add(user)
    first = inspect(user).session
    db.session.commit()
    db.session.add(User(name="flushed"))
    db.session.flush()
    with app.app_context():
        other = User(name="other")
        db.session.add(other)
        assert inspect(other).session is not first
assert not first.in_transaction() and not first.identity_map.values()
try:
    with app.app_context():
        db.session.add(User(name="failed"))
        db.session.flush()
        raise RuntimeError
except RuntimeError:
    pass
with app.app_context():
    assert db.session.scalars(select(User.name)).all() == ["committed"]
    db.session.rollback()
    assert db.engine.pool.checkedout() == 0
""",
    )


def test_apps_in_one_process_do_not_mix(multidb: Project) -> None:
    multidb.python(
        "-c",
        START
        + """
apps = [
    migrated(
        SQLALCHEMY_DATABASE_URI=f"sqlite:///default{number}.db",
        SQLALCHEMY_BINDS={"auth": f"sqlite:///auth{number}.db"},
    )
    for number in range(2)
]
for number, app in enumerate(apps):
    with app.app_context():
        db.session.add(User(name=f"user {number}"))
        db.session.add(Post(title=f"post {number}", author_id=1))
        db.session.commit()
for number, app in enumerate(apps):
    with app.app_context():
        assert db.session.scalars(select(User.name)).all() == [f"user {number}"]
        assert db.session.scalars(select(Post.title)).all() == [f"post {number}"]
        files = {engine.url.database.split("/")[-1] for engine in db.engines.values()}
        assert files == {f"default{number}.db", f"auth{number}.db"}
""",
    )


def test_options_of_the_engines_are_honoured(multidb: Project) -> None:
    multidb.python(
        "-c",
        START
        + """
app = migrated(
    SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 3, "connect_args": {"timeout": 7}},
    SQLALCHEMY_BINDS={"auth": {"url": "sqlite:///other.db", "pool_size": 4}},
)
with app.app_context():
    assert db.engine.pool.size() == 3
    assert db.engines["auth"].pool.size() == 4
    for engine, milliseconds in ((db.engine, 7000), (db.engines["auth"], 5000)):
        with engine.connect() as connection:
            found = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
            assert found == milliseconds, (found, milliseconds)
    assert inspect(db.engines["auth"]).has_table("users")
""",
    )
    assert (multidb.folder / "instance" / "other.db").exists()


def test_each_model_is_read_and_written_in_its_own_database(multidb: Project) -> None:
    multidb.python(
        "-c",
        START
        + """
with migrated().app_context():
    db.session.add_all([User(name="Ada"), Post(title="Hello", author_id=1)])
    db.session.commit()
    db.session.execute(insert(User.__table__).values(name="Grace"))
    db.session.execute(insert(User).values(name="Edsger"))
    db.session.commit()
    assert len(db.session.scalars(select(User)).all()) == 3
    assert len(db.session.scalars(select(Post)).all()) == 1
    db.session.rollback()
    with db.engines["auth"].connect() as connection:
        assert len(connection.execute(select(User.id)).all()) == 3
        assert not inspect(connection).has_table("posts")
    with db.engine.connect() as connection:
        assert len(connection.execute(select(Post.id)).all()) == 1
        assert not inspect(connection).has_table("users")
""",
    )


def test_view_says_what_is_wrong_with_a_post(generic: Project, multidb: Project) -> None:
    """How long a text may be, it knows from the model."""
    for project in (generic, multidb):
        project.edit("models.py", "String(200)", "String(5)")
        project.python(
            "-c",
            START
            + """
client = migrated().test_client()

def refused(key, longest, **request):
    response = client.post("/", **request)
    assert response.status_code == 400, response.text
    assert response.json == {
        "error": f"Send JSON: an object whose '{key}' is a string of 1 to {longest} characters."
    }

title, author = "x" * 5, "y" * 80
for body in ([], [{"title": title, "author": author}], None, 1, "title", {}, {"author": author}):
    refused("title", 5, json=body)
for wrong in (None, 1, ["x"], "", title + "x"):
    refused("title", 5, json={"title": wrong, "author": author})
for wrong in (None, 1, ["x"], "", author + "y"):
    refused("author", 80, json={"title": title, "author": wrong})
refused("title", 5, data="{", content_type="application/json")
refused("title", 5, data={"title": title, "author": author})
assert client.get("/").json == []
stored = client.post("/", json={"title": title, "author": author})
assert stored.status_code == 201
assert client.get("/").json == [stored.json]
""",
        )


def test_a_database_can_be_added(multidb: Project, layer: str) -> None:
    """As the generated README says."""
    multidb.alembic("upgrade", "head")
    multidb.edit(
        "config.py", '"SQLALCHEMY_BINDS": {', '"SQLALCHEMY_BINDS": {"log": "sqlite:///log.db", '
    )
    db = (multidb.folder / "shop" / "db.py").read_text(encoding="utf-8")
    start = db.index("class AuthModel")
    end = db.index("\n\n\n", start) if "\n\n\n" in db[start:] else len(db)
    model = db[start:end].replace("AuthModel", "LogModel").replace("auth", "log")
    multidb.edit("db.py", db[start:end], f"{db[start:end].rstrip()}\n\n\n{model}")
    if "MODELS" in db:
        multidb.edit("db.py", '"auth": AuthModel}', '"auth": AuthModel, "log": LogModel}')
    multidb.edit("models.py", "import AuthModel, Model", "import AuthModel, LogModel, Model")
    multidb.edit("models.py", "class User", LOG_MODEL + "\n\nclass User")
    multidb.alembic("upgrade", "head")
    multidb.new_revision("--autogenerate", "-m", "log")
    multidb.alembic("upgrade", "head")
    multidb.alembic("check")
    multidb.python(
        "-c",
        START
        + """
from shop.models import Entry

with create_app().app_context():
    db.session.add(Entry())
    db.session.commit()
    assert db.engines["log"].connect().execute(select(Entry.id)).all() == [(1,)]
""",
    )


LOG_MODEL = '''
class Entry(LogModel):
    """A line of the log."""

    __tablename__ = "entries"

    id: Mapped[int] = mapped_column(primary_key=True)
'''

MORE = """
import sqlalchemy as sa

more = sa.MetaData()
sa.Table("extra", more, sa.Column("id", sa.Integer, primary_key=True))
"""


def test_several_metadatas_of_one_database(generic: Project, multidb: Project) -> None:
    generic.edit(
        "migrations/env.py",
        "target_metadata = db.metadata\n",
        f"{MORE}\ntarget_metadata = [db.metadata, more]\n",
    )
    multidb.edit("migrations/env.py", "\n\ndef databases", f"{MORE}\n\ndef databases")
    multidb.edit("migrations/env.py", '"default": db.metadata}', '"default": [db.metadata, more]}')
    for project in (generic, multidb):
        project.alembic("upgrade", "head")
        revision = project.new_revision("--autogenerate", "-m", "extra")
        assert revision.count("op.create_table") == 1
        project.alembic("upgrade", "head")
        assert "extra" in project.tables("default")
        project.alembic("check")


def test_engine_that_the_app_made_itself(generic: Project) -> None:
    generic.edit(
        "migrations/env.py",
        "# What autogenerate",
        "import sqlalchemy as sa\n\nengine = sa.create_engine('sqlite:///mine.db')\n\n"
        "# What autogenerate",
    )
    generic.edit("migrations/env.py", "guarded(db.engine)", "guarded(engine)")
    generic.alembic("upgrade", "head")
    assert (generic.folder / "mine.db").exists()
    assert not generic.databases["default"].exists()
