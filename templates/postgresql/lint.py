

def test_new_revisions_are_safe_beside_the_code_that_runs() -> None:
    from {{ cookiecutter.package }} import create_app
    from {{ cookiecutter.package }}.migrations import lint

    with create_app().app_context():  # for the kind of database: none is asked
        found = lint()
    assert not found, "\n".join(found)
