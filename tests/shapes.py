"""Apps that exist, in the shapes that they have in public: built by the real other tools, with rows."""

import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from kit import ENVIRONMENT, ROOT, compile_modules, run

compile_modules(ROOT / "flask_alembic_kit")

USERS = ["INSERT INTO users (id, name) VALUES (1, 'Ada'), (2, 'Bob')"]
POSTS = [
    "INSERT INTO posts (id, title, author_id) VALUES (1, 'One', 1), (2, 'Two', 1), (3, 'Three', 2)"
]
SECOND = "    # the second revision"

DB = """\
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()
"""
USER = """\
class User(db.Model):
    __tablename__ = "users"{bind}

    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(80), unique=True, nullable=False)
"""
POST = """\
class Post(db.Model):
    __tablename__ = "posts"

    id = db.Column(db.Integer, primary_key=True)
    title = db.Column(db.String(200))
    author_id = db.Column({key}nullable=False, index=True)
    # the second revision
"""
USERS_MODEL = USER.format(bind="")
POSTS_MODEL = POST.format(key='db.ForeignKey("users.id"), ')
MODELS = f"from .extensions import db\n\n\n{USERS_MODEL}\n\n{POSTS_MODEL}"
SEVERAL = (
    "from .extensions import db\n\n\n"
    + USER.format(bind='\n    __bind_key__ = "auth"')
    + f"\n\n{POST.format(key='db.Integer, ')}"
)
# What an app says in its own words; the tests care for the URLs only.
FACTORY = """\
import os

from flask import Flask

from {package}extensions import db{names}


def {factory}({parameters}):
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
    if "AUTH_DATABASE_URL" in os.environ:
        app.config["SQLALCHEMY_BINDS"] = {{"auth": os.environ["AUTH_DATABASE_URL"]}}
    db.init_app(app)
    from {package} import models
    {tool}
    return app
"""


def factory(
    tool: str, package: str = ".", name: str = "create_app", parameters: str = "", names: str = ""
) -> str:
    """Return a module with a factory."""
    text = FACTORY.format(
        package=package, factory=name, parameters=parameters, tool=tool, names=names
    )
    return text.replace(
        f"from {package} import models", f"from {package.rstrip('.') or '.'} import models"
    )


MIGRATE = f"{DB}\nfrom flask_migrate import Migrate\n\nmigrate = Migrate({{options}})\n"
INIT_MIGRATE = "from .extensions import migrate; migrate.init_app(app, db)"
MODULE = f"""\
import os

from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
db = SQLAlchemy(app)
migrate = Migrate(app, db)


{USERS_MODEL}

{POSTS_MODEL}"""


def by_migrate(options: str = "", package: str = "shop", models: str = MODELS) -> dict[str, str]:
    """Return the files of an app with Flask-Migrate."""
    return {
        f"{package}/__init__.py": factory(INIT_MIGRATE),
        f"{package}/extensions.py": MIGRATE.format(options=options),
        f"{package}/models.py": models,
    }


@dataclass(frozen=True)
class Shape:
    """An app, and how its own tool makes the revisions.

    :param app: what is given to ``flask --app``
    :param models: the file whose models change
    :param commands: of ``flask``, or of ``alembic`` where the tool is that
    :param target: where adopt puts env.py
    """

    files: dict[str, str]
    app: str = "shop"
    models: str = "shop/models.py"
    tool: str = "flask"
    begin: tuple[str, ...] = ("db init", "db migrate -m first", "db upgrade")
    change: tuple[str, ...] = ("db migrate -m second", "db upgrade")
    target: str = "shop/migrations"
    several: bool = False
    options: tuple[str, ...] = ()
    changes: dict[str, tuple[str, str]] = field(default_factory=dict)  # after `begin`


ALEMBIC = "from flask_alembic import Alembic\n\n    Alembic(app{metadatas})"
METADATAS = ", metadatas={name or 'default': m for name, m in db.metadatas.items()}"
BY_ALEMBIC = {
    "begin": ("db mkdir", "db revision first", "db upgrade"),
    "change": ("db revision second", "db upgrade"),
}


