"""Answers that will not do are refused in one line, before anything is made of them."""

import json
import re
import sys
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cookiecutter.cli import main
from cookiecutter.exceptions import CookiecutterException
from cookiecutter.main import cookiecutter
from kit import ENVIRONMENT, ROOT, Project, cookiecutter_config, read_toml, render, run
from packaging.requirements import Requirement

from kit_answers import check_package, check_project

RUN_ME = "{{ cycler.__init__.__globals__.os.system('touch executed') }}"

PROJECTS = [
    "",
    " ",
    ".",
    "..",
    "../x",
    "../../x",
    "a/b",
    "a/../../x",
    "a\\b",
    "/abs",
    "~",
    "~root",
    "-leading-dash",
    "--help",
    ".hidden",
    "trailing-",
    "trailing.",
    "with space",
    "tab\tinside",
    "new\nline",
    "shop\n",
    "single'quote",
    'double"quote',
    "'''",
    '"""',
    "back`tick`",
    "$HOME",
    "$(touch executed)",
    "; touch executed",
    "a" * 300,
    "a" * 101,
    "CON",
    "nul",
    "aux.txt",
    "com1",
    "LPT9",
    "müll",
    "проект",
    "٣",
    "店",
    "sh\N{ZERO WIDTH SPACE}op",
    "\x1b[31mred",
    "{{ 7*7 }}",
    "{{ cookiecutter }}",
    "{{ cookiecutter.nothing }}",
    "{% raw %}",
    "{# comment #}",
    "{{",
    RUN_ME,
    "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "__import__('os').system('touch executed')",
    "flask",
    "Flask",
    "SQLAlchemy",
    "flask.sqlalchemy",
    "python-dotenv",
    "typing_extensions",
    "pip",
    "7",
    "class",
    "json",
    "tests",
]
PACKAGES = [
    "",
    ".",
    "..",
    "../x",
    "/abs",
    "a/b",
    "a.b",
    "a-b",
    "1st",
    "_private",
    "Shop",
    "shop ",
    "shop\n",
    "shop'",
    'shop"',
    "müll",
    "店",
    "class",
    "import",
    "async",
    "json",
    "os",
    "test",
    "this",
    "antigravity",
    "flask",
    "alembic",
    "sqlalchemy",
    "dotenv",
    "migrations",
    "tests",
    "instance",
    "conftest",
    "test_app",
    "sitecustomize",
    "con",
    "com1",
    "a" * 300,
    "{{ 7*7 }}",
    RUN_ME,
    "os; import os",
    "a\nimport os",
    "__init__",
]


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    """A folder in which only the folder ``out`` may be written to, and ``taken`` is there."""
    (tmp_path / "out" / "taken").mkdir(parents=True)
    (tmp_path / "out" / "taken" / "precious.txt").write_text("precious", encoding="utf-8")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "precious.txt").write_text("precious", encoding="utf-8")
    return tmp_path


@pytest.fixture
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cookiecutter_config(tmp_path_factory.mktemp("config"))


def refusal(sandbox: Path, config: Path, *answers: str, **options: Any) -> str:
    """Run cookiecutter, see that it left no trace, and return what it printed."""
    before = tree(sandbox)
    done = run(
        *(sys.executable, "-m", "cookiecutter", ROOT),
        *("--output-dir", sandbox / "out", "--config-file", config),
        *(answers or ["--verbose"]),
        cwd=sandbox,
        status=1,
        **options,
    )
    assert tree(sandbox) == before
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("question", "answer"),
    [("project", answer) for answer in PROJECTS] + [("package", answer) for answer in PACKAGES],
)
def test_hostile_answer_is_refused_in_one_line(
    sandbox: Path, config: Path, monkeypatch: pytest.MonkeyPatch, question: str, answer: str
) -> None:
    monkeypatch.chdir(sandbox)
    before = tree(sandbox)
    command = [str(ROOT), f"{question}={answer}", "--no-input", "--config-file", str(config)]
    done = CliRunner().invoke(main, [*command, "--output-dir", str(sandbox / "out")])
    assert tree(sandbox) == before
    assert isinstance(done.exception, SystemExit) and done.exit_code == 1, done.exception
    (line,) = done.output.splitlines()
    assert re.match(rf"({question}|answer|package)=['\"].*, such as (project=)?my.shop\.", line), (
        line
    )
    assert len(line) < 250


@pytest.mark.parametrize("answer", ["nul\0inside", None, True, 7, {"a": "b"}])
@pytest.mark.parametrize("question", ["project", "package"])
def test_what_a_command_line_cannot_carry_is_refused_too(
    sandbox: Path, config: Path, question: str, answer: object
) -> None:
    before = tree(sandbox)
    with pytest.raises(CookiecutterException, match="such as"):
        cookiecutter(
            str(ROOT),
            no_input=True,
            extra_context={question: answer},
            output_dir=str(sandbox / "out"),
            config_file=str(config),
        )
    assert tree(sandbox) == before


def test_existing_folder_is_left_alone(sandbox: Path, config: Path) -> None:
    (line,) = refusal(sandbox, config, "--no-input", "project=taken").splitlines()
    assert line.endswith('taken" directory already exists')


