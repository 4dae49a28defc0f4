"""Code and commands that are used to Flask-Migrate or Flask-Alembic go on."""

import textwrap
from pathlib import Path

import pytest
from kit import FIRST_REVISION, Project
from shapes import build


@pytest.mark.parametrize(
    "code",
    [
        "upgrade()",
        "upgrade('PACKAGE/migrations', 'head', False, 'v1')",
        "upgrade(None, 'head', True, None, ['a=b']); upgrade(revision='head', sql=True, x_arg='a=b')",
        "upgrade(); downgrade(); upgrade(); downgrade(revision='base')",
        "downgrade(sql=True); downgrade(None, '-1', True)",
        "upgrade(); stamp(); stamp(revision='base', purge=True)",
        "upgrade(); migrate(message='nothing'); migrate(None, 'nothing', False, 'head', True)",
        "upgrade(); migrate(None, 'x', False, 'head', False, None, None, None, ['a=b']); check()",
        "revision(message='by hand', rev_id='r1'); history(verbose=True); show(); branches()",
        "revision(message='a', rev_id='r1', head='base'); merge(message='join')",
        "list_templates()",
    ],
)
def test_functions_of_flask_migrate(code: str, generic: Project) -> None:
    names = "branches, check, downgrade, history, list_templates, merge, migrate, revision, show"
    code = code.replace("PACKAGE", generic.package)
    script = f"""
from {generic.package} import create_app
from {generic.package}.migrations import {names}, stamp, upgrade
with create_app().app_context(): {code}
"""
    generic.python("-c", script)


def test_revision_for_another_number_of_databases_is_logged_as_others_are(
    project: Project,
) -> None:
    """As when a history had several databases, or one."""
    parameters = "engine_name" if project.variant == "generic" else ""
    functions = f"def upgrade({parameters}): ...\ndef downgrade({parameters}): ...\n"
    path = project.versions / "9000_other.py"
    path.write_text(f"revision, down_revision = 'x1', {FIRST_REVISION!r}\n{functions}", "utf-8")
    logged = project.alembic("upgrade", "head").stderr
    assert f"Running upgrade {FIRST_REVISION} -> x1\n" in logged
    assert "Logging error" not in logged
    assert (
        f"Running downgrade x1 -> {FIRST_REVISION}\n" in project.alembic("downgrade", "-1").stderr
    )


def test_registered_command_runs(generic: Project) -> None:
    """As in Alembic's cookbook, on the command line of ``flask db``."""
    script = f"""
from alembic.config import Config
from {generic.package} import create_app
from {generic.package}.migrations.kit.command_line import CommandLine

def frobnicate(config: Config, revision: str) -> None:
    config.print_stdout(f"Revision {{revision}} successfully frobnicated.")

with create_app().app_context():
    line = CommandLine()
    line.register_command(frobnicate)
    line.main(["-x", "a=b", "frobnicate", "42"])
"""
    assert "Revision 42 successfully" in generic.python("-c", script).stdout


def test_functions_raise(generic: Project) -> None:
    script = f"""
from alembic.util import CommandError
from {generic.package} import create_app
from {generic.package}.migrations import check, init, upgrade
with create_app().app_context():
    for call in (init, check, lambda: upgrade(revision="nowhere")):
        try: call()
        except CommandError as error: print(error)
        else: raise AssertionError(call)
"""
    done = generic.python("-c", script)
    assert "The migrations are there already" in done.stdout


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("list-templates", "Available templates"),
        ("downgrade --sql", "DROP TABLE posts"),
        ("revision words", "Generating"),
        ("revision words --empty", "Generating"),
        ("revision words --empty --parent base --label side", "Generating"),
        ("log --start base --end heads", "Users and posts"),
        ("upgrade 1", ""),
        (f"upgrade {FIRST_REVISION[:3]}", ""),
    ],
)
def test_commands_as_people_type_them(line: str, expected: str, generic: Project) -> None:
    if "upgrade 1" not in line:
        generic.flask("db", "upgrade")
    if line == "revision words":
        models = generic.folder / generic.package / "models.py"
        text = models.read_text(encoding="utf-8")
        models.write_text(
            text.replace('"posts"\n', '"posts"\n\n    more: Mapped[str | None]\n'), "utf-8"
        )
    done = generic.flask("db", *line.split())
    assert expected in done.stdout
    if line == "revision words":
        (written,) = generic.versions.glob("*words*")
        assert "more" in written.read_text(encoding="utf-8")


