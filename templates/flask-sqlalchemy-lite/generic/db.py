"""The database: ``db``, and ``Model``, the base class of every model."""

from flask.sansio.app import App
from flask_sqlalchemy_lite import SQLAlchemy
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase


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


class Database(SQLAlchemy):
    """Flask-SQLAlchemy-Lite, with the settings of Flask-SQLAlchemy."""

    metadata = Model.metadata

    def init_app(self, app: App) -> None:
        """Make the engine of an app.

        :param app: its ``SQLALCHEMY_DATABASE_URI`` and ``SQLALCHEMY_ENGINE_OPTIONS`` are used
        """
        app.config["SQLALCHEMY_ENGINES"] = {
            "default": {
                "url": app.config["SQLALCHEMY_DATABASE_URI"],
                **app.config.get("SQLALCHEMY_ENGINE_OPTIONS", {}),
            }
        }
        super().init_app(app)


db = Database()
