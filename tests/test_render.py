"""What the kit writes: the right files, whole, and such that no linter finds anything."""

import re
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kit import (
    ANY,
    CHOICES,
    COMBINATIONS,
    ENVIRONMENT,
    QUESTIONS,
    ROOT,
    Project,
    combination_id,
    cookiecutter_config,
    git,
    read_toml,
    render,
    run,
)

from flask_alembic_kit import template

FILES = """
.env
.env.example
.flaskenv
.gitattributes
.github/workflows/ci.yml
.gitignore
PACKAGE/__init__.py
PACKAGE/config.py
PACKAGE/db.py
PACKAGE/migrations/__init__.py
PACKAGE/migrations/env.py
PACKAGE/migrations/kit/__init__.py
PACKAGE/migrations/kit/api.py
PACKAGE/migrations/kit/autogenerate/__init__.py
PACKAGE/migrations/kit/autogenerate/ask.py
PACKAGE/migrations/kit/autogenerate/describe.py
PACKAGE/migrations/kit/autogenerate/fill.py
PACKAGE/migrations/kit/autogenerate/filters.py
PACKAGE/migrations/kit/autogenerate/hooks.py
PACKAGE/migrations/kit/autogenerate/losses.py
PACKAGE/migrations/kit/autogenerate/mend.py
PACKAGE/migrations/kit/autogenerate/missing.py
PACKAGE/migrations/kit/autogenerate/order.py
PACKAGE/migrations/kit/autogenerate/rename.py
PACKAGE/migrations/kit/autogenerate/render.py
PACKAGE/migrations/kit/backends/__init__.py
PACKAGE/migrations/kit/backends/advisory_lock.py
PACKAGE/migrations/kit/backends/batch.py
PACKAGE/migrations/kit/backends/casts.py
PACKAGE/migrations/kit/backends/compare.py
PACKAGE/migrations/kit/backends/constraints.py
PACKAGE/migrations/kit/backends/default.py
PACKAGE/migrations/kit/backends/enums.py
PACKAGE/migrations/kit/backends/indexes.py
PACKAGE/migrations/kit/backends/keys.py
PACKAGE/migrations/kit/backends/mariadb.py
PACKAGE/migrations/kit/backends/mysql.py
PACKAGE/migrations/kit/backends/postgresql.py
PACKAGE/migrations/kit/backends/sqlite.py
PACKAGE/migrations/kit/backends/sqlite_file.py
PACKAGE/migrations/kit/backends/steps.py
PACKAGE/migrations/kit/backends/written.py
PACKAGE/migrations/kit/checksum.py
PACKAGE/migrations/kit/command_line.py
PACKAGE/migrations/kit/commands.py
PACKAGE/migrations/kit/databases.py
PACKAGE/migrations/kit/edited.py
PACKAGE/migrations/kit/environment.py
PACKAGE/migrations/kit/errors.py
PACKAGE/migrations/kit/graph.py
PACKAGE/migrations/kit/guard.py
PACKAGE/migrations/kit/lint.py
PACKAGE/migrations/kit/locations.py
PACKAGE/migrations/kit/log.py
PACKAGE/migrations/kit/logs.py
PACKAGE/migrations/kit/mistakes.py
PACKAGE/migrations/kit/outcome.py
PACKAGE/migrations/kit/plan.py
PACKAGE/migrations/kit/probe.py
PACKAGE/migrations/kit/progress.py
PACKAGE/migrations/kit/rehearsal/__init__.py
PACKAGE/migrations/kit/rehearsal/offline.py
PACKAGE/migrations/kit/rehearsal/recorder.py
PACKAGE/migrations/kit/rehearsal/rules.py
PACKAGE/migrations/kit/rehearsal/words.py
PACKAGE/migrations/kit/reset.py
PACKAGE/migrations/kit/revisions.py
PACKAGE/migrations/kit/session.py
PACKAGE/migrations/kit/shared.py
PACKAGE/migrations/kit/signals.py
PACKAGE/migrations/kit/typed.py
PACKAGE/migrations/kit/version.py
PACKAGE/migrations/script.py.mako
PACKAGE/migrations/versions/2026_01_01_000000-5b1f0c3a9d27_users_and_posts.py
PACKAGE/models.py
PACKAGE/views.py
README.md
alembic.ini
pyproject.toml
tests/conftest.py
tests/test_app.py
tests/test_migrations.py
"""


