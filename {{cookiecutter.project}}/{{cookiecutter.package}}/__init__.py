"""The application."""

from collections.abc import Mapping
from typing import Any

from flask import Flask

from . import models as models  # so that db.metadata knows every table
from . import views
from .config import from_environment
from .db import db
from .migrations import kit


@kit.factory
def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Return a new application.

    :param config: settings that win over those from the environment
    """
    app = Flask(__name__)
    app.config.from_mapping(from_environment())
    app.config.from_mapping(config)
    db.init_app(app)
    app.register_blueprint(views.bp)
    app.cli.add_command(kit.db)
    return app