def by_alembic(tool: str = ALEMBIC.format(metadatas=""), models: str = MODELS) -> dict[str, str]:
    """Return the files of an app with Flask-Alembic, or without any tool."""
    return {
        "shop/__init__.py": factory(tool),
        "shop/extensions.py": DB,
        "shop/models.py": models,
    }


# Flask-SQLAlchemy-Lite: nothing of it says which models are in which database.
LITE_MODELS = f"""\
import sqlalchemy as db
from sqlalchemy.orm import DeclarativeBase


class Model(DeclarativeBase):
    pass


class Auth(DeclarativeBase):
    pass


{USERS_MODEL.replace("(db.Model", "(Auth")}

{POST.format(key="db.Integer, ").replace("(db.Model", "(Model")}"""
LITE_ENGINES = """\
    app.config["SQLALCHEMY_ENGINES"] = {
        "default": os.environ["DATABASE_URL"], "auth": os.environ["AUTH_DATABASE_URL"]
    }
    db.init_app(app)
"""
TO_ALEMBIC = ', metadatas={"default": models.Model.metadata, "auth": models.Auth.metadata}'


def with_lite(tool: str, sessions: str = "") -> dict[str, str]:
    """Return the files of an app with Flask-SQLAlchemy-Lite and two databases."""
    return {
        "shop/__init__.py": factory(tool).replace("    db.init_app(app)\n", LITE_ENGINES),
        "shop/extensions.py": "from flask_sqlalchemy_lite import SQLAlchemy\n"
        f"from .models import Auth\n\ndb = SQLAlchemy({sessions})\n",
        "shop/models.py": LITE_MODELS,
    }


PLAIN_ENV = (
    "target_metadata = None",
    """\
from shop import create_app
from shop.extensions import db

target_metadata = db.metadata
url = create_app().config["SQLALCHEMY_DATABASE_URI"]
config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
""",
)

# What public apps have, all in one: a session instead of an extension, an engine that the factory makes,
# an app that is made, and migrates, when it is imported, settings in .env, a Dockerfile that names the app,
# Flask-Migrate's folder where only its command line says, revisions of several databases of which one is left.
ODD_DATABASE = """\
import sqlalchemy as db
from sqlalchemy.orm import declarative_base, scoped_session, sessionmaker

engine = None
maker = sessionmaker()
db_session = scoped_session(maker)
Model = declarative_base()


def connect(url):
    global engine
    engine = db.create_engine(url)
    maker.configure(bind=engine)


"""
ODD_APP = """\
import os

from flask import Flask
from flask_migrate import Migrate, current

from .database import Model, connect


def create_app():
    app = Flask(__name__)
    connect(os.environ["SHOP_URL"])
    Migrate(app, Model)
    with app.app_context():
        current(app.root_path + "/migrations")
    return app
"""
ODD_ENV = """\
from alembic import context
from shop.database import Model, engine

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Model.metadata)
    with context.begin_transaction():
        context.run_migrations(engine_name="")
"""
ODD_MAKO = """\
\"\"\"${message}\"\"\"
from alembic import op
import sqlalchemy as sa

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade(engine_name):
    globals()["upgrade_%s" % engine_name]()


def downgrade(engine_name):
    globals()["downgrade_%s" % engine_name]()


def upgrade_():
    ${upgrades if upgrades else "pass"}


def downgrade_():
    ${downgrades if downgrades else "pass"}
"""
ODD = {
    "shop/__init__.py": "",
    "shop/database.py": f"{ODD_DATABASE}{USERS_MODEL}\n\n{POSTS_MODEL}".replace(
        "(db.Model", "(Model"
    ),
    "shop/app.py": ODD_APP,
    "shop/serve.py": "from .app import create_app\n\napplication = create_app()\n",
    "shop/migrations/env.py": ODD_ENV,
    "shop/migrations/script.py.mako": ODD_MAKO,
    "shop/migrations/alembic.ini": "[alembic]\n",
    "shop/migrations/versions/.keep": "",
    ".env": "SHOP_URL=${DATABASE_URL}\n",
    "Dockerfile": "ENV FLASK_APP=shop.serve\n",
}
ODD_BEGIN = ("migrate -m first", "upgrade")
ODD_CHANGE = ("migrate -m second", "upgrade")