def contents(project: Project) -> dict[str, str]:
    return {
        path.relative_to(project.folder).as_posix(): path.read_bytes().decode()
        for path in project.folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"  # which the fixture has made
    }


def test_every_choice_has_a_label() -> None:
    prompts = QUESTIONS["__prompts__"]
    for question, choices in QUESTIONS.items():
        if question.startswith("_"):
            continue
        if isinstance(choices, list):
            assert set(prompts[question]) == {"__prompt__", *choices}
        else:
            assert prompts[question]


def files(project: Project) -> list[str]:
    """Return the files that a project should have."""
    server = [] if project.database == "sqlite" else ["compose.yaml"]
    expected = " ".join([FILES, *server]).replace("PACKAGE", project.package)
    return sorted(expected.split())


def test_exactly_these_files_are_written(combined: Project) -> None:
    assert sorted(contents(combined)) == files(combined)


def test_what_adopt_renders_is_the_same(combined: Project) -> None:
    """``adopt`` and ``update`` fill the template without cookiecutter."""
    chosen = {name: getattr(combined, name) for name in CHOICES}
    names = {"project": combined.folder.name, "package": combined.package}
    for path, text in template.render({**names, **chosen}).items():
        assert (combined.folder / path).read_text(encoding="utf-8") == text


def test_no_marker_is_left_and_every_file_ends_in_one_newline(combined: Project) -> None:
    for name, text in contents(combined).items():
        for marker in ("{{", "{%", "{#", "cookiecutter"):
            assert marker not in name
            assert marker not in text, f"{name} has {marker}"
        assert text.endswith("\n") and not text.endswith("\n\n"), name
        assert "\n\n\n\n" not in text, name
        assert "\r" not in text, name
        if name.endswith(".py"):
            compile(text, name, "exec", dont_inherit=True)


@pytest.mark.slow
def test_type_checker_finds_nothing(rendered: Callable[..., Project]) -> None:
    """One after another, for they have one cache; no Python differs by the database, see below."""
    found = {}
    for combination in COMBINATIONS:
        if combination["database"] == "postgresql":
            done = rendered(**combination).python("-m", "mypy", status=ANY)
            if done.returncode:
                found[combination_id(combination)] = done.stdout + done.stderr
    assert not found


@pytest.mark.parametrize(
    "names",
    [
        pytest.param({}, id="default"),
        pytest.param({"project": "p" * 50}, id="longest", marks=pytest.mark.slow),
    ],
)
def test_linters_find_nothing(names: dict[str, str], tmp_path: Path) -> None:
    """In no combination of choices."""
    for combination in COMBINATIONS:
        render(tmp_path / combination_id(combination), {**combination, **names})
    for command in (("check",), ("format", "--check")):
        run(sys.executable, "-m", "ruff", *command, "--no-cache", cwd=tmp_path)


def test_compose_file_is_valid_and_makes_the_databases(combined: Project) -> None:
    if combined.database == "sqlite":
        pytest.skip("SQLite has no server")
    validate = ("-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec")
    combined.python(*validate, "compose.yaml")
    made = re.findall("CREATE DATABASE ([a-z_]+)", contents(combined)["compose.yaml"])
    urls = re.findall("(?m)^[A-Z_]*DATABASE_URL=(.*)$", contents(combined)[".env"])
    assert made == [url.rpartition("/")[2] for url in urls]


def test_same_files_with_hooks_off(
    combined: Project, combination: dict[str, str], tmp_path: Path
) -> None:
    without = contents(render(tmp_path / "without", combination, accept_hooks=False))
    with_hooks = contents(combined)
    del with_hooks[".env"]
    assert without == with_hooks


@pytest.mark.slow
def test_only_db_py_and_the_dependencies_differ_by_layer(
    variant: str, rendered: Callable[..., Project]
) -> None:
    for database in CHOICES["database"]:
        first, *others = (
            contents(rendered(variant=variant, database=database, layer=layer))
            for layer in CHOICES["layer"]
        )
        for other in others:
            differing = {name for name in first if first[name] != other[name]}
            assert differing == {".env", "flask_app/db.py", "pyproject.toml"}


@pytest.mark.slow
def test_no_python_but_the_default_urls_differs_by_database(
    variant: str, rendered: Callable[..., Project]
) -> None:
    first, *others = (
        contents(rendered(variant=variant, database=database)) for database in CHOICES["database"]
    )
    for other in others:
        differing = {name for name in first if name.endswith(".py") and first[name] != other[name]}
        assert differing == {"flask_app/config.py"}


