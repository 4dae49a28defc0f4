"""The workflows of the kit and of a generated project: valid, safe, and failing when they should."""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kit import CHOICES, FIRST_REVISION, ROOT, Project, run

WORKFLOW = ".github/workflows/ci.yml"


def test_workflows_are_valid_and_safe(rendered: Callable[..., Project]) -> None:
    zizmor = shutil.which("zizmor", path=str(Path(sys.executable).parent))
    assert zizmor, "zizmor is not installed"
    projects = [rendered(database=database) for database in CHOICES["database"]]
    files = [ROOT / WORKFLOW, *(project.folder / WORKFLOW for project in projects)]
    schema = ("--builtin-schema", "vendor.github-workflows")
    run(sys.executable, "-m", "check_jsonschema", *schema, *files, cwd=ROOT)
    run(zizmor, "--offline", "--no-config", *files, cwd=ROOT)


@pytest.mark.slow
def test_workflow_fails_at_a_second_head_and_at_a_changed_model(generic: Project) -> None:
    """All of it is in the tests, so that another CI system needs no more than these."""
    assert "\n      - run: pytest  #" in (generic.folder / WORKFLOW).read_text(encoding="utf-8")
    generic.python("-m", "pytest")
    generic.add_column()
    done = generic.python("-m", "pytest", status=1)
    assert (
        "FAILED tests/test_migrations.py::test_migrations_make_what_the_models_say" in done.stdout
    )
    generic.alembic("upgrade", "head")
    generic.new_revision("--autogenerate", "-m", "body")
    generic.python("-m", "pytest")
    generic.alembic("revision", "-m", "second", "--head", FIRST_REVISION, "--splice")
    done = generic.python("-m", "pytest", status=1)
    assert "FAILED tests/test_migrations.py::test_no_branch_has_two_heads" in done.stdout


def test_own_tests_skip_a_way_down_that_there_is_not(project: Project) -> None:
    """As the generated README says; what Alembic cannot do is no such way, and fails."""
    project.add_revision("pass", "raise NotImplementedError('the names are gone')")
    project.add_revision("op.get_bind().execute(sa.text('SELECT 1')).all()")
    own_tests = ("-m", "pytest", "-q", "-rfs", "tests/test_migrations.py")
    done = project.python(*own_tests)
    assert "a revision reads the database" in done.stdout
    assert re.search(r"SKIPPED .*: r001 cannot go back: the names are gone\n", done.stdout)
    project.add_revision("pass", "op.create_foreign_key('f', 'posts', 'users', ['id'], ['id'])")
    failed = project.python(*own_tests, status=1).stdout
    assert "FAILED tests/test_migrations.py::test_every_revision_goes_up_and_down" in failed
    assert "No support for ALTER of constraints in SQLite dialect" in failed
    project.alembic("upgrade", "head")
    last = project.alembic("downgrade", "-1", status=1).stderr.splitlines()[-1]
    assert last.endswith("Below `with op.batch_alter_table(TABLE) as batch:` it works on SQLite.")
