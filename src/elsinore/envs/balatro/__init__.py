"""Balatro, a game of poker hands, jokers and rising targets, as a function of fixed shape.

`rules/` is the game and knows nothing of agents; around it stand the ways to act (`actions`), to see (`observation`)
and to be rewarded (`rewards`), which `env` puts together.
"""

from typing import Any


def balatro(variant: str, **kwargs: Any):
    """The environment called `Balatro-<variant>`, where the variant is `stage0` .. `stage4`.

    Raises:
        ValueError: for another variant, or a stage told besides.
    """
    from elsinore.envs.balatro.env import Balatro  # imports jax and gymnax, which takes seconds

    number = variant.removeprefix("stage")
    if not number.isdigit():
        raise ValueError(f"env='Balatro-{variant}' is unknown; choose Balatro-stage0 to Balatro-stage4.")
    if "stage" in kwargs:
        raise ValueError(
            f"env_kwargs.stage={kwargs['stage']!r} does not go with env='Balatro-{variant}', whose name tells it; "
            "leave it out, and choose one of Balatro-stage0 to Balatro-stage4."
        )
    return Balatro(stage=int(number), **kwargs)
