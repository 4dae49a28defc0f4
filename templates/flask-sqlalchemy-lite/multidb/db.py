"""The databases: ``db``, and the base class of the models in each of them."""

from typing import Any

from flask import Flask
from flask.sansio.app import App
from flask_sqlalchemy_lite import SQLAlchemy
from sqlalchemy import Engine, MetaData
from sqlalchemy.orm import DeclarativeBase

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


class Database(SQLAlchemy):
    """Flask-SQLAlchemy-Lite, with the settings of Flask-SQLAlchemy."""

    metadata = Model.metadata

    @property
    def metadatas(self) -> dict[str, MetaData]:
        """The tables of each database."""
        return {name: model.metadata for name, model in MODELS.items()}

    def init_app(self, app: App) -> None:
        """Make the engines of an app, and let its sessions find the one of a model.

        :param app: its ``SQLALCHEMY_DATABASE_URI``, ``SQLALCHEMY_ENGINE_OPTIONS`` and
            ``SQLALCHEMY_BINDS`` are used
        """
        default = {
            "url": app.config["SQLALCHEMY_DATABASE_URI"],
            **app.config.get("SQLALCHEMY_ENGINE_OPTIONS", {}),
        }
        app.config["SQLALCHEMY_ENGINES"] = {"default": default, **app.config["SQLALCHEMY_BINDS"]}
        super().init_app(app)
        assert isinstance(app, Flask)
        with app.app_context():
            self.sessionmaker.configure(binds=binds(self.engines))


def binds(engines: dict[str, Engine]) -> dict[Any, Engine]:
    """Return the engine of each base class and of each table outside the default database."""
    return {
        key: engines[name]
        for name, model in MODELS.items()
        if name != "default"
        for key in (model, *model.metadata.tables.values())
    }


db = Database()