@pytest.mark.parametrize("line", ["init", "init --multidb", "mkdir"])
def test_folder_is_there_already(line: str, generic: Project) -> None:
    done = generic.flask("db", *line.split(), status=None)
    assert done.stderr.count("\n") <= 1
    assert "The migrations are there already" in done.stdout + done.stderr


LOGGING = """\
    from logging.config import dictConfig
    dictConfig({
        "version": 1,
        "handlers": {"file": {"class": "logging.FileHandler", "filename": "app.log"}},
        "root": {"level": "WARNING", "handlers": ["file"]},
    })
    app = Flask(__name__)
"""


@pytest.mark.parametrize("command", ["alembic upgrade head", "flask db upgrade"])
def test_log_is_there_whatever_the_factory_does(command: str, generic: Project) -> None:
    factory = generic.folder / generic.package / "__init__.py"
    text = factory.read_text(encoding="utf-8")
    assert "    app = Flask(__name__)\n" in text
    factory.write_text(text.replace("    app = Flask(__name__)\n", LOGGING), encoding="utf-8")
    done = generic.python("-m", *command.split())
    assert f"Running upgrade  -> {FIRST_REVISION}" in done.stderr


@pytest.mark.slow
def test_log_of_an_app_with_its_own_logging_is_not_that_of_plugins(generic: Project) -> None:
    factory = generic.folder / generic.package / "__init__.py"
    text = factory.read_text(encoding="utf-8")
    logging = "    import logging; logging.basicConfig()\n    app = Flask(__name__)\n"
    factory.write_text(text.replace("    app = Flask(__name__)\n", logging), encoding="utf-8")
    generic.flask("db", "upgrade")
    done = generic.flask("db", "migrate", "--message", "nothing")
    assert "Context impl" in done.stderr
    assert "setting up autogenerate plugin" not in done.stderr


def test_factory_that_migrates(generic: Project) -> None:
    factory = generic.folder / generic.package / "__init__.py"
    text = factory.read_text(encoding="utf-8")
    upgrade = (
        "    from .migrations import upgrade\n    with app.app_context(): upgrade()\n    return app"
    )
    factory.write_text(text.replace("    return app", upgrade), encoding="utf-8")
    assert FIRST_REVISION in generic.alembic("current").stdout
    generic.alembic("check")
    # Also where env.py begins with the module that makes the app.
    app = f"from {generic.package} import create_app\napp = create_app()\n"
    (generic.folder / "wsgi.py").write_text(app, encoding="utf-8")
    env = generic.folder / generic.package / "migrations" / "env.py"
    env.write_text(f"import wsgi\n{env.read_text(encoding='utf-8')}", encoding="utf-8")
    generic.alembic("check")


