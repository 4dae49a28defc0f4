"""``flask-alembic-kit update``: the machinery of a project becomes that of this version."""

import difflib
import os
from pathlib import Path

import click

from .. import environment, versions
from ..inside.environments import adopted
from ..inside.errors import Refused
from ..layout import layout_of
from ..place import alone, replace
from ..plan import same
from ..process import ask
from ..template import PACKAGE, render

KIT = f"{PACKAGE}/migrations/kit/"


@click.command("update")
@click.option("--app", help="The app, as for flask --app.")
@click.option(
    "--db", metavar="MODULE:NAME", help="The object with the app's engine, if it is no extension."
)
@click.option(
    "--into", metavar="FOLDER", help="The folder with env.py, if no alembic.ini names it."
)
def command(app: str | None, db: str | None, into: str | None) -> None:
    """Replace the folder migrations/kit/, and show how your files differ from the new ones.

    Your files are env.py and script.py.mako. They are not changed: take over what you like.
    """
    root = Path.cwd().resolve()
    versions.check()
    alone(root)
    try:
        folder = root / into if into else adopted(root / "alembic.ini")
    except Refused as error:
        raise click.ClickException(str(error)) from error
    if not folder or not (folder / "kit" / "__init__.py").exists():
        what = folder or "alembic.ini"
        raise click.ClickException(
            f"{what} does not lead to a folder kit: name the folder with env.py, --into."
        )
    changed = updated(folder / "kit")
    click.echo(f"{len(changed)} files changed in {os.path.relpath(folder / 'kit', root)}")
    for path in changed:
        click.echo(f"    {path}")
    found = ask("look", app=app, db=db)
    layout = layout_of(found, root, str(folder))
    files = environment.files(found, layout, True)
    target = layout.target.relative_to(root).as_posix()
    for name in ("env.py", "script.py.mako"):
        show_difference(folder / name, files[f"{target}/{name}"])


def updated(folder: Path) -> list[str]:
    """Make a folder that of this version, and return the files that it has changed.

    Each file is replaced whole, and the app is not needed for it: what was killed can be run again.
    """
    rendered = render({})
    files = {path.removeprefix(KIT): t for path, t in rendered.items() if path.startswith(KIT)}
    changed = []
    for path, text in files.items():
        file = folder / path
        if not file.exists() or not same(file, text):
            replace(file, text)
            changed.append(path)
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder).as_posix()
        if file.is_file() and path not in files and "__pycache__" not in file.parts:
            file.unlink()
            changed.append(f"{path} (deleted)")
    return changed


def show_difference(file: Path, text: str) -> None:
    """Show how a file differs from that of this version."""
    mine = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else []
    lines = difflib.unified_diff(
        mine,
        text.splitlines(keepends=True),
        f"{file.name} (yours)",
        f"{file.name} (of this version)",
    )
    click.echo("".join(lines) or f"{file.name} is the same as in this version.")
