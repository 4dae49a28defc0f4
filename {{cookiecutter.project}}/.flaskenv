FLASK_APP={{ cookiecutter.package }}