SECOND_CONNECTIONS = """
    from shop.extensions import db
    assert "users" in sa.inspect(op.get_bind().engine).get_table_names()
    db.session.execute(sa.text("INSERT INTO users (id, name) VALUES (7, 'session')"))
    db.session.commit()
    with db.engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO users (id, name) VALUES (8, 'engine')"))
    db.session.execute(sa.text("SELECT count(*) FROM users")).scalar()
    op.add_column("users", sa.Column("late", sa.Text()))
    db.session.rollback()
    db.session.execute(sa.text("INSERT INTO users (id, name) VALUES (9, 'undone')"))
    db.session.rollback()
    op.execute("UPDATE users SET late = 'yes'")
"""


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
@pytest.mark.parametrize("fails", [False, True])
def test_revision_with_connections_of_its_own(dialect: str, fails: bool, tmp_path: Path) -> None:
    """Flask-Migrate runs it from empty, because it commits each statement on SQLite."""
    from test_adopt import databases, execute

    with databases(dialect, False) as urls:
        app = build("factory", tmp_path, **urls)
        app.adopt()
        extensions = app.folder / "shop" / "extensions.py"  # a pool without a connection to spare
        options = '{"pool_size": 1, "max_overflow": 0, "pool_timeout": 1}'
        text = extensions.read_text(encoding="utf-8")
        few = text.replace("SQLAlchemy()", f"SQLAlchemy(engine_options={options})")
        assert few != text
        extensions.write_text(few, encoding="utf-8")
        (second,) = (app.folder / "migrations" / "versions").glob("*second.py")
        source = second.read_text(encoding="utf-8")
        body = textwrap.indent(SECOND_CONNECTIONS, "") + (
            "    op.execute('nonsense')\n" if fails else ""
        )
        source = source.replace("def upgrade():\n", f"def upgrade():\n{body}", 1)
        second.write_text(source, encoding="utf-8")
        app.alembic("downgrade base")
        app.alembic("upgrade head", status=None if fails else 0)
        if fails:
            assert "(head)" not in app.alembic("current").stdout
            app.alembic("downgrade base")
        else:
            execute(app, ["UPDATE users SET id = id / (CASE late WHEN 'yes' THEN 1 ELSE 0 END)"])
            execute(app, ["INSERT INTO posts (id, author_id) VALUES (1, 7), (2, 8)"])


PLUGIN = """
revision = "p1"
down_revision = None
branch_labels = ("plugin",)

def upgrade(): pass
def downgrade(): pass
"""


def test_version_locations_that_the_app_finds_at_run_time(generic: Project) -> None:
    """By the name that Flask-Alembic gave them, in each way to migrate; beside those of alembic.ini."""
    ini = generic.folder / "alembic.ini"
    folders = f"%(here)s/{generic.package}/migrations/versions\n    {generic.package}:more"
    text = ini.read_text(encoding="utf-8")
    ini.write_text(
        text.replace("[alembic]\n", f"[alembic]\nversion_locations =\n    {folders}\n", 1), "utf-8"
    )
    (generic.folder / generic.package / "more").mkdir()
    more = PLUGIN.replace("p1", "m1").replace("plugin", "more")
    (generic.folder / generic.package / "more" / "m1.py").write_text(more, encoding="utf-8")
    factory = generic.folder / generic.package / "__init__.py"
    text = factory.read_text(encoding="utf-8")
    setting = 'app.config["ALEMBIC"] = {"version_locations": [("plugin", "../plugin"), "migrations/versions"]}'
    new = text.replace("    return app", f"    {setting}\n    return app")
    assert new != text
    factory.write_text(new, encoding="utf-8")
    (generic.folder / "plugin").mkdir()
    (generic.folder / "plugin" / "p1.py").write_text(PLUGIN, encoding="utf-8")
    heads = generic.flask("db", "heads").stdout
    assert "p1 (plugin)" in heads and "m1 (more)" in heads
    generic.alembic("upgrade", "heads")
    assert "p1 (head)" in generic.alembic("current").stdout
    generic.flask("db", "downgrade", "plugin@base")
    generic.python(
        "-c",
        f"""
from {generic.package} import create_app
from {generic.package}.migrations import check, current, heads, upgrade
app = create_app()
with app.app_context():
    assert "p1" in heads(), heads()
    assert not app.test_client().get("/health").json["default"]["ok"]
    upgrade(revision="plugin@head")
    assert "p1" in current()["default"]
    check()
    assert app.test_client().get("/health").json["default"]["ok"]
""",
    )
