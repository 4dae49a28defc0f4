"""The views, on a migrated database."""

import pytest
from flask.testing import FlaskClient


@pytest.mark.parametrize("title", ["first", "second"])
def test_a_post_is_stored_and_rolled_back_after_the_test(client: FlaskClient, title: str) -> None:
    assert client.get("/").json == []

    response = client.post("/", json={"title": title, "author": "Ada"})

    assert response.status_code == 201
    assert client.get("/").json == [response.json]
