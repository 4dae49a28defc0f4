"""The migrations, from an empty database."""

import subprocess
import sysconfig
import traceback
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError, to_list
from flask import Flask

from {{ cookiecutter.package }} import create_app
from {{ cookiecutter.package }}.migrations import alembic_config, lint


def test_no_branch_has_two_heads() -> None:
    heads = ScriptDirectory.from_config(alembic_config()).get_revisions("heads")
    branches = [sorted(head.branch_labels) for head in heads if head]
    assert all(branches.count(branch) == 1 for branch in branches), "see: alembic merge"


def test_migrations_make_what_the_models_say(empty_app: Flask) -> None:
    with empty_app.app_context():
        command.upgrade(alembic_config(), "heads")
        command.check(alembic_config())


def test_every_revision_goes_up_and_down_and_up_again(empty_app: Flask) -> None:
    config = alembic_config()
    revisions = list(ScriptDirectory.from_config(config).walk_revisions())
    one_way = []
    with empty_app.app_context():
        for revision in reversed(revisions):
            parents = to_list(revision.down_revision) or [f"{revision.revision}@base"]
            command.upgrade(config, revision.revision)
            try:
                command.downgrade(config, parents[0])
            except NotImplementedError as error:
                if traceback.extract_tb(error.__traceback__)[-1].filename != revision.path:
                    raise  # Alembic's own, about what the database cannot do
                one_way.append(f"{revision.revision} cannot go back: {error}")
            command.upgrade(config, revision.revision)
    if one_way:
        pytest.skip("; ".join(one_way))


def test_the_sql_can_be_written_without_a_connection(
    empty_app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the SQL of several databases goes into files there
    with empty_app.app_context():
        try:
            command.upgrade(alembic_config(), "heads", sql=True)
        except CommandError as error:
            if "batch mode" not in str(error):
                raise
            pytest.skip(str(error))  # SQLite must read a table before it can copy it
        except (AttributeError, TypeError) as error:  # there is no result without a connection
            if "NoneType" not in str(error):
                raise
            pytest.skip(f"a revision reads the database: {error}")


def test_the_diagram_of_the_readme_is_that_of_the_models() -> None:
    folder = Path(__file__).parents[1]
    if "<!-- BEGIN_SQLALCHEMY_DOCS -->" in (folder / "README.md").read_text(encoding="utf-8"):
        paracelsus = str(Path(sysconfig.get_path("scripts"), "paracelsus"))
        arguments = [paracelsus, "inject", "README.md", "--check"]
        is_same = subprocess.run(arguments, cwd=folder, check=False).returncode == 0
        assert is_same, "out of date: run paracelsus inject README.md"


def test_new_revisions_are_safe_beside_the_code_that_runs() -> None:
    app = create_app()  # for its kind of database: none is asked
    with app.app_context():
        is_file = app.config["SQLALCHEMY_DATABASE_URI"].startswith("sqlite")
        found = [] if is_file else lint()
    assert not found, "\n".join(found)