@pytest.mark.parametrize("answer", ["../x", "/abs", "a/../../x", "new\nline", RUN_ME])
def test_process_exits_with_one_line(sandbox: Path, config: Path, answer: str) -> None:
    (line,) = refusal(sandbox, config, "--no-input", f"project={answer}").splitlines()
    assert re.search(
        r"Run the command again with another answer, such as (project=)?my-shop\.$", line
    )


@pytest.mark.parametrize("answer", ["../x", RUN_ME])
def test_answer_at_the_prompt_is_refused_before_the_next_question(
    sandbox: Path, config: Path, answer: str
) -> None:
    printed = refusal(sandbox, config, "--accept-hooks=yes", input=f"{answer}\n")
    assert printed.endswith("Run the command again with another answer, such as my-shop.\n")
    assert "Name of the Python package" not in printed
    assert "Traceback" not in printed


def test_answer_from_the_users_config_is_refused(sandbox: Path, config: Path) -> None:
    config.write_text(
        config.read_text(encoding="utf-8") + "default_context: {project: ../x}\n", encoding="utf-8"
    )
    (line,) = refusal(sandbox, config, "--no-input").splitlines()
    assert line.startswith("project='../x'")


def test_answers_are_checked_with_hooks_off(sandbox: Path, config: Path) -> None:
    refusal(sandbox, config, "--no-input", "--accept-hooks=no", "project=../x")


@pytest.mark.parametrize("check", ["__project_checked=x", "__package_checked=x"])
def test_no_check_can_be_switched_off(sandbox: Path, config: Path, check: str) -> None:
    refusal(sandbox, config, "--no-input", check, "project=../x")


@pytest.mark.parametrize("project", ["a", "shop", "My-Shop", "my_shop.web", "shop2", "x" * 50])
def test_answer_that_will_do(tmp_path: Path, project: str) -> None:
    assert render(tmp_path / "out", {"project": project}).folder == tmp_path / "out" / project


def test_enter_throughout_makes_a_generic_project(tmp_path: Path, config: Path) -> None:
    run(
        *(sys.executable, "-m", "cookiecutter", ROOT),
        *("--output-dir", tmp_path, "--config-file", config),
        cwd=tmp_path,
        input="\n" * 9,
        env=ENVIRONMENT,
    )
    env = tmp_path / "flask-app" / "flask_app" / "migrations" / "env.py"
    assert "database=NAME" not in env.read_text(encoding="utf-8")


def installed_by(requirement: str, seen: dict[str, str]) -> None:
    """Collect the distributions that a requirement brings, directly or not."""
    wanted = Requirement(requirement)
    if str(wanted) in seen:
        return
    seen[str(wanted)] = wanted.name
    for needed in distribution(wanted.name).requires or []:
        marker = Requirement(needed).marker
        if marker is None or any(
            marker.evaluate({"extra": extra}) for extra in ("", *wanted.extras)
        ):
            installed_by(needed, seen)


def test_nothing_that_a_project_installs_can_be_hidden(combined: Project) -> None:
    pyproject = read_toml(combined.folder / "pyproject.toml")
    installed: dict[str, str] = {}
    for group in [pyproject["project"]["dependencies"], *pyproject["dependency-groups"].values()]:
        for requirement in group:
            installed_by(requirement, installed)
    normalized = {re.sub(r"[-_.]+", "-", name).lower() for name in installed.values()}
    assert len(normalized) > 10
    for name in normalized:
        with pytest.raises(CookiecutterException, match="itself installs"):
            check_project(name)
    for module, names in packages_distributions().items():
        importable = re.fullmatch("[a-z][a-z0-9_]*", module)
        if importable and normalized & {re.sub(r"[-_.]+", "-", name).lower() for name in names}:
            with pytest.raises(CookiecutterException, match="itself installs"):
                check_package(module)


UNCHECKED = {
    "project": "../outside",
    "package": "../../outside",
    "variant": "../outside",
    "database": "nosuch",
    "__compose": "../../outside.yaml",
}


@pytest.mark.parametrize("question", UNCHECKED)
@pytest.mark.parametrize("way", ["replay", "command"])
def test_answer_that_no_question_has_seen_is_refused(
    tmp_path: Path, question: str, way: str
) -> None:
    """A replay file, and a value of the kit's own on the command line, are asked nothing."""
    folder = tmp_path / "deep" / "er"
    config = cookiecutter_config(tmp_path / "config")
    options: dict[str, Any] = {"output_dir": str(folder), "config_file": str(config)}
    cookiecutter(str(ROOT), no_input=True, **{**options, "output_dir": str(tmp_path / "first")})
    if way == "replay":
        (replay,) = (tmp_path / "config" / "replay").glob("*.json")
        found = json.loads(replay.read_text(encoding="utf-8"))
        found["cookiecutter"][question] = UNCHECKED[question]
        replay.write_text(json.dumps(found), encoding="utf-8")
        options["replay"] = str(replay)
    else:
        options |= {"no_input": True, "extra_context": {question: UNCHECKED[question]}}
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises((CookiecutterException, ValueError)) as refused:
        cookiecutter(str(ROOT), **options)
    assert "outside" in str(refused.value) or "nosuch" in str(refused.value)
    assert [path for path in sorted(tmp_path.rglob("*")) if path not in before] in ([], [folder])