def test_env_file_has_a_key_of_its_own_and_is_private(generic: Project, multidb: Project) -> None:
    keys = set()
    for project in (generic, multidb):
        file = project.folder / ".env"
        key = re.search(
            "^SECRET_KEY=([0-9a-f]{64})$", file.read_text(encoding="utf-8"), re.MULTILINE
        )
        assert key
        keys.add(key[1])
        if sys.platform != "win32":
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(keys) == 2


def test_env_file_that_is_there_is_kept(tmp_path: Path) -> None:
    for folder in ("flask-app", "other"):
        (tmp_path / folder).mkdir()
    (tmp_path / "flask-app" / ".env").write_text("SECRET_KEY=mine\n", encoding="utf-8")
    run(
        *(sys.executable, "-m", "cookiecutter", Path(__file__).parents[1], "--no-input"),
        *("--overwrite-if-exists", "--default-config", "--output-dir", tmp_path),
        cwd=tmp_path,
        env={"PATH": "", "HOME": str(tmp_path), "USERPROFILE": str(tmp_path)},
    )
    env = tmp_path / "flask-app" / ".env"
    assert env.read_text(encoding="utf-8") == "SECRET_KEY=mine\n"
    assert (tmp_path / "flask-app" / "alembic.ini").exists()


def test_git_ignores_what_is_secret_or_local(generic: Project) -> None:
    git(generic.folder, "init", "--quiet")
    generic.alembic("upgrade", "head")
    ignored = git(generic.folder, "check-ignore", ".env", "instance/default.db")
    assert ignored.split() == [".env", "instance/default.db"]
    kept = run("git", "check-ignore", ".env.example", "alembic.ini", cwd=generic.folder, status=1)
    assert kept.stdout == ""


def test_alembic_ini_has_no_url(project: Project) -> None:
    assert "://" not in re.sub("^#.*$", "", contents(project)["alembic.ini"], flags=re.MULTILINE)


def test_same_dependencies_here_as_in_what_is_tested(combined: Project) -> None:
    """The kit's own environment runs the rendered projects, so it must have all they need."""
    ours = read_toml(Path(__file__).parents[1] / "pyproject.toml")["dependency-groups"]["dev"]
    theirs = read_toml(combined.folder / "pyproject.toml")
    names = {re.match(r"[\w-]+", requirement)[0] for requirement in ours}  # type: ignore[index]
    for requirement in theirs["project"]["dependencies"] + theirs["dependency-groups"]["dev"]:
        assert re.match(r"[\w-]+", requirement)[0] in names  # type: ignore[index]


@pytest.mark.parametrize("path", ["hooks", "templates", "{{cookiecutter.project}}"])
def test_kit_has_few_conditionals(path: str) -> None:
    lines = [
        line
        for file in (Path(__file__).parents[1] / path).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
        for line in file.read_text(encoding="utf-8").splitlines()
        if re.search(r"\{%-? *(if|elif) ", line)
    ]
    assert len(lines) < 10


def test_choice_is_added_by_a_folder_and_the_json(tmp_path: Path) -> None:
    """As CONTRIBUTING.md says."""
    kit = tmp_path / "kit"
    ignored = (".git", ".venv*", "*_cache", "__pycache__")
    shutil.copytree(ROOT, kit, ignore=shutil.ignore_patterns(*ignored))
    for like in ("sqlalchemy", "sqlite"):
        shutil.copytree(kit / "templates" / like, kit / "templates" / f"my-{like}")
    questions = kit / "cookiecutter.json"
    text = questions.read_text(encoding="utf-8")
    text = text.replace('"sqlalchemy"],', '"sqlalchemy", "my-sqlalchemy"],')
    text = text.replace('"database": ["sqlite",', '"database": ["sqlite", "my-sqlite",')
    text = text.replace("== 'sqlite'", "in ('sqlite', 'my-sqlite')")
    questions.write_text(text, encoding="utf-8")
    answers = ("layer=my-sqlalchemy", "database=my-sqlite")
    config = str(cookiecutter_config(tmp_path / "config"))
    command = (sys.executable, "-m", "cookiecutter", kit, "--no-input", *answers)
    # The package of the kit is installed from its folder, which has kit_answers.py too.
    environment = {**ENVIRONMENT, "COOKIECUTTER_CONFIG": config, "PYTHONPATH": str(kit)}
    run(*command, cwd=tmp_path, env=environment)
    run(sys.executable, "-m", "pytest", "-q", cwd=tmp_path / "flask-app", env=ENVIRONMENT)
