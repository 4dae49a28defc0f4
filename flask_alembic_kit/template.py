"""The kit's template, rendered for an app that exists: one source for new projects and for old ones.

Not by cookiecutter: it would bring twenty packages into the app's environment, and run code of the app as a template.
"""

import json
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

PACKAGE = "rendered"  # nothing that is placed may name it: the app's names are private variables


def template() -> Path:
    """Return the folder of the template: in the wheel, or the checkout around this package."""
    folder = Path(__file__).parent / "template"
    return folder if folder.exists() else Path(__file__).parents[1]


def render(variables: dict[str, str]) -> dict[str, str]:
    """Return the files of a project that an app needs by path, each with its text.

    :param variables: answers, and private variables, of ``cookiecutter.json``
    """
    jinja = Environment(
        loader=FileSystemLoader(template() / "templates"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    questions = json.loads((template() / "cookiecutter.json").read_text(encoding="utf-8"))
    answers = {"project": PACKAGE, "package": PACKAGE, **variables}

    def fill(text: str) -> str:
        return jinja.from_string(text).render(cookiecutter=answers)

    for name, default in questions.items():
        if name not in answers and isinstance(default, (str, list)):
            answers[name] = fill(default) if isinstance(default, str) else default[0]
    project = template() / "{{cookiecutter.project}}"
    files = {}
    for file in sorted([project / "alembic.ini", *project.glob("*/migrations/**/*")]):
        if file.is_file() and file.parent.name != "__pycache__":  # pip compiles what it installs
            text = file.read_text(encoding="utf-8")
            path = fill(file.relative_to(project).as_posix())
            files[path] = text if f"{PACKAGE}/migrations/kit/" in path else fill(text)
    return files
