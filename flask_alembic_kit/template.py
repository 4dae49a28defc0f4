"""The kit's template, rendered for an app that exists: one source for new projects and for old ones."""

from pathlib import Path
from tempfile import TemporaryDirectory

from cookiecutter.main import cookiecutter

PACKAGE = "rendered"  # nothing that is placed may name it: the app's names are private variables


def template() -> Path:
    """Return the folder of the template: in the wheel, or the checkout around this package."""
    folder = Path(__file__).parent / "template"
    return folder if folder.exists() else Path(__file__).parents[1]


def render(variables: dict[str, str]) -> dict[str, str]:
    """Return the files of a project by path, each with its text.

    :param variables: answers, and private variables, of ``cookiecutter.json``
    """
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        config = folder / "config.yaml"  # keeps cookiecutter out of the home directory
        config.write_text(
            f"cookiecutters_dir: '{folder / 'templates'}'\nreplay_dir: '{folder / 'replay'}'\n",
            encoding="utf-8",
        )
        project = cookiecutter(
            str(template()),
            no_input=True,
            extra_context={"project": PACKAGE, "package": PACKAGE, **variables},
            output_dir=str(folder / "rendered"),
            config_file=str(config),
            accept_hooks=False,
        )
        return {
            path.relative_to(project).as_posix(): path.read_text(encoding="utf-8")
            for path in sorted(Path(project).rglob("*"))
            if path.is_file() and path.parent.name != "__pycache__"  # pip compiles what it installs
        }
