{% include 'postgresql/lint.py' -%}
