"""Scratch databases: while switched on, every connection of the process goes to an empty one instead.

The proof builds the schema there, and no code of the app or of an old env.py can reach the real one.
"""

import os
import secrets
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.pool import Pool

from .errors import Refused

# The names that drivers give to the name of a database.
NAMES = ("dbname", "database", "db")
SAME = {"mysql": "mariadb", "mariadb": "mysql"}
# What lets a session change nothing from its next transaction on.
READ_ONLY = {
    "sqlite": "PRAGMA query_only = 1",
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}
# What makes the schema that a connection uses, if an admin has made it in the app's database.
SCHEMA = """\
SELECT 'CREATE SCHEMA ' || split_part(current_setting('search_path'), ',', 1) WHERE current_schema() IS NULL
"""
# What makes the extensions of a database in another.
EXTENSIONS = """\
SELECT 'CREATE SCHEMA IF NOT EXISTS ' || quote_ident(nspname) || '; CREATE EXTENSION IF NOT EXISTS '
    || quote_ident(extname) || ' SCHEMA ' || quote_ident(nspname) || ' CASCADE'
FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
WHERE extname <> 'plpgsql' ORDER BY pg_extension.oid
"""


class Scratch:
    """Knows the scratch databases of this process.

    :param folder: where those of SQLite are
    :param label: begins the names of those on a server; the rest is random, for others have some too
    :param server: where they are made, if not on the server of the app
    :param extended: whether they get the extensions of the app's database, as an admin may have made them
    """

    # All that have connected since the first was made, before the app was loaded.
    engines: ClassVar[weakref.WeakSet[Engine]] = weakref.WeakSet()
    all: ClassVar[list["Scratch"]] = []

    def __init__(
        self, folder: Path, label: str, server: Any = None, extended: bool = False
    ) -> None:
        self.folder = folder
        self.label = label
        self.server = server
        self.extended = extended
        self.is_on = False
        self.is_read_only = False
        self.used: set[str] = set()
        self.made: dict[tuple[str, ...], tuple[str, Any, Any, Any]] = {}
        self.opened: list[Any] = []
        self.all.append(self)
        event.listen(Engine, "do_connect", self.connect)
        event.listen(Engine, "engine_connect", self.remember)
        event.listen(Pool, "connect", self.refuse_others)

    def remember(self, connection: Any, *_: object) -> None:
        """Keep the engine, so that its pool can be emptied."""
        self.engines.add(connection.engine)

    def refuse_others(self, connection: Any, _: object) -> None:
        """Refuse a connection that ``connect()`` has not opened: it leads to the app's own database.

        To a revision that asks for one, the kit gives the one that migrates, wrapped.
        """
        driver = getattr(connection, "driver", None)
        if self.is_on and not any(each in (connection, driver) for each in self.opened):
            connection.close()
            raise Refused(
                "The app opens its connections by itself (creator= or pool= of create_engine()), so no empty "
                "database can take the place of its own. Let it use a URL here, as in its tests. Nothing has "
                "been changed."
            )

    def connect(self, dialect: Any, _: object, cargs: Any, cparams: Any) -> Any:
        """Return a connection of the driver; None leaves it to SQLAlchemy."""
        key = next((key for key in NAMES if key in cparams), None)
        if not self.is_on:
            know_name(dialect, cparams.get(key))
            if not self.is_read_only or dialect.name not in READ_ONLY:
                return None
            own = dialect.connect(*cargs, **cparams)
            own.cursor().execute(READ_ONLY[dialect.name])
            own.commit()
            return own
        if dialect.name == "sqlite":
            file = os.path.abspath(
                str(cargs[0] if cargs else "")
            )  # an alembic.ini may have it relative
            name = sha256(file.encode()).hexdigest()[:16]
            self.used.add(name)
            others = {key: value for key, value in cparams.items() if key != "uri"}
            return self.remembered(dialect.connect(str(self.folder / f"{name}.db"), **others))
        # Without a name it is the server itself, which an app may ask for its databases.
        key = key or {"postgresql": "dbname", "mysql": "database"}.get(dialect.name)
        if key is None:
            raise Refused(f"No scratch database can be made on {dialect.name}.")
        place = (cparams.get(word) for word in ("host", "port", "unix_socket", key))
        kind = "mysql" if dialect.name in SAME else dialect.name  # has a port of its own
        where = (kind, *map(str, place))
        if self.server is not None:
            if self.server.get_backend_name() not in (dialect.name, SAME.get(dialect.name)):
                raise Refused(f"--scratch is not the URL of a server of {dialect.name}.")
            cargs, cparams = dialect.create_connect_args(self.server)
        if where not in self.made:
            name = f"{self.label}_{secrets.token_hex(6)}"
            create = f"CREATE DATABASE {quoted(dialect.name, name)}"
            self.execute(dialect, cargs, cparams, create)
            self.made[where] = name, dialect, list(cargs), dict(cparams)
            there = {**cparams, key: name}
            if dialect.name == "postgresql":
                for (statement,) in self.execute(dialect, cargs, there, SCHEMA):
                    self.execute(dialect, cargs, there, statement)
            if self.extended and dialect.name == "postgresql":
                for (statement,) in self.execute(dialect, cargs, cparams, EXTENSIONS):
                    with suppress(Refused):  # of those that only an admin may make
                        self.execute(dialect, cargs, there, statement)
        name = self.made[where][0]
        self.used.add(name)
        know_name(dialect, name)
        return self.remembered(dialect.connect(*cargs, **{**cparams, key: name}))

    def remembered(self, connection: Any) -> Any:
        """Return a connection of the driver, which is closed when all is done."""
        self.opened.append(connection)
        return connection

    def execute(self, dialect: Any, cargs: Any, cparams: Any, statement: str) -> Any:
        """Execute a statement on the server that the app uses, and return the rows of a query.

        :raises Refused: if the app's user may not
        """
        connection = None
        try:
            connection = dialect.connect(*cargs, **cparams)
            if callable(connection.autocommit):
                connection.autocommit(True)
            else:
                connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
        except Exception as error:
            said = " ".join(str(error).split())
            raise Refused(f"No scratch database can be made: {said}") from error
        finally:
            if connection is not None:
                connection.close()

    def dispose(self) -> None:
        """Empty all pools, so that none hands out an older connection."""
        for engine in list(self.engines):
            engine.dispose()

    @contextmanager
    def while_set(self, flag: str) -> Iterator[None]:
        """Set a flag for what follows; no connection from before it, or from within, is used again."""
        self.dispose()
        setattr(self, flag, True)
        try:
            yield
        finally:
            self.dispose()
            setattr(self, flag, False)

    def on(self) -> AbstractContextManager[None]:
        """Switch it on."""
        return self.while_set("is_on")

    def only_reading(self) -> AbstractContextManager[None]:
        """Let no connection to the app's own database change anything."""
        return self.while_set("is_read_only")

    def drop(self) -> None:
        """Drop the databases on servers; those of SQLite go with their folder."""
        for connection in self.opened:
            with suppress(Exception):
                connection.close()
        for name, dialect, cargs, cparams in self.made.values():
            force = " WITH (FORCE)" if dialect.name == "postgresql" else ""
            drop = f"DROP DATABASE IF EXISTS {quoted(dialect.name, name)}{force}"
            with suppress(Exception):
                self.execute(dialect, cargs, cparams, drop)
        self.made.clear()


def know_name(dialect: Any, name: Any) -> None:
    """Tell MySQL's dialect the name of the database: it asks the server for it only once."""
    if dialect.name in ("mysql", "mariadb") and dialect.default_schema_name:
        dialect.default_schema_name = name


def quoted(kind: str, name: str) -> str:
    """Return the name of a database as it stands in a statement of a kind of server."""
    return f'"{name}"' if kind == "postgresql" else f"`{name}`"
