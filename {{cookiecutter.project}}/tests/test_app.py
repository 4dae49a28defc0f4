"""The views, on a migrated database."""

import json

import pytest
from flask import Flask
from flask.testing import FlaskClient


@pytest.mark.parametrize("title", ["first", "second"])
def test_a_post_is_stored_and_rolled_back_after_the_test(client: FlaskClient, title: str) -> None:
    assert client.get("/").json == []

    response = client.post("/", json={"title": title, "author": "Ada"})

    assert response.status_code == 201
    assert client.get("/").json == [response.json]


@pytest.mark.parametrize("title", [None, 1, "", "x" * 9999])
def test_a_wrong_post_is_refused(client: FlaskClient, title: object) -> None:
    response = client.post("/", json={"title": title, "author": "Ada"})

    assert response.status_code == 400
    assert "'title' is a string" in response.text
    assert client.get("/").json == []


def test_health_says_whether_the_databases_are_migrated(client: FlaskClient) -> None:
    response = client.get("/health")

    assert response.status_code == 200
    for state in json.loads(response.text).values():
        assert state["current"] == state["heads"]


def test_health_of_databases_that_nobody_has_migrated(empty_app: Flask) -> None:
    response = empty_app.test_client().get("/health")

    assert response.status_code == 503
    assert all(state["reachable"] for state in json.loads(response.text).values())
