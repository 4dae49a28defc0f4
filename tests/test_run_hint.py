"""``flask run`` says that a database is behind; nobody else does."""

import sys

from kit import Project, start
from test_guard import wait_for_line

COUNT = """    import threading
    app.cli.command("threads")(lambda: print(threading.active_count()))
    return app
"""


def test_flask_run_says_that_a_database_is_behind(multidb: Project) -> None:
    """And of no other, which is looked at before."""
    multidb.alembic("-x", "database=auth", "upgrade", "head")
    server = start(sys.executable, "-m", "flask", "run", "--port", "0", cwd=multidb.folder)
    said = wait_for_line(server, "Database default is behind the code: run flask db upgrade.")
    server.kill()
    server.communicate()
    assert "Database auth" not in said


def test_other_commands_start_no_thread_that_looks(generic: Project) -> None:
    generic.edit("__init__.py", "    return app\n", COUNT)
    assert generic.flask("threads").stdout == "1\n"
    code = f"import threading\nfrom {generic.package} import create_app\ncreate_app()\n"
    assert generic.python("-c", f"{code}print(threading.active_count())").stdout == "1\n"
