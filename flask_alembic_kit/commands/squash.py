"""``flask-alembic-kit squash``: one revision takes the place of all up to one of them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from .. import versions
from ..place import alone, replace
from ..process import ask


@click.command("squash")
@click.argument("rev", required=False)
@click.option("--app", help="The app, as for flask --app.")
@click.option(
    "--copy", metavar="REV", multiple=True, help="Copy what this revision does; may be repeated."
)
@click.option(
    "--scratch", metavar="URL", help="The server for scratch databases; default: the app's."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(
    rev: str | None, app: str | None, copy: tuple[str, ...], scratch: str | None, yes: bool
) -> None:
    """Replace all revisions up to REV, or the head, by one.

    The new one has the id of REV, so a database at REV or later needs nothing. Scratch databases are
    built by the old revisions and by the new one, and nothing is written unless both are the same.
    The old files are deleted: commit them before.
    """
    root = Path.cwd().resolve()
    versions.check()
    alone(root)
    arguments: dict[str, Any] = {"app": app, "ini": str(root / "alembic.ini")}
    found = ask("chained", rev=rev, **arguments)
    if found["left"]:
        if not yes:
            click.confirm(
                f"Delete {len(found['left'])} revisions that were squashed before?", abort=True
            )
        for file in found["left"]:
            Path(file).unlink()
        click.echo(
            f"Deleted {len(found['left'])} revisions that were squashed before. Run it again."
        )
        return
    commit = committed(root, found["files"])
    show(found, root)
    if not yes:
        click.confirm(
            "Write the new revision, and replace the old ones if it makes the same?", abort=True
        )
    made = ask(
        "squash", rev=found["revision"], copy=list(copy), commit=commit, server=scratch, **arguments
    )
    if "failed" in made:
        raise click.ClickException(
            f"The new revision does not run: {made['failed']}. Nothing has been changed."
        )
    report(made)
    if made["differs"]:
        click.echo(
            "\nNot the same: see above. Nothing has been changed. --copy REV copies what a revision "
            "does that could not be carried over.",
            err=True,
        )
        sys.exit(1)
    replace(Path(found["file"]), made["text"])
    # Killed in between, the others stand beside it, and git has all of them.
    for file in found["files"]:
        if file != found["file"]:
            Path(file).unlink()
    click.echo(
        "\nDone. Commit this, and tag the commit before: older databases need that one first."
    )


def show(found: dict[str, Any], root: Path) -> None:
    """Show what is to be replaced."""
    replaced = found["replaced"]
    click.echo(f"To be replaced by one revision {found['revision']}: {len(replaced)} revisions")
    more = f"... {len(replaced) - 7} more"
    for each in replaced if len(replaced) <= 8 else [*replaced[:4], more, *replaced[-3:]]:
        click.echo(f"    {each}")
    click.echo(
        f"It replaces the text of {os.path.relpath(found['file'], root)}; the other files are deleted."
    )


def report(made: dict[str, Any]) -> None:
    """Show what was proven, and what was not."""
    for name, counts in made["counts"].items():
        for table, number in counts.items():
            click.echo(f"Rows of {table} in {name}: {number} copied")
    for name, items in made["server"].items():
        if items:
            click.echo(f"Written as SQL of the server, in {name}: {', '.join(items)}")
    for each in made["differs"]:
        by = f" (revision {each['revision']})" if each["revision"] else ""
        click.echo(f"    {each['text']}{by}", err=True)
    if not made["differs"]:
        click.echo(
            "Proof: the old revisions and the new one make the same, and the new one downgrades to empty."
        )


def committed(root: Path, files: list[str]) -> str:
    """Return the commit that has the files.

    :raises ClickException: if git does not have them as they are
    """

    def git(*arguments: str) -> str:
        command = ("git", "-C", str(root), *arguments)
        try:
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise click.ClickException(
                "The revisions are not all in git. Commit them first: their files are deleted."
            ) from error
        return done.stdout

    folders = sorted({str(Path(file).parent) for file in files})
    status = ("status", "--porcelain", "-z", "--ignored=no", "--untracked-files=all")
    first = git(*status, "--", *folders).partition("\0")[0]
    if first:
        raise click.ClickException(
            f"Not committed: {first[3:]}. Commit it first: files are deleted."
        )
    tracked = {str(root / path) for path in git("ls-files", "-z", "--", *folders).split("\0")}
    if missing := [file for file in files if file not in tracked]:
        raise click.ClickException(f"Git does not have {missing[0]}: commit it first.")
    return git("rev-parse", "--short=12", "HEAD").strip()
