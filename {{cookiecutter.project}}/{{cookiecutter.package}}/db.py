{% include 'flask-sqlalchemy/' ~ cookiecutter.variant ~ '/db.py' -%}
