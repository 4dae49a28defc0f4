"""The project as a wheel, in an environment of its own: nothing of its folder is there."""

import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from kit import ENVIRONMENT, FIRST_REVISION, Project, new_environment, run
from test_branches import add_location, begin_branch
from test_flask_db import add_folder

INSTALLED = {name: value for name, value in ENVIRONMENT.items() if name != "VIRTUAL_ENV"}


def dockerfile(project: Project) -> str:
    """Return the Dockerfile in the project's README."""
    readme = (project.folder / "README.md").read_text(encoding="utf-8")
    found = re.search(r"^```dockerfile\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


@pytest.mark.slow
def test_installed_wheel_migrates_and_logs_from_any_folder(
    project: Project, uv: str, tmp_path: Path
) -> None:
    """As the Dockerfile in the README does it, whose commands these are."""
    image = dockerfile(project)
    add_location(project)
    begin_branch(project)
    run(uv, "build", "--quiet", cwd=project.folder, env=INSTALLED)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    wheels = [str(path) for path in (project.folder / "dist").glob("*.whl")]
    assert len(wheels) == 1
    assert "RUN pip install --no-cache-dir /tmp/*.whl gunicorn\n" in image
    programs = new_environment(uv, tmp_path / "venv", *wheels, "gunicorn")
    shutil.rmtree(project.folder)

    environment = {
        **INSTALLED,
        "DATABASE_URL": f"sqlite:///{(elsewhere / 'default.db').as_posix()}",
        "AUTH_DATABASE_URL": f"sqlite:///{(elsewhere / 'auth.db').as_posix()}",
    }
    assert f"ENV FLASK_APP={project.package}\n" in image
    environment["FLASK_APP"] = project.package
    assert '"flask db upgrade && exec gunicorn ' in image
    flask = (programs / "flask", "db")
    done = run(*flask, "upgrade", f"{FIRST_REVISION}", cwd=elsewhere, env=environment)
    assert f"Running upgrade  -> {FIRST_REVISION}, Users and posts." in done.stderr
    done = run(*flask, "upgrade", "heads", cwd=elsewhere, env=environment)
    assert "Running upgrade  -> b1, invoices" in done.stderr
    names = {path.name for path in elsewhere.glob("*.db")}
    assert names == {f"{name}.db" for name in project.databases}
    run(*flask, "check", cwd=elsewhere, env=environment)

    code = f"""
import sys
from alembic.script import ScriptDirectory
from {project.package}.migrations import alembic_config
config = alembic_config()
assert ScriptDirectory.from_config(config).timezone == "UTC"
assert not [path for path in sys.path if "migrations" in path], sys.path
"""
    run(programs / "python", "-c", code, cwd=elsewhere, env=environment)
    if sys.platform == "win32":
        pytest.skip("gunicorn does not run on Windows")
    application = f"{project.package}:create_app()"
    assert f"'{application}'\"]" in image
    gunicorn = (programs / "gunicorn", "--check-config", application)
    run(*gunicorn, cwd=elsewhere, env=environment)


FOLDERS = """
import os
import sys
from flask.cli import FlaskGroup
from flask_app import create_app, migrations

assert migrations.__file__.startswith(SITE), migrations.__file__
for directory, arguments in [("", []), ("", ["-d", "more"]), ("more", [])]:
    os.environ["FLASK_DB_DIRECTORY"] = directory
    FlaskGroup(create_app=create_app).main(["db", "heads", *arguments], standalone_mode=False)
states = create_app().test_client().get("/health").json.values()
print(*[state["heads"] for state in states])
"""


@pytest.mark.slow
def test_script_location_and_directory_hold_in_a_wheel(
    generic: Project, uv: str, tmp_path: Path
) -> None:
    """The wheel is unpacked, which is what installing does; what it needs is in this environment."""
    add_folder(generic, generic.folder / generic.package / "there")
    ini = generic.folder / "alembic.ini"
    text = ini.read_text(encoding="utf-8")
    changed = text.replace(f"{generic.package}/migrations", f"{generic.package}/there")
    assert changed.count("/there") == text.count(f"{generic.package}/migrations") == 2
    ini.write_text(changed, encoding="utf-8")
    elsewhere = tmp_path / "elsewhere"
    add_folder(generic, elsewhere / "more")
    run(uv, "build", "--quiet", "--wheel", cwd=generic.folder, env=INSTALLED)
    (wheel,) = (generic.folder / "dist").glob("*.whl")
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    shutil.rmtree(generic.folder)

    url = f"sqlite:///{(elsewhere / 'app.db').as_posix()}"
    environment = {**INSTALLED, "PYTHONPATH": str(site), "DATABASE_URL": url}
    code = FOLDERS.replace("SITE", repr(str(site)))
    done = run(sys.executable, "-c", code, cwd=elsewhere, env=environment)
    heads = ["there (head)", "more (head)", "more (head)", "['there']"]
    assert done.stdout.splitlines() == heads
    done = run(
        sys.executable,
        "-m",
        "flask",
        "--app",
        "flask_app",
        "db",
        "upgrade",
        cwd=elsewhere,
        env=environment,
    )
    assert "-> there" in done.stderr
