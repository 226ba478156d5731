"""The run-time checker of shapes and types: every annotated function of the compiled path is called
through it in tests (`--jaxtyping-packages` in pyproject.toml)."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as in PEP 484
