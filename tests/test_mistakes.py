"""A hundred mistakes: one line that says what to do, no traceback, no password, the right exit status.

What no line of a project can change is not here: Flask reads .env before it looks for the app, and
plain ``alembic`` reads alembic.ini and env.py before anything of the kit is there.
"""

import shlex
from typing import NamedTuple

import pytest
from kit import ANY, Project

SECRET = "s3cr3t"
FAILED = 255
USAGE = 2


class Mistake(NamedTuple):
    """A command, and what it has to print as a line that stands for itself."""

    command: str
    said: str
    status: int = FAILED
    env: dict[str, str] | None = None
    files: dict[str, str | bytes] | None = None
    cwd: str = "."


def at(url: str) -> dict[str, str]:
    return {"DATABASE_URL": url}


def revision(body: str = "pass", name: str = "x1", before: str = "'5b1f0c3a9d27'") -> str:
    return (
        f"import sqlalchemy as sa\nfrom alembic import op\nrevision = {name!r}\n"
        f"down_revision = {before}\ndef upgrade():\n    {body}\ndef downgrade():\n    pass\n"
    )


UP = "alembic upgrade head"
URLS = {
    "no colon": (f"postgres//ada:{SECRET}@127.0.0.1/shop", "cannot be parsed"),
    "port": (f"postgresql://ada:{SECRET}@127.0.0.1:port/shop", "cannot be parsed"),
    "nonsense": ("x", "cannot be parsed"),
    "quotes": ('"sqlite:///shop.db"', "no quotes around DATABASE_URL"),
    "dialect": (f"nosuch://ada:{SECRET}@127.0.0.1/shop", "unknown kind"),
    "unknown driver": (f"postgresql+nosuch://ada:{SECRET}@127.0.0.1/shop", "unknown kind"),
    "missing driver": (f"oracle+oracledb://ada:{SECRET}@127.0.0.1/shop", "needs a driver"),
    "async": ("sqlite+aiosqlite:///shop.db", "needs a driver"),
    "value": (f"mysql://ada:{SECRET}@127.0.0.1/shop?connect_timeout=x", "wrong value"),
    "two slashes": ("sqlite://shop.db", "needs one more slash"),
}
REACHED = {
    "at": (f"postgresql://ada:x@{SECRET}@127.0.0.1/shop", "one '@' too many"),
    "at, slash": (f"postgresql://ada:x@{SECRET}/{SECRET}@127.0.0.1/shop", "one '@' too many"),
    "at, mysql": (f"mysql://ada:x@{SECRET}@127.0.0.1/shop", "one '@' too many"),
    "slash": (f"postgresql://ada:x/{SECRET}@127.0.0.1:1/shop", "refused"),
    "hash": (f"postgresql://ada:x#{SECRET}@127.0.0.1:1/shop", "refused"),
    "question mark": (f"postgresql://ada:x?{SECRET}@127.0.0.1:1/shop", "refused"),
    "in the query": (f"postgresql://ada@127.0.0.1:1/shop?password={SECRET}", "refused"),
    "server down": (f"postgresql://ada:{SECRET}@127.0.0.1:1/shop", "cannot be reached"),
    "mysql down": (f"mysql://ada:{SECRET}@127.0.0.1:1/shop", "refused"),
    "host": (f"postgresql://ada:{SECRET}@nosuch.invalid/shop", "nosuch.invalid"),
    "option": (f"postgresql://ada:{SECRET}@127.0.0.1/shop?nosuch=1", "nosuch"),
    "option, mysql": (f"mysql://ada:{SECRET}@127.0.0.1/shop?nosuch=1", "nosuch"),
    "folder": ("sqlite:////nosuch/folder/shop.db", "unable to open"),
    "at in a folder": ("sqlite:////nosuch@home/shop.db", "unable to open"),
    "a folder": ("sqlite:////", "unable to open"),
    "read-only": ("sqlite:///file:/proc/version?mode=ro&uri=true", "atabase"),
}
MODELS = """
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column
from .db import Model
class User(Model):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(ForeignKey("nosuch.id"), primary_key=True)
Post = User
"""
FILE = "PACKAGE/migrations/versions/x.py"
OTHER = "PACKAGE/migrations/versions/y.py"
FILES: dict[str, tuple[dict[str, str | bytes], str]] = {
    "UTF-16 .env": ({".env": f"SECRET_KEY={SECRET}\n".encode("utf-16")}, ".env is not UTF-8"),
    "latin-1 .env": ({".env": f"SECRET_KEY={SECRET}ä\n".encode("latin-1")}, ".env is not UTF-8"),
    "no section": ({"alembic.ini": "[x]\n"}, "script_location"),
    "no folder": ({"alembic.ini": "[alembic]\nscript_location = nosuch\n"}, "Path doesn't exist"),
    "no id": ({FILE: "x = 1\n"}, "Could not determine revision id"),
    "syntax": ({FILE: "revision = 'x1'\ndown_revision =\n"}, "x.py, line 2: invalid syntax"),
    "indent": ({FILE: revision("\n1")}, "x.py, line 7"),
    "follows none": (
        {FILE: revision(before="'nosuch'")},
        "follows or needs 'nosuch', which is missing",
    ),
    "no upgrade": ({FILE: "revision = 'x1'\ndown_revision = '5b1f0c3a9d27'\n"}, "lacks a function"),
    "needs none": (
        {FILE: revision(before="'5b1f0c3a9d27'\ndepends_on = 'nosuch'")},
        "needs 'nosuch', which is missing",
    ),
    "UTF-16": ({FILE: revision().encode("utf-16")}, "x.py, line 1: source code"),
    "no down_revision": ({FILE: "revision = 'x1'\n"}, "x.py is not a revision: module"),
    "number": ({FILE: "revision = 1\ndown_revision = None\n"}, "x.py is not a revision: its id"),
    "follows a number": ({FILE: revision(before="5")}, "A down_revision is no string"),
    "named base": ({FILE: revision(name="base")}, "may not have the id base"),
    "itself": ({FILE: revision(before="'x1'")}, "Self-loop"),
    "circle": (
        {FILE: revision(before="'y1'"), OTHER: revision(name="y1", before="'x1'")},
        "ycle is detected",
    ),
    "two heads": ({FILE: revision(), OTHER: revision(name="y1")}, "There are 2 heads, x1 and y1"),
    "import": ({FILE: f"import nosuch\n{revision()}"}, "x.py, line 1: No module named 'nosuch'"),
    "exit": ({FILE: f"import sys\nsys.exit(0)\n{revision()}"}, "x.py ends the process"),
    "same id": ({FILE: revision(), OTHER: revision()}, "x1 is present more than once"),
    "there already": (
        {FILE: revision("op.create_table('users', sa.Column('id', sa.Integer))")},
        "If all was there before: alembic stamp x1, or heads if create_all made it. If a failed run left it: drop it.",
    ),
    "column there already": (
        {FILE: revision("op.add_column('users', sa.Column('name', sa.Integer))")},
        "alembic stamp x1",
    ),
    "foreign key": ({"PACKAGE/models.py": MODELS}, "could not find table 'nosuch'"),
    "no database": ({"instance/shop.db": b"x" * 5000}, "not a database"),
    "in the way": ({"instance/shop.db-migrating": b"x" * 5000}, "shop.db-migrating"),
}
LOOPS = ("itself", "circle")
BRANCH = revision(before="None\nbranch_labels = ('b',)")
LINES = {
    "upgrade nosuch": "Can't locate revision",
    "downgrade nosuch": "Can't locate revision",
    "stamp nosuch": "Can't locate revision",
    "show nosuch": "Can't locate revision",
    "history -r nosuch:x": "Can't locate revision",
    "merge nosuch x": "Can't locate revision",
    "edit nosuch": "Can't locate revision",
    "revision --head nosuch -m x": "Can't locate revision",
    "revision --rev-id a@b -m x": "not allowed in revision identifier",
    "downgrade -9": "produce 9 migrations",
    "upgrade +9": "produce 9 migrations",
    "downgrade -1 --sql": "requires <fromrev>:<torev>",
    "-x rename=nosuch revision --autogenerate -m x": "matches no change",
    "-x fill=nosuch revision --autogenerate -m x": "matches no change",
    "-x databse=auth upgrade head": "did you mean -x database=?",
    "-x drop revision --autogenerate -m x": "did you mean -x drop=?",
    "-x accept=nosuch upgrade head": "Can't locate revision",
    "-c nosuch.ini current": "script_location",
    "stamp --purge --sql head": "purge",
}
EMPTY = (
    "alembic upgrade ''",
    "flask db upgrade ''",
    "alembic stamp ''",
    "flask db show ''",
    "alembic downgrade ''",
)
SETTINGS = [
    (name, value)
    for name in ("MIGRATION_WAIT", "MIGRATION_LOCK_TIMEOUT", "MIGRATION_LOCK_RETRIES")
    for value in ("soon", "nan", "inf", "1e12", "-1", "2000001")
]
MISTAKES: dict[str, list[Mistake]] = {
    "urls": [
        *(Mistake(UP, said, env=at(url)) for url, said in {**URLS, **REACHED}.values()),
        *(Mistake("flask db upgrade", said, env=at(url)) for url, said in REACHED.values()),
        *(Mistake("flask db upgrade", said, USAGE, at(url)) for url, said in URLS.values()),
        *(Mistake("flask --help", said, 0, at(url)) for url, said in [*URLS.values()][5:]),
        *(Mistake("flask run", said, USAGE, at(url)) for url, said in [*URLS.values()][5:]),
    ],
    "files": [
        *(
            Mistake("alembic check" if name == "foreign key" else UP, said, files=files)
            for name, (files, said) in FILES.items()
        ),
        *(Mistake("flask db heads", FILES[name][1], files=FILES[name][0]) for name in LOOPS),
        *(
            Mistake("flask db upgrade", "alembic.ini cannot be read", files={"alembic.ini": ini})
            for ini in (b"script_location = \xfc", b"script_location = x")
        ),
        Mistake("alembic downgrade b@-1", "not at one head of that branch", files={FILE: BRANCH}),
        Mistake("alembic current", "script_location", cwd="PACKAGE"),
        Mistake("flask db upgrade", "Could not import", USAGE, cwd="tests"),
    ],
    "commands": [
        *(Mistake(f"alembic {line}", said) for line, said in LINES.items()),
        *(Mistake(f"flask db {line}", said) for line, said in [*LINES.items()][:9]),
        *(Mistake(line, "revision is empty: name one") for line in EMPTY),  # of an unset variable
        Mistake(f"flask db revision -m x --rev-id {'x' * 256}", "The revision cannot be written"),
        Mistake("alembic upgrade", "arguments are required: revision", USAGE),
        Mistake("alembic upgrad head", "invalid choice: 'upgrad'", USAGE),
        Mistake("flask db upgrad", "invalid choice: 'upgrad'", USAGE),
        Mistake("flask --app nosuch db upgrade", "Could not import 'nosuch'", USAGE),
        *(
            Mistake(UP, f"{name}={value!r} must be a number from 0 to 2000000", env={name: value})
            for name, value in SETTINGS
        ),
        Mistake(UP, "must be 'error' or 'warning'", env={"MIGRATION_EDITED": "eror"}),
    ],
}


