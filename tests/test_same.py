"""What replaces.md says does the same as Flask-Migrate and Flask-Alembic has the same results.

The functions of each run beside their replacements, on equal apps with equal revisions.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from peers import build

REVISIONS = {
    "r0": ("None", "op.create_table('things', sa.Column('id', sa.Integer))", "things"),
    "r1": ("'r0'", "op.create_table('more', sa.Column('id', sa.Integer))", "more"),
    "r2": ("'r1'", "op.create_table('most', sa.Column('id', sa.Integer))", "most"),
}
REVISION = """'A revision.'

import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {before}


def upgrade():
    {upgrade}


def downgrade():
    op.drop_table({table!r})
"""

# Runs commands, then pieces of Python, each in an app context of its own, and prints the exit statuses
# and the values, with what was printed.
RUN = """
import io, json, sys
from argparse import Namespace

printed = sys.stdout = io.StringIO()  # before Alembic is imported, which remembers it

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import produce_migrations
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import rev_id
from click.testing import CliRunner
from flask.cli import FlaskGroup
from shop import create_app
from shop.db import db
IMPORTS

def ids(revisions):
    return [revision.revision for revision in revisions]

app = create_app()
app.config.setdefault("ALEMBIC_CONTEXT", {})["transaction_per_migration"] = True
results = []
for arguments in COMMANDS:
    done = CliRunner().invoke(FlaskGroup(create_app=lambda: app), ["db", *arguments])
    results.append(done.exit_code % 256)
    print(arguments, repr(done.exception), done.output, file=sys.stderr)
for code in CODE:
    printed.seek(0)
    printed.truncate()
    *before, last = code.split("; ")
    with app.app_context():
        names = {**globals(), "alembic": app.extensions.get("alembic")}
        try:
            exec("\\n".join(before), names)
            value = repr(eval(last, names))
        except SystemExit as error:  # of Flask-Migrate
            value = "failed"
        except Exception as error:
            value = "failed"
            print(code, repr(error), file=sys.stderr)
    results.append([value, printed.getvalue()])
json.dump(results, sys.__stdout__)
"""

KIT = """
from shop.migrations import alembic_config, current, differences, heads, needs_upgrade, read

def script():
    return ScriptDirectory.from_config(alembic_config())