# Flask-SQLAlchemy-Lite has no metadata of its own, so people say it in env.py.
LITE = {
    "shop/__init__.py": factory(INIT_MIGRATE).replace(
        '"SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]',
        '"SQLALCHEMY_ENGINES"] = {"default": os.environ["DATABASE_URL"]}',
    ),
    "shop/extensions.py": MIGRATE.format(options="").replace("_sqlalchemy", "_sqlalchemy_lite"),
    "shop/models.py": (
        "import sqlalchemy as db\nfrom sqlalchemy.orm import declarative_base\n\n"
        f"Model = declarative_base()\n\n\n{USERS_MODEL}\n\n{POSTS_MODEL}"
    ).replace("(db.Model", "(Model"),
}
LITE_ENV = (
    "target_db = current_app.extensions['migrate'].db",
    "from shop.models import Model as target_db",
)

SHAPES = {
    "factory": Shape(by_migrate()),
    "lite": Shape(
        LITE,
        begin=("db init",),
        change=("db migrate -m first", "db upgrade"),
        changes={"migrations/env.py": LITE_ENV},
    ),
    "odd": Shape(
        ODD,
        app="",
        models="shop/database.py",
        begin=tuple(f"--app shop.serve db {each} -d shop/migrations" for each in ODD_BEGIN),
        change=tuple(f"--app shop.serve db {each} -d shop/migrations" for each in ODD_CHANGE),
    ),
    "factory-with-arguments": Shape(
        {
            "shop/__init__.py": "",
            "shop/web/__init__.py": "",
            "shop/web/factory.py": factory(
                "from shop.extensions import migrate; migrate.init_app(app, db)\n"
                '    import threading; app.config["LOCK"] = threading.Lock()  # no copy of it\n'
                '    assert not hasattr(db, "made"), "a second app cannot be made"\n'
                "    db.made = True",
                "shop.",
                "make",
                "mode, debug=False",
            ),
            "shop/extensions.py": MIGRATE.format(options=""),
            "shop/models.py": MODELS,
        },
        app="shop.web.factory:make('dev', debug=True)",
    ),
    "module": Shape(
        {"app.py": f"{MODULE}\n\napp.run()\n"}, app="app", models="app.py", target="migrations"
    ),
    "src-capitals": Shape(
        {f"src/{name}": text for name, text in by_migrate(package="ShopApp").items()},
        app="src/ShopApp",
        models="src/ShopApp/models.py",
        target="src/ShopApp/migrations",
    ),
    "inside-with-options": Shape(
        by_migrate(
            'directory="shop/migrations", command="database", compare_type=True, '
            "transaction_per_migration=True"
        ),
        begin=("database init", "database migrate -m first", "database upgrade"),
        change=("database migrate -m second", "database upgrade"),
    ),
    "multidb": Shape(
        by_migrate(models=SEVERAL),
        begin=("db init --multidb", "db migrate -m first", "db upgrade"),
        several=True,
    ),
    "flask-alembic": Shape(by_alembic(), target="shop/migrations/environment", **BY_ALEMBIC),  # type: ignore[arg-type]
    "flask-alembic-several": Shape(
        by_alembic(ALEMBIC.format(metadatas=METADATAS), SEVERAL),
        target="shop/migrations/environment",
        several=True,
        **BY_ALEMBIC,  # type: ignore[arg-type]
    ),
    "lite-several": Shape(
        with_lite(ALEMBIC.format(metadatas=TO_ALEMBIC)),
        target="shop/migrations/environment",
        several=True,
        **BY_ALEMBIC,  # type: ignore[arg-type]
    ),
    "flask-alembic-branches": Shape(
        by_alembic(
            'app.config["ALEMBIC"] = {"version_locations": [("extra", "extra")]}\n    '
            + ALEMBIC.format(metadatas="")
        )
        | {
            "alembic.ini": "[alembic]\nscript_location = before\n"
        },  # of another tool, in former times
        target="shop/migrations/environment",
        begin=("db mkdir", "db revision first", "db upgrade"),
        change=(
            "db revision second",
            "db upgrade",
            "db revision --empty --branch extra more",
            "db upgrade",
        ),
    ),
    "alembic": Shape(
        by_alembic("pass"),
        tool="alembic",
        begin=("init migrations",),
        change=("revision --autogenerate -m first", "upgrade head"),
        changes={"migrations/env.py": PLAIN_ENV},
    ),
    "nothing": Shape(by_alembic("pass"), tool="none", begin=(), change=()),
    "nothing-several": Shape(
        by_alembic("pass", SEVERAL), tool="none", begin=(), change=(), several=True
    ),
}


