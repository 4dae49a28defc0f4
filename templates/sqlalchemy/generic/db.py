"""The database: ``db``, and ``Model``, the base class of every model."""

from pathlib import Path
from typing import Any

from flask import Flask, current_app, g
from sqlalchemy import URL, Engine, MetaData, create_engine, make_url
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker


class Model(DeclarativeBase):
    """Gives every constraint a name, so that a migration can change it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Database:
    """An engine for each app, and a session for each app context."""

    metadata = Model.metadata

    def init_app(self, app: Flask) -> None:
        """Make the engine of an app.

        :param app: its ``SQLALCHEMY_DATABASE_URI`` and ``SQLALCHEMY_ENGINE_OPTIONS`` are used
        """
        options = app.config.get("SQLALCHEMY_ENGINE_OPTIONS", {})
        engine = make_engine(app, app.config["SQLALCHEMY_DATABASE_URI"], **options)
        app.extensions["engines"] = {"default": engine}
        app.extensions["sessionmaker"] = sessionmaker(engine)
        app.extensions["sqlalchemy"] = self
        app.teardown_appcontext(close_session)

    @property
    def engines(self) -> dict[str, Engine]:
        """The engines of the current app by name."""
        engines: dict[str, Engine] = current_app.extensions["engines"]
        return engines

    @property
    def engine(self) -> Engine:
        """The engine of the default database."""
        return self.engines["default"]

    @property
    def session(self) -> Session:
        """The session of the app context, whose end closes it and rolls back what is not committed."""
        if "db_session" not in g:
            g.db_session = current_app.extensions["sessionmaker"]()
        session: Session = g.db_session
        return session


def make_engine(app: Flask, url: str | URL, **options: Any) -> Engine:
    """Return an engine; a relative path of SQLite is relative to the app's instance folder."""
    url = make_url(url)
    file = url.database if url.get_backend_name() == "sqlite" else None
    if file and not file.startswith((":", "file:")) and not Path(file).is_absolute():
        Path(app.instance_path).mkdir(parents=True, exist_ok=True)
        url = url.set(database=str(Path(app.instance_path, file)))
    return create_engine(url, **options)


def close_session(_: BaseException | None) -> None:
    """Close the session of the app context that ends, if it has one."""
    if "db_session" in g:
        g.pop("db_session").close()


db = Database()
