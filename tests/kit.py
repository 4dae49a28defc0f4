"""The kit under test: what it asks, how it is rendered, and the rendered project as processes."""

import compileall
import itertools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

from cookiecutter.main import cookiecutter

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib
if sys.platform == "linux":
    import forked

    Process = forked.Process | subprocess.Popen[str]
else:
    Process = subprocess.Popen[str]

ROOT = Path(__file__).resolve().parents[1]
QUESTIONS: dict[str, Any] = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
CHOICES = {
    name: choices
    for name, choices in QUESTIONS.items()
    if isinstance(choices, list) and not name.startswith("_")
}
COMBINATIONS = [
    dict(zip(CHOICES, values, strict=True)) for values in itertools.product(*CHOICES.values())
]
# As few of them as have every choice once.
DIAGONAL = [
    {name: choices[number % len(choices)] for name, choices in CHOICES.items()}
    for number in range(max(map(len, CHOICES.values())))
]

ANY = -1
FIRST_REVISION = "5b1f0c3a9d27"

# What a rendered project is run in: this environment, without what would steer it.
STEERING = ("FLASK_", "ALEMBIC_", "COOKIECUTTER_", "MIGRATION_", "PYTEST_", "SQLALCHEMY_")
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(STEERING)
    and name not in {"DATABASE_URL", "AUTH_DATABASE_URL", "TEST_DATABASE_URL", "SECRET_KEY"}
}
# The tests change modules faster than Python can tell a compiled one to be out of date.
ENVIRONMENT["PYTHONDONTWRITEBYTECODE"] = "1"
# A project's own environment has no plugins of pytest. Ours has Hypothesis, which takes a second.
ENVIRONMENT["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
# What a new environment compiles: all that is in it takes more than twice as long.
IMPORTED = (
    *(
        "alembic.config",
        "cookiecutter.main",
        "dotenv",
        "flask.cli",
        "flask_sqlalchemy",
        "isort",
        "pytest",
    ),
    *(
        "flask_sqlalchemy_lite",
        "sqlalchemy.ext.asyncio",
        "sqlalchemy.dialects.sqlite",
        "psycopg",
        "pymysql",
    ),
    *("sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.mysql"),
)
# The cache of the type checker that the kit has: the libraries are in it.
ENVIRONMENT["MYPY_CACHE_DIR"] = str(ROOT / ".mypy_cache")


def combination_id(combination: dict[str, str]) -> str:
    """Return a name such as ``multidb-sqlalchemy-postgresql``."""
    return "-".join(combination.values())


def read_toml(path: Path) -> dict[str, Any]:
    """Return the contents of a TOML file."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def cookiecutter_config(folder: Path) -> Path:
    """Return a config file for cookiecutter that keeps it out of the home directory."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "cookiecutter.yaml"
    config.write_text(
        f"cookiecutters_dir: {json.dumps(str(folder / 'templates'))}\n"
        f"replay_dir: {json.dumps(str(folder / 'replay'))}\n",
        encoding="utf-8",
    )
    return config


def render(folder: Path, answers: dict[str, str], *, accept_hooks: bool = True) -> "Project":
    """Render the kit into a folder and return the project."""
    cookiecutter(
        str(ROOT),
        no_input=True,
        extra_context=dict(answers),
        output_dir=str(folder),
        config_file=str(cookiecutter_config(folder.with_name(folder.name + "-config"))),
        accept_hooks=accept_hooks,
    )
    return rendered_in(folder, answers)


def rendered_in(folder: Path, answers: dict[str, str]) -> "Project":
    """Return the project that has been rendered into a folder."""
    name = answers.get("project", QUESTIONS["project"])
    package = answers.get("package") or name.lower().replace("-", "_").replace(".", "_")
    chosen = [answers.get(question) or choices[0] for question, choices in CHOICES.items()]
    return Project(folder / name, package, *chosen)


def run(
    *command: str | Path, cwd: Path, status: int | None = 0, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command and return what it did; fail with its output if its status is another.

    :param status: the exit status to expect; None for every failure; ANY for everything
    """
    options = {"env": ENVIRONMENT, "timeout": 600, **options}
    if (
        sys.platform == "linux"
        and forked.can_run(*command)
        and set(options) <= {"env", "timeout", "input"}
    ):
        done = forked.run(*command, cwd=cwd, **options)
    else:
        done = subprocess.run(
            command,
            check=False,
            cwd=cwd,
            text=True,
            encoding="utf-8",
            capture_output=True,
            **options,
        )
    expected = done.returncode != 0 if status is None else status in {done.returncode, ANY}
    if not expected:
        shown = " ".join(str(part) for part in command)
        raise AssertionError(f"{shown}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def new_environment(
    uv: str, folder: Path, *packages: str | Path, python: str | Path = sys.executable
) -> Path:
    """Make a virtual environment with packages, and return the folder of its programs."""
    programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
    run(uv, "venv", "--quiet", "--python", python, folder, cwd=folder.parent)
    install = (uv, "pip", "install", "--quiet", "--python", programs / "python")
    run(*install, *packages, cwd=folder.parent)
    code = f"for name in {IMPORTED}:\n    try: __import__(name)\n    except Exception: pass"
    writing = {k: v for k, v in ENVIRONMENT.items() if k != "PYTHONDONTWRITEBYTECODE"}
    run(programs / "python", "-c", code, cwd=folder, env=writing)
    return programs


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody, and return what it prints."""
    somebody = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    return run("git", *somebody, *arguments, cwd=folder).stdout.strip()


def commit(folder: Path, message: str = "as it is") -> None:
    """Commit all there is, into a repository that may be new."""
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def start(*command: str | Path, cwd: Path, env: dict[str, str] = ENVIRONMENT) -> Process:
    """Start a command, with pipes to it, and return it while it runs."""
    if sys.platform == "linux" and forked.can_run(*command):
        return forked.Process(*command, cwd=cwd, env=env)
    pipe = subprocess.PIPE
    pipes: dict[str, Any] = {"stdin": pipe, "stdout": pipe, "stderr": pipe}
    return subprocess.Popen(command, cwd=cwd, env=env, encoding="utf-8", **pipes)


@dataclass
class Project:
    """A rendered project."""

    folder: Path
    package: str
    variant: str
    layer: str
    database: str

    @property
    def databases(self) -> dict[str, Path]:
        """The SQLite files by the name of the database."""
        names = ["default", "auth"] if self.variant == "multidb" else ["default"]
        return {name: self.folder / "instance" / f"{name}.db" for name in names}

    @property
    def versions(self) -> Path:
        return self.folder / self.package / "migrations" / "versions"

    def python(
        self, *arguments: str, status: int | None = 0, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run Python in the project's folder; variables in ``env`` are added."""
        environment = {**ENVIRONMENT, **options.pop("env", {})}
        options.setdefault("cwd", self.folder)
        return run(sys.executable, *arguments, env=environment, status=status, **options)

    def alembic(
        self, *arguments: str, status: int | None = 0, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run ``alembic``. A failure of its own exits with 255, which is -1 to Windows."""
        return self.python("-m", "alembic", *arguments, status=status, **options)

    def flask(
        self, *arguments: str, status: int | None = 0, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run ``flask``."""
        return self.python("-m", "flask", *arguments, status=status, **options)

    def fails(self, *arguments: str, **options: Any) -> str:
        """Run ``alembic``, which must fail with one line for its user, and return that line."""
        done = self.alembic(*arguments, status=None, **options)
        assert "Traceback" not in done.stderr, done.stderr
        (line,) = done.stdout.splitlines()
        assert line.startswith("FAILED: "), done.stdout
        return line

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace some text that a file of the package has once."""
        path = self.folder / self.package / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file} has {text.count(old)} times {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8", newline="\n")

    def add_column(self, model: str = "Post", column: str = "body: Mapped[str | None]") -> None:
        """Add a column to a model."""
        table = {"Post": "posts", "User": "users"}[model]
        old = f'__tablename__ = "{table}"\n'
        self.edit("models.py", old, f"{old}\n    {column}")

    def new_revision(self, *arguments: str, **options: Any) -> str:
        """Run ``alembic revision`` and return the text of the file that it wrote."""
        before = set(self.versions.glob("*.py"))
        self.alembic("revision", *arguments, **options)
        (path,) = set(self.versions.glob("*.py")) - before
        return path.read_text(encoding="utf-8")

    def add_revision(self, upgrade: str, downgrade: str = "pass", **names: str) -> str:
        """Write a revision by hand that follows the last one, and return its id.

        :param upgrade: the body of ``upgrade()``; in a project with several databases, of
            ``upgrade_default()``
        :param names: more functions by name, such as ``upgrade_auth``
        """
        number = len(list(self.versions.glob("9*.py"))) + 1
        revision = f"r{number:03}"
        before = f"r{number - 1:03}" if number > 1 else FIRST_REVISION
        suffix = "_default" if self.variant == "multidb" else ""
        functions = {f"upgrade{suffix}": upgrade, f"downgrade{suffix}": downgrade, **names}
        text = (
            "import time\n\nimport sqlalchemy as sa\nfrom alembic import op\n\n"
            f"revision = {revision!r}\ndown_revision = {before!r}\n"
        )
        if suffix:
            for direction in ("upgrade", "downgrade"):
                text += f"\n\ndef {direction}(engine_name):\n"
                text += f'    globals().get(f"{direction}_{{engine_name}}", lambda: None)()\n'
        for name, body in functions.items():
            text += f"\n\ndef {name}():\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"
        path = self.versions / f"9000_01_01_{number:06}-{revision}.py"
        path.write_text(text, encoding="utf-8", newline="\n")
        return revision

    def set_config(self, name: str, value: str) -> None:
        """Add a setting, written as Python, to what ``from_environment()`` returns."""
        self.edit("config.py", "    return {\n", f'    return {{\n        "{name}": {value},\n')

    def schema(self, database: str = "default") -> dict[str, str]:
        """Return the SQL of every table and index of a database by name."""
        with closing(sqlite3.connect(self.databases[database])) as connection:
            return dict(
                connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
            )

    def tables(self, database: str = "default") -> set[str]:
        """Return the names of the tables of a database, without the log that each has."""
        found = {name for name, sql in self.schema(database).items() if "CREATE TABLE" in sql}
        return found - {"alembic_log"}

    def copy(self, folder: Path, *, databases: bool = False) -> "Project":
        """Return a copy of the project in another folder, with or without its databases."""
        target = folder / self.folder.name
        ignored = () if databases else ("instance",)
        pattern = shutil.ignore_patterns(*ignored)
        shutil.copytree(self.folder, target, ignore=pattern, copy_function=copy_or_link)
        return replace(self, folder=target)


def compile_modules(folder: Path) -> None:
    """Compile a folder, which takes half the time of a command; by hash: tests change files at once."""
    compileall.compile_dir(folder, quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH)


def copy_or_link(source: str, target: str) -> None:
    """Copy a file; a compiled module, which nobody changes, gets a second name."""
    if source.endswith(".pyc"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)
