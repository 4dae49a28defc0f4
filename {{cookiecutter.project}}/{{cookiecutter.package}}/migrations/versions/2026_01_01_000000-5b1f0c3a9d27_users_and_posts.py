{% include cookiecutter.variant ~ '/first_revision.py' -%}
