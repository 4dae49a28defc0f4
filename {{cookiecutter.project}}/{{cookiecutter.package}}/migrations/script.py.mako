{% include cookiecutter.variant ~ '/script.py.mako' -%}
