{% include cookiecutter.variant ~ '/views.py' -%}