"""

# Exit statuses: of a database that is behind, and of one that differs from its models.
COMMANDS = [["check"], ["current", "--check-heads"], ["upgrade"], ["check"], ["downgrade", "base"]]
STATUSES = {
    "kit": [3, 255, 0, 4, 0],
    "flask-migrate": [1, 2, 0, 1, 0],  # knows no --check-heads
    "flask-alembic": [1, 1, 0, 1, 0],
}

# What the peer does, and what replaces it. All but what is after the last semicolon may change the
# database for what comes next; its value is compared, and what is printed.
FLASK_ALEMBIC = [
    ("alembic.needs_upgrade()", "bool(needs_upgrade())"),
    ("ids(alembic.current())", "[*current()['default']]"),
    ("ids(alembic.heads())", "[*heads()]"),
    ("ids(alembic.heads(True))", "ids(script().get_revisions('heads'))"),
    ("ids(alembic.log())", "ids(script().walk_revisions('base', 'heads'))"),
    ("ids(alembic.log('r1', 'r2'))", "ids(script().walk_revisions('r1', 'r2'))"),
    ("alembic.needs_revision()", "bool(differences())"),
    ("alembic.compare_metadata()", "differences()['default']"),
    (
        "alembic.produce_migrations().upgrade_ops.as_diffs()",
        (
            "read(lambda migration: produce_migrations(migration, migration.opts['target_metadata']))"
            "['default'].upgrade_ops.as_diffs()"
        ),
    ),
    (
        "alembic.upgrade(1); ids(alembic.current())",
        "command.upgrade(alembic_config(), '+1'); [*current()['default']]",
    ),
    (
        "ids(alembic.log(start='current'))",
        "ids(script().walk_revisions(current()['default'], 'heads'))",
    ),
    (
        "ids(alembic.log(end='current'))",
        "ids(script().walk_revisions('base', current()['default']))",
    ),
    ("alembic.needs_upgrade()", "bool(needs_upgrade())"),
    (
        "alembic.upgrade(); ids(alembic.current())",
        "command.upgrade(alembic_config(), 'heads'); [*current()['default']]",
    ),
    ("alembic.needs_upgrade()", "bool(needs_upgrade())"),
    (
        "alembic.downgrade(); ids(alembic.current())",
        "command.downgrade(alembic_config(), '-1'); [*current()['default']]",
    ),
    (
        "alembic.downgrade('base'); ids(alembic.current())",
        "command.downgrade(alembic_config(), 'base'); [*current()['default']]",
    ),
    (
        "alembic.stamp('r1'); ids(alembic.current())",
        "command.stamp(alembic_config(), 'r1'); [*current()['default']]",
    ),
    (
        "alembic.stamp(); ids(alembic.current())",
        "command.stamp(alembic_config(), 'heads'); [*current()['default']]",
    ),
    (
        (
            "m = alembic.migration_context; "
            "m.get_current_revision(), m.opts['target_metadata'] is db.metadata, "
            "m.opts['compare_server_default'], m.opts['transaction_per_migration']"
        ),
        (
            "read(lambda m: (m.get_current_revision(), m.opts['target_metadata'] is db.metadata, "
            "m.opts['compare_server_default'], m.opts['transaction_per_migration']))['default']"
        ),
    ),
    (
        (
            "alembic.op.create_table('made', sa.Column('id', sa.Integer), sa.UniqueConstraint('id')); "
            "alembic.migration_context.connection.commit(); "
            "sa.inspect(db.engine).get_unique_constraints('made')"
        ),
        (
            "c = db.engine.connect(); "
            "o = MigrationContext.configure(c, opts={'target_metadata': db.metadata}); "
            "Operations(o).create_table('made', sa.Column('id', sa.Integer), sa.UniqueConstraint('id'));"
            " c.commit(); c.close(); "
            "sa.inspect(db.engine).get_unique_constraints('made')"
        ),
    ),
    (
        "seen = []; alembic.run_migrations(lambda revision, _: seen.append([*revision]) or []); seen",
        (
            "seen = []; f = lambda revision, _: seen.append([*revision]) or []; "
            "e = EnvironmentContext(alembic_config(), script(), fn=f, destination_rev='heads'); "
            "e.__enter__(); script().run_env(); e.__exit__(None, None, None); seen"
        ),
    ),
    (
        "alembic.revision('new', empty=True, branch='', parent='r0', splice=True)[0].down_revision",
        "command.revision(alembic_config(), 'new', head='r0', splice=True).down_revision",
    ),
    ("ids(alembic.branches())", "ids(r for r in script().walk_revisions() if r.is_branch_point)"),
    (
        "alembic.rev_id = rev_id; alembic.merge().is_merge_point",
        "command.merge(alembic_config(), 'heads').is_merge_point",
    ),
    ("alembic.needs_upgrade()", "bool(needs_upgrade())"),
    (
        (
            "alembic.rev_id = rev_id; alembic.upgrade(); alembic.revision('all', branch=''); "
            "alembic.upgrade(); alembic.needs_upgrade(), alembic.needs_revision()"
        ),
        (
            "command.upgrade(alembic_config(), 'heads'); "
            "command.revision(alembic_config(), 'all', autogenerate=True); "
            "command.upgrade(alembic_config(), 'heads'); bool(needs_upgrade()), bool(differences())"
        ),
    ),
]

FLASK_MIGRATE = [
    ("flask_migrate.heads()", "command.heads(alembic_config())"),
    ("flask_migrate.history()", "command.history(alembic_config())"),
    ("flask_migrate.history(verbose=True)", "command.history(alembic_config(), verbose=True)"),
    ("flask_migrate.current()", "command.current(alembic_config())"),
    ("flask_migrate.show(revision='r1')", "command.show(alembic_config(), 'r1')"),
    ("flask_migrate.check()", "command.check(alembic_config())"),  # behind
    ("flask_migrate.upgrade(revision='r1')", "command.upgrade(alembic_config(), 'r1')"),
    ("flask_migrate.current()", "command.current(alembic_config())"),
    (
        "flask_migrate.history(indicate_current=True)",
        "command.history(alembic_config(), indicate_current=True)",
    ),
    ("flask_migrate.upgrade()", "command.upgrade(alembic_config(), 'head')"),
    ("flask_migrate.current()", "command.current(alembic_config())"),
    ("flask_migrate.downgrade()", "command.downgrade(alembic_config(), '-1')"),
    ("flask_migrate.current()", "command.current(alembic_config())"),
    (
        "flask_migrate.downgrade(sql=True)",
        "command.downgrade(alembic_config(), 'head:-1', sql=True)",
    ),
    ("flask_migrate.stamp()", "command.stamp(alembic_config(), 'head')"),
    ("flask_migrate.current()", "command.current(alembic_config())"),
    ("flask_migrate.check()", "command.check(alembic_config())"),  # models differ
    (
        "flask_migrate.upgrade(revision='nosuch')",
        "command.upgrade(alembic_config(), 'nosuch')",
    ),
    (
        "flask_migrate.revision(message='new', head='r0', splice=True, rev_id='n1')",
        "command.revision(alembic_config(), 'new', head='r0', splice=True, rev_id='n1') and None",
    ),
    ("flask_migrate.branches()", "command.branches(alembic_config())"),
    (
        "flask_migrate.merge(revisions='heads', rev_id='n2')",
        "command.merge(alembic_config(), 'heads', rev_id='n2') and None",
    ),
    (
        "flask_migrate.upgrade(x_arg='a=b')",
        "command.upgrade(alembic_config(cmd_opts=Namespace(x=['a=b'])), 'head')",
    ),
    (
        "flask_migrate.migrate(message='all', rev_id='n3'); flask_migrate.upgrade()",
        (
            "options = Namespace(autogenerate=True, x=['drop=most']); "  # which the kit asks for
            "command.revision(alembic_config(cmd_opts=options), 'all', autogenerate=True, rev_id='n3'); "
            "command.upgrade(alembic_config(), 'head')"
        ),
    ),
    ("flask_migrate.check()", "command.check(alembic_config())"),
    ("flask_migrate.heads()", "command.heads(alembic_config())"),
]

PAIRS = {"flask-alembic": FLASK_ALEMBIC, "flask-migrate": FLASK_MIGRATE}
# What differs on purpose: where files are and their names, and transactions of SQLite; or by chance.
DIFFERS = re.compile(
    r"(Path: |Generating ).*$|(BEGIN|COMMIT);\n\n| at 0x\w+"
    r"|(CREATE TABLE|INSERT INTO)[^;]*alembic_log[^;]*;\n\n",  # which only the kit writes
    re.MULTILINE,
)


def results(tool: str, code: list[str], folder: Path) -> list[Any]:
    """Run commands and code in the app with a tool; return the statuses, and the values."""
    peer = build(tool, folder / tool)
    for revision, (before, upgrade, table) in REVISIONS.items():
        text = REVISION.format(revision=revision, before=before, upgrade=upgrade, table=table)
        (peer.folder / peer.tool.versions / f"{revision}.py").write_text(text, encoding="utf-8")
    run = RUN.replace("IMPORTS", KIT if tool == "kit" else "import flask_migrate")
    run = run.replace("COMMANDS", repr(COMMANDS)).replace("CODE", repr(code))
    done = peer.python("-B", "-c", run)  # not forked, with Alembic there already
    print(done.stderr)
    return list(json.loads(done.stdout))


def told(text: str) -> list[str]:
    """Return the lines of a text without what differs; Alembic sorts no branches."""
    return sorted(DIFFERS.sub(r"\1", text).splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("tool", PAIRS)
def test_replacement_has_the_same_result(tool: str, tmp_path: Path) -> None:
    there, here = zip(*PAIRS[tool], strict=True)
    theirs = results(tool, list(there), tmp_path)
    ours = results("kit", list(here), tmp_path)
    number = len(COMMANDS)
    assert theirs[:number] == STATUSES[tool]
    assert ours[:number] == STATUSES["kit"]
    for pair, (value, printed), (our_value, our_printed) in zip(
        PAIRS[tool], theirs[number:], ours[number:], strict=True
    ):
        assert told(our_value) == told(value), pair
        assert told(our_printed) == told(printed), pair
