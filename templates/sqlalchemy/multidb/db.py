"""The databases: ``db``, and the base class of the models in each of them."""

from pathlib import Path
from typing import Any

from flask import Flask, current_app, g
from sqlalchemy import URL, Engine, MetaData, create_engine, make_url
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

# Gives every constraint a name, so that a migration can change it.
NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Model(DeclarativeBase):
    """The base class of every model in the default database."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class AuthModel(DeclarativeBase):
    """The base class of every model in the database ``auth``."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


# The base class of the models in each database.
MODELS: dict[str, type[DeclarativeBase]] = {"default": Model, "auth": AuthModel}


class Database:
    """The engines of each app, and a session for each app context."""

    metadata = Model.metadata

    @property
    def metadatas(self) -> dict[str, MetaData]:
        """The tables of each database."""
        return {name: model.metadata for name, model in MODELS.items()}

    def init_app(self, app: Flask) -> None:
        """Make the engines of an app, and let its sessions find the one of a model.

        :param app: its ``SQLALCHEMY_DATABASE_URI``, ``SQLALCHEMY_ENGINE_OPTIONS`` and
            ``SQLALCHEMY_BINDS`` are used
        """
        options = app.config.get("SQLALCHEMY_ENGINE_OPTIONS", {})
        engines = {"default": make_engine(app, app.config["SQLALCHEMY_DATABASE_URI"], **options)}
        for name, bind in app.config["SQLALCHEMY_BINDS"].items():
            engines[name] = make_engine(app, **(bind if isinstance(bind, dict) else {"url": bind}))
        app.extensions["engines"] = engines
        app.extensions["sessionmaker"] = sessionmaker(engines["default"], binds=binds(engines))
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


def binds(engines: dict[str, Engine]) -> dict[Any, Engine]:
    """Return the engine of each base class and of each table outside the default database."""
    return {
        key: engines[name]
        for name, model in MODELS.items()
        if name != "default"
        for key in (model, *model.metadata.tables.values())
    }


db = Database()
