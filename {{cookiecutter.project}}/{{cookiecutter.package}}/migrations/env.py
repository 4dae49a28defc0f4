{% include cookiecutter.variant ~ '/env.py' -%}
