"""Checks the answers while cookiecutter asks, before anything is made of them.

This is a local extension of cookiecutter, loaded by ``_extensions`` in ``cookiecutter.json``, and
not a pre_gen_project hook: by the time that hook runs, cookiecutter has made the project's folder,
wherever the answer pointed.

https://cookiecutter.readthedocs.io/en/stable/advanced/local_extensions.html
"""

import json
import keyword
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension
from jinja2.runtime import Context

if sys.version_info < (3, 10):  # noqa: UP036 - cookiecutter runs on these, this file does not
    version = ".".join(map(str, sys.version_info[:2]))
    raise FailedHookException(
        f"cookiecutter runs on Python {version}, and this kit needs 3.10 or newer:"
        " install cookiecutter there, or put uvx --python 3.13 in front of the command."
    )

# A generated project installs these (each as distribution and as module), directly or not.
DEPENDENCIES = """
    alembic alembic_postgresql_enum annotated_doc annotated_types asgiref ast_serialize blinker click
    colorama distutils dotenv exceptiongroup
    flask flask_sqlalchemy flask_sqlalchemy_lite greenlet hatchling iniconfig itsdangerous
    jinja2 librt mako markdown_it markdown_it_py markupsafe mdurl mypy mypy_extensions mypyc
    packaging paracelsus pathspec pip pkg_resources pluggy psycopg psycopg_binary py pydantic
    pydantic_core pydot pygments pymysql pyparsing pytest python_dotenv rich ruff scripts setuptools
    shellingham sqlalchemy squawk squawk_cli toml tomli typer typing_extensions typing_inspection
    tzdata uv werkzeug wheel
"""
# A generated project has, or gets, these at its top level or on its import path.
TAKEN = """
    build conftest dist env instance migrations site_packages sitecustomize test
    test_app test_migrations tests usercustomize venv
"""
WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
LONGEST_PROJECT = 100
LONGEST_PACKAGE = 50  # longer ones would need other line breaks in what is generated

COOKIECUTTER_JSON = Path(__file__).with_name("cookiecutter.json")
TEMPLATED_NAME = re.compile(r"\{\{cookiecutter\.\w+\}\}")


def refusal(question: str, answer: object, reason: str, example: str) -> FailedHookException:
    """Return the exception that the cookiecutter command prints as one line, without a traceback."""
    shown = repr(answer)
    if len(shown) > 80:
        shown = shown[:80] + "..."
    return FailedHookException(
        f"{question}={shown} {reason}. Run the command again with another answer, such as {example}."
    )


def check_project(answer: object) -> str:
    """Return the name of the project if it will do for a folder and for a distribution.

    The rule for a distribution's name is from
    https://packaging.python.org/en/latest/specifications/name-normalization/

    :raises FailedHookException: if it will not
    """

    refuse = partial(refusal, "project", answer, example="my-shop")

    if not isinstance(answer, str) or not re.fullmatch(
        r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", answer
    ):
        raise refuse(
            "is not a name made of ASCII letters, digits and single '-', '_' or '.' inside"
        )
    if len(answer) > LONGEST_PROJECT:
        raise refuse(f"has more than {LONGEST_PROJECT} characters")
    if WINDOWS_DEVICES.fullmatch(answer):
        raise refuse("is the name of a device on Windows")
    if re.sub(r"[-_.]+", "_", answer).lower() in DEPENDENCIES.split():
        raise refuse("is the name of a package that the project itself installs")
    return answer


def check_package(answer: object) -> str:
    """Return the name of the package if it can be imported and hides no other module.

    :raises FailedHookException: if it cannot, or does
    """

    refuse = partial(refusal, "package", answer, example="my_shop")

    if not isinstance(answer, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", answer):
        raise refuse("is not lower-case ASCII letters, digits and '_', with a letter first")
    if len(answer) > LONGEST_PACKAGE:
        raise refuse(f"has more than {LONGEST_PACKAGE} characters")
    if keyword.iskeyword(answer):
        raise refuse("is a keyword of Python")
    if WINDOWS_DEVICES.fullmatch(answer):
        raise refuse("is the name of a device on Windows")
    if answer in sys.stdlib_module_names:
        raise refuse("is the name of a module of Python's standard library")
    if answer in DEPENDENCIES.split():
        raise refuse("is the name of a package that the project itself installs")
    if answer in TAKEN.split():
        raise refuse("is a name that the project needs for something else")
    return answer


class CheckedContext(Context):
    """What a template is rendered with: checked once more, as a replay file passes no question."""

    def __init__(
        self, environment: Environment, parent: dict[str, Any], *arguments: Any, **named: Any
    ) -> None:
        super().__init__(environment, parent, *arguments, **named)
        answers = parent.get("cookiecutter", {})
        known = json.loads(COOKIECUTTER_JSON.read_text(encoding="utf-8"))
        for question, check in (("project", check_project), ("package", check_package)):
            # Until it is answered, the default is there, which may be a template.
            if question in answers and answers[question] != known[question]:
                check(answers[question])
        allowed = {name: values for name, values in known.items() if isinstance(values, list)}
        allowed |= {"__compose": [known["__compose"], "", "compose.yaml"]}
        for question in ("variant", "layer", "database", "__compose"):
            answer = answers.get(question)
            if answer is not None and answer not in [*allowed[question], allowed[question]]:
                example = f"{question}={allowed[question][-1]}"
                raise refusal(question, answer, "is none of the choices", example)


class Answers(Extension):
    """Adds the two checks as filters, and lets no answer be run as a template.

    ``cookiecutter.json`` keeps the results in lists because the command line can replace a list
    only by one of its own items, so that no check can be switched off from there.
    """

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters["check_project"] = check_project
        environment.filters["check_package"] = check_package
        # Not once for all: an update by cruft renders two versions of the kit in one process.
        self.known = COOKIECUTTER_JSON.read_text(encoding="utf-8")
        environment.context_class = CheckedContext

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Refuse a template that is neither a file of the kit nor in ``cookiecutter.json``.

        Cookiecutter renders the answers that it gets from the command line.
        """
        if (
            name is None
            and re.search(r"\{[{%#]", TEMPLATED_NAME.sub("", source))
            and json.dumps(source) not in self.known
        ):
            raise refusal("answer", source, "is a template", "project=my-shop")
        return source