@pytest.mark.parametrize("group", [pytest.param(name, marks=pytest.mark.slow) for name in MISTAKES])
def test_mistakes_are_a_line(generic: Project, group: str) -> None:
    generic.alembic("upgrade", "head", env=at("sqlite:///shop.db"))
    wrong = [found for each in MISTAKES[group] if (found := wrongs(generic, each))]
    assert not wrong, "\n".join(wrong)


def wrongs(project: Project, mistake: Mistake) -> str:
    """Make a mistake; return what is wrong with the answer."""
    before = {}
    for name, content in (mistake.files or {}).items():
        path = project.folder / name.replace("PACKAGE", project.package)
        before[path] = path.read_bytes() if path.exists() else None
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    program, *arguments = shlex.split(mistake.command)
    done = project.python(
        *("-m", program, *arguments),
        env={**at("sqlite:///shop.db"), **(mistake.env or {})},
        cwd=project.folder / mistake.cwd.replace("PACKAGE", project.package),
        status=ANY,
    )
    for path, old in before.items():
        path.unlink() if old is None else path.write_bytes(old)
    printed = done.stderr + done.stdout
    faults = {
        "Traceback": "Traceback" in printed,
        "password": SECRET in printed,
        f"exit {done.returncode}": done.returncode != mistake.status,
        f"no {mistake.said!r}": mistake.said not in printed,
        "said twice": printed.count("FAILED: ") > 1 or "ERROR [" in printed,
    }
    found = ", ".join(name for name, is_wrong in faults.items() if is_wrong)
    return f"{mistake.command} {mistake.env or ''}: {found}\n{printed}" if found else ""