@dataclass
class App:
    """An app of a shape, with its databases: files of SQLite, unless they are given."""

    shape: Shape
    folder: Path
    urls: dict[str, str]
    interpreter: str = sys.executable

    @property
    def environment(self) -> dict[str, str]:
        return {**ENVIRONMENT, **self.urls, "FLASK_APP": self.shape.app}

    def python(self, *arguments: str, **options: Any) -> CompletedProcess[str]:
        """Run Python in the app's folder."""
        return run(
            self.interpreter, *arguments, cwd=self.folder, **{"env": self.environment, **options}
        )

    def alembic(self, line: str, **options: Any) -> CompletedProcess[str]:
        return self.python("-m", "alembic", *line.split(), **options)

    def adopt(self, *options: str, **others: Any) -> CompletedProcess[str]:
        arguments = ("adopt", "--yes", *self.shape.options, *options)
        done = self.python("-m", "flask_alembic_kit", *arguments, **others)
        for machinery in self.folder.rglob("migrations/kit"):
            compile_modules(machinery)
        return done

    def use(self, lines: tuple[str, ...]) -> None:
        """Run commands of the app's own tool, or what makes tables without one."""
        for line in lines:
            self.python("-m", self.shape.tool, *line.split())
            if "flask_alembic" in str(self.shape.files):
                time.sleep(1)  # the second is the id of its next revision

    def change_models(self, column: str = "body") -> None:
        """Add a column to the posts."""
        models = self.folder / self.shape.models
        text = models.read_text(encoding="utf-8")
        new = f"    {column} = db.Column(db.Text)\n{SECOND}"
        models.write_text(text.replace(SECOND, new), encoding="utf-8")

    def copy(self, folder: Path) -> "App":
        """Return a copy of the app, with copies of its databases of SQLite."""
        shutil.copytree(self.folder.parent, folder, ignore=shutil.ignore_patterns("[0-9]", "timed"))
        moved = {
            name: url.replace(str(self.folder.parent), str(folder))
            for name, url in self.urls.items()
        }
        return App(self.shape, folder / self.folder.name, moved)

    def tree(self) -> dict[str, bytes]:
        """Return the contents of all files that are no cache."""
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }


def build(name: str, folder: Path, interpreter: str = sys.executable, **urls: str) -> App:
    """Make an app with two revisions of its own tool, in databases of SQLite if there are no others."""
    shape = SHAPES[name]
    app = App(shape, folder / "app", urls, interpreter)
    databases = folder / "databases"
    databases.mkdir(parents=True)
    names = {"DATABASE_URL": "default"} | ({"AUTH_DATABASE_URL": "auth"} if shape.several else {})
    for variable, database in names.items():
        app.urls.setdefault(variable, f"sqlite:///{(databases / database).as_posix()}.db")
    for path, text in shape.files.items():
        (app.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (app.folder / path).write_text(text, encoding="utf-8")
    if shape.tool == "none":
        app.change_models()
        code = f"from {shape.app} import create_app; from shop.extensions import db\n"
        app.python("-c", f"{code}with create_app().app_context(): db.create_all()")
        return app
    app.use(shape.begin)
    for path, (old, new) in shape.changes.items():
        file = app.folder / path
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1, text
        file.write_text(text.replace(old, new), encoding="utf-8")
    if shape.begin[1:]:
        app.change_models()
    app.use(shape.change)
    return app
