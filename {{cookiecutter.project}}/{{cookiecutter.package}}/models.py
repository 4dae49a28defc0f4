{% include cookiecutter.variant ~ '/models.py' -%}
