"""A project from an earlier version of the kit is brought to the newest by cruft."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from kit import ROOT, Project, commit, git, render
from recipes import (
    POSTS,
    USERS,
    follow,
    on_each_dialect,
    recipe,
    section,
    there_and_back,
    walk,
    write_rows,
)

pytestmark = pytest.mark.slow

GUARD = "{{cookiecutter.project}}/{{cookiecutter.package}}/migrations/kit/guard.py"
INSERTS = {
    "generic": {"default": [USERS, POSTS]},
    "multidb": {"default": [POSTS], "auth": [USERS]},
}
ROWS = {
    "generic": {"default": {"users": 2, "posts": 2}},
    "multidb": {"default": {"posts": 2}, "auth": {"users": 2}},
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The kit's repository with this version of the kit, committed or not, as its newest."""
    folder = tmp_path / "repository"
    git(tmp_path, "clone", "--quiet", str(ROOT), str(folder))
    git(folder, f"--work-tree={ROOT}", "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "newest")
    return folder


@pytest.fixture(
    params=[pytest.param("--diff-filter=A", marks=pytest.mark.slow), "-1"],
    ids=["from-one-room", "from-the-last"],
)
def earlier(repository: Path, request: pytest.FixtureRequest) -> str:
    """The commit before the one that has added the folder kit/, or changed guard.py last."""
    if git(repository, "rev-parse", "--is-shallow-repository") == "true":
        pytest.skip("the clone has no earlier commit: git fetch --unshallow")
    log = ("log", request.param, "--no-renames", "--format=%H", "HEAD^", "--", GUARD)
    changed = git(repository, *log).split()[-1]
    return git(repository, "rev-parse", f"{changed}^")


def files(folder: Path) -> set[str]:
    """Return what git tracks in a folder and what it does not ignore, but the revisions."""
    listed = git(folder, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    return {name for name in listed if "/versions/" not in name and (folder / name).exists()}


def create(repository: Path, version: str, folder: Path, answers: dict[str, str]) -> None:
    """Make a project from a version of the kit, and commit it."""
    chosen = shlex.quote(json.dumps(answers))
    options = f"--checkout {version} --no-input --extra-context {chosen}"
    commands = recipe("Stay up to date", 0).replace("--skip .env", f"{options} --skip .env")
    address = "https://github.com/org/flask-alembic-kit"
    follow(commands.replace(address, shlex.quote(str(repository))), folder)
    commit(folder / answers["project"], "as it was made")


def test_update_keeps_what_was_edited(
    variant: str, repository: Path, earlier: str, tmp_path: Path
) -> None:
    answers = {"project": "shop", "variant": variant}
    create(repository, earlier, tmp_path, answers)
    newest = render(tmp_path / "newest", answers)
    project = Project(tmp_path / "shop", "shop", variant, newest.layer, newest.database)

    with on_each_dialect(tmp_path / "databases", *ROWS[variant]) as databases:
        edit = ("IGNORED_TABLES: set[str] = set()", 'IGNORED_TABLES = {"theirs"}')
        project.edit("migrations/env.py", *edit)
        project.add_column()
        revise = ("upgrade head", "revision --autogenerate -m body")
        walk(project.folder, databases[:1], *revise)
        walk(project.folder, databases, "upgrade head")
        for each in databases:
            write_rows(each, INSERTS[variant])
        commit(project.folder, "mine")
        kept = [project.folder / ".env", *project.versions.glob("*.py")]
        before = [path.read_bytes() for path in kept]

        follow(recipe("Stay up to date", 1), project.folder)

        assert [path.read_bytes() for path in kept] == before
        newest.edit("migrations/env.py", *edit)
        newest.add_column()
        git(newest.folder, "init", "--quiet")
        assert files(project.folder) == files(newest.folder) | {".cruft.json"}
        for name in files(newest.folder):
            updated = (project.folder / name).read_text(encoding="utf-8")
            assert updated == (newest.folder / name).read_text(encoding="utf-8"), name
        project.python("-m", "pytest", "-q")
        there_and_back(project.folder, databases, ROWS[variant])


def test_folder_kit_alone_is_an_update(variant: str, repository: Path, tmp_path: Path) -> None:
    """By hand: what is beside it is of the version of which the project was made."""
    made = git(repository, "log", "--diff-filter=A", "--format=%H", "--", GUARD).split()[-1]
    create(repository, made, tmp_path, {"project": "shop", "variant": variant})
    newest = render(tmp_path / "newest", {"project": "other", "variant": variant})
    migrations = tmp_path / "shop" / "shop" / "migrations"
    shutil.rmtree(migrations / "kit")
    shutil.copytree(newest.folder / "other" / "migrations" / "kit", migrations / "kit")

    project = Project(tmp_path / "shop", "shop", variant, newest.layer, newest.database)
    project.python("-m", "pytest", "-q")
    project.alembic("upgrade", "head")
    project.add_column()
    assert "add_column" in project.new_revision("--autogenerate", "-m", "body")
    project.flask("db", "upgrade")
    project.alembic("check")


def test_update_finds_nothing_in_a_new_project(project: Project) -> None:
    """It shows what its owner has edited, and no more."""
    done = project.python("-m", "flask_alembic_kit", "update").stdout
    assert done.startswith("0 files changed in ")
    for name in ("env.py", "script.py.mako"):
        assert f"{name} is the same as in this version." in done


def test_kit_may_have_new_names_in_its_questions(repository: Path, tmp_path: Path) -> None:
    """The answers are checked by one version of the kit, the other's names are as good."""
    create(repository, "HEAD", tmp_path, {"project": "shop"})
    questions = repository / "cookiecutter.json"
    git(repository, "checkout", "--force", "--quiet")
    text = questions.read_text(encoding="utf-8")
    name = '"__new": "{{ cookiecutter.package ~ \'.txt\' }}", "__prompts__":'
    questions.write_text(text.replace('"__prompts__":', name), encoding="utf-8")
    file = "{{cookiecutter.project}}/{{cookiecutter.__new}}"
    (repository / file).write_text("new\n", encoding="utf-8")
    commit(repository, "newer")

    follow(recipe("Stay up to date", 1), tmp_path / "shop")

    assert (tmp_path / "shop" / "shop.txt").read_text(encoding="utf-8") == "new\n"


def test_a_project_can_leave_the_kit(tmp_path: Path) -> None:
    """With plain Alembic its revisions run, and databases with rows stay as they are."""
    project = render(tmp_path, {"project": "shop"})
    with on_each_dialect(tmp_path / "databases", "default") as databases:
        walk(project.folder, databases, "upgrade head")
        for each in databases:
            write_rows(each, INSERTS["generic"])
        commit(project.folder, "with the kit")

        (env,) = re.findall(
            r"^```python\n(.*?)^```$", section("Leave the kit"), re.MULTILINE | re.DOTALL
        )
        (project.versions.parent / "env.py").write_text(env, encoding="utf-8")
        assert "shop/views.py" in follow(recipe("Leave the kit"), project.folder)
        for name in ("__init__.py", "views.py"):
            path = project.folder / "shop" / name
            text = re.sub(r'@bp.get\("/health"\).*', "", path.read_text("utf-8"), flags=re.DOTALL)
            lines = [line for line in text.splitlines() if not re.search(r"\bkit\b", line)]
            path.write_text("\n".join(lines), encoding="utf-8")

        walk(project.folder, databases, "upgrade head", "check")
        project.add_column()
        walk(project.folder, databases[:1], "revision --autogenerate -m body")
        there_and_back(project.folder, databases, ROWS["generic"])
