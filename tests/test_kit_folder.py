"""The folder kit/: the same in every project, and nothing in it leans on what is around it."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from kit import QUESTIONS, ROOT, Project, read_toml

MIGRATIONS = ROOT / "{{cookiecutter.project}}" / "{{cookiecutter.package}}" / "migrations"
KIT = MIGRATIONS / "kit"
ENV_PY = {"generic": 70, "multidb": 105}  # lines, at most


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder and of those in it, byte for byte."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }


def modules(folder: Path) -> dict[str, ast.Module]:
    """Return the modules of a folder by their names, that of the folder being ``kit``."""
    found = {}
    for path in folder.rglob("*.py"):
        name = ".".join(("kit", *path.relative_to(folder).with_suffix("").parts))
        found[name.removesuffix(".__init__")] = ast.parse(path.read_text(encoding="utf-8"))
    return found


MODULES = modules(KIT)


def imports(name: str) -> Iterator[tuple[int, str, str]]:
    """Yield from where a module imports: the dots, the module after them, and the name.

    That may be anywhere, in a function too.
    """
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.level, node.module or "", alias.name) for alias in node.names)


def inner_imports(name: str) -> set[str]:
    """Return the modules of the folder that a module imports, by their full names.

    What leads out of the folder is none of its modules.
    """
    is_package = any(other.startswith(f"{name}.") for other in MODULES)
    package = name.split(".") if is_package else name.split(".")[:-1]
    found = set()
    for level, module, imported in imports(name):
        if level > len(package):
            found.add("." * level + module)
        elif level:
            path = ".".join(filter(None, [*package[: len(package) - level + 1], module]))
            found.add(f"{path}.{imported}" if f"{path}.{imported}" in MODULES else path)
    return found


def test_scan_finds_the_imports_there_are() -> None:
    mysql = {
        f"kit.{name}"
        for name in (
            "backends",
            "backends.indexes",
            "backends.keys",
            "session",
        )
    }
    assert inner_imports("kit.backends.mysql") == mysql
    assert inner_imports("kit") == {
        "kit.command_line",
        "kit.mistakes",
        "kit.probe",
        "kit.version",
    }


def test_same_bytes_in_every_combination(combined: Project) -> None:
    assert contents(combined.folder / combined.package / "migrations" / "kit") == contents(KIT)


def test_same_bytes_in_a_project_of_another_name(rendered: Callable[..., Project]) -> None:
    project = rendered(project="Corner-Shop", package="till", variant="multidb")
    assert contents(project.folder / "till" / "migrations" / "kit") == contents(KIT)


def test_nothing_of_the_template_is_in_it() -> None:
    for name, text in contents(KIT).items():
        for marker in (b"{{", b"{%", b"{#", b"cookiecutter", b"flask_app", b"flask-app"):
            assert marker not in text, f"{name} has {marker!r}"


def test_it_imports_from_itself_by_relative_imports_only() -> None:
    """And otherwise only what is installed: nothing of a project, which has another name."""
    installed = {"alembic", "click", "flask", "sqlalchemy"} | sys.stdlib_module_names
    for name in MODULES:
        absolute = {module.partition(".")[0] for level, module, _ in imports(name) if not level}
        assert absolute <= installed, f"{name}: {absolute - installed}"


def test_no_arrow_leads_out_of_it() -> None:
    for name in MODULES:
        outside = inner_imports(name) - {*MODULES}
        assert not outside, f"{name} imports {outside}"


def test_no_circle_of_imports() -> None:
    """Not even by an import in a function, and not between folders; a circle is shown in the message."""
    TopologicalSorter({name: inner_imports(name) for name in MODULES}).prepare()
    rooms: dict[str, set[str]] = {}
    for name in MODULES:
        needed = {room(other) for other in inner_imports(name)}
        rooms.setdefault(room(name), set()).update(needed - {room(name)})
    TopologicalSorter(rooms).prepare()


def room(name: str) -> str:
    """Return the file or the folder of kit/ that a module is, or is in."""
    return ".".join(name.split(".")[:2])


def test_what_differs_by_database_is_imported_by_nobody() -> None:
    """A new kind of database is a new file: it is found by its name."""
    files = {f"kit.backends.{name}" for name in ("mariadb", "mysql", "postgresql", "sqlite")}
    for name in MODULES.keys() - files:
        assert not inner_imports(name) & files, name
    dialects = {name.rpartition(".")[2] for name in files}
    for name in MODULES.keys() - files:
        words = {n.value for n in ast.walk(MODULES[name]) if isinstance(n, ast.Constant)}
        assert not words & dialects, f"{name} asks for {words & dialects}"


def test_files_of_older_projects_find_what_they_import() -> None:
    """An update replaces the folder only: the other files of a project still import these."""
    named = {"api", "commands", "environment", "graph", "lint", "plan", "reset"}
    assert {f"kit.{name}" for name in named} <= MODULES.keys()


def test_no_file_is_long() -> None:
    lines = {name: text.count(b"\n") for name, text in contents(KIT).items()}
    assert {name: number for name, number in lines.items() if number > 150} == {}
    assert sum(lines.values()) <= 5737


def test_env_py_is_a_page_and_imports_from_it_in_one_statement(project: Project) -> None:
    text = (project.folder / project.package / "migrations" / "env.py").read_text(encoding="utf-8")
    assert text.count("\n") <= ENV_PY[project.variant]
    statements = [line for line in text.splitlines() if line.startswith(("from ", "import "))]
    assert len([line for line in statements if ".kit" in line]) == 1


def test_there_is_one_version() -> None:
    """That of the template: the package reads it, and the folder says the same."""
    build = read_toml(ROOT / "pyproject.toml")["tool"]["hatch"]["version"]
    found = re.search(build["pattern"], (ROOT / build["path"]).read_text(encoding="utf-8"))
    assert found and found["version"] == QUESTIONS["_version"]
    text = (KIT / "version.py").read_text(encoding="utf-8")
    assert f'__version__ = "{QUESTIONS["_version"]}"' in text
