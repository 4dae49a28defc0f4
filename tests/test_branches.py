"""Named branches, with folders of their own."""

from kit import FIRST_REVISION, Project


def test_branch_has_a_folder_of_its_own(project: Project) -> None:
    add_location(project)
    begin_branch(project)
    more = ("--head", "billing@head", "--depends-on", FIRST_REVISION, "--rev-id", "b2")
    project.alembic("revision", "-m", "more", *more)
    project.alembic("revision", "-m", "main", "--head", FIRST_REVISION, "--rev-id", "m2")
    folder = project.versions.with_name("billing")
    assert sorted(path.name[18:20] for path in folder.glob("*.py")) == ["b1", "b2"]
    assert len(list(project.versions.glob("*-m2_*.py"))) == 1

    def current(count: int = len(project.databases)) -> set[str]:
        lines = project.alembic("current").stdout.split("\n")
        revisions = [line.split()[0] for line in lines if line and not line.startswith("Database")]
        assert all(revisions.count(revision) == count for revision in revisions)
        return set(revisions)

    project.alembic("upgrade", "billing@head")
    assert current() == {"b2", FIRST_REVISION}  # on which it depends
    assert "posts" in project.tables()
    project.alembic("upgrade", "heads")
    assert current() == {"b2", "m2"}
    project.alembic("check")
    said = project.alembic("revision", "--autogenerate", "-m", "more", status=None).stdout
    assert "There are 2 heads, b2 and m2: name billing@head; to upgrade, heads." in said
    project.alembic("downgrade", "billing@base")
    assert current() == {"m2"}


def test_head_that_another_depends_on_is_no_row_of_the_version_table(project: Project) -> None:
    add_location(project)
    begin_branch(project)
    more = ("--head", "billing@head", "--depends-on", FIRST_REVISION, "--rev-id", "b2")
    project.alembic("revision", "-m", "more", *more)
    assert "is at head (b2)" in project.alembic("upgrade", "heads").stderr
    code = """
from flask_app import create_app
from flask_app.migrations import needs_upgrade
app = create_app()
with app.app_context():
    assert needs_upgrade() == []
assert app.test_client().get("/health").status_code == 200
"""
    project.python("-c", code)
    project.alembic("stamp", "--purge", "b2", FIRST_REVISION)
    project.python("-c", code)
    project.alembic("stamp", "--purge", "b1", FIRST_REVISION)
    project.python("-c", code.replace("== []", "!= []").replace("200", "503"))


def test_own_tests_pass_with_a_branch_and_fail_with_a_second_head_in_it(generic: Project) -> None:
    add_location(generic)
    begin_branch(generic)
    generic.python("-m", "pytest", "-q")
    for revision in ("b2", "b3"):
        head = ("--head", "b1", "--splice")
        generic.alembic("revision", "-m", revision, "--rev-id", revision, *head)
    failed = generic.python("-m", "pytest", "-q", status=1).stdout
    assert "FAILED tests/test_migrations.py::test_no_branch_has_two_heads" in failed


def add_location(project: Project) -> None:
    """Do what the generated README says."""
    ini = project.folder / "alembic.ini"
    text = ini.read_text(encoding="utf-8")
    locations = "".join(f"\n    %(script_location)s/{name}" for name in ("versions", "billing"))
    ini.write_text(
        text.replace("\nprepend_sys_path", f"\nversion_locations ={locations}\nprepend_sys_path"),
        encoding="utf-8",
    )


def begin_branch(project: Project) -> None:
    """Write the first revision of the branch, ``b1``."""
    path = project.versions.with_name("billing")
    label = ("--head", "base", "--branch-label", "billing", "--version-path", str(path))
    project.alembic("revision", "-m", "invoices", "--rev-id", "b1", *label)
