{% include cookiecutter.layer ~ '/' ~ cookiecutter.variant ~ '/db.py' -%}
