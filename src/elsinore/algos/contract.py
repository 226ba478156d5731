"""The contract of a custom algorithm's functions, looked at while they are traced: nothing is added
to the compiled program."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from elsinore.types import PER_AGENT, Algorithm, Mean, TrainState
from elsinore.validation import LONGEST_NAME, is_metric_name


def with_contract(algo: Algorithm, name: str, action_space: Any) -> Algorithm:
    """The algorithm, whose functions raise a ValueError with a remedy where they are called and
    return something that is not in the contract."""
    space = getattr(action_space, "shape", None), getattr(action_space, "dtype", None)

    def refuse(function: str, found: Any, wanted: str) -> ValueError:
        kind = f"{len(found)} values" if type(found) in (tuple, list) else type(found).__name__
        return ValueError(f"algo={name!r}: its {function} gives {kind}; give {wanted}.")

    def of(part: Any, what: str) -> Callable[..., Any]:
        if not callable(part):
            kind = type(part).__name__
            raise ValueError(f"algo={name!r}: its {what} is of type {kind}; it must be a function.")
        return part

    def init(*args: Any) -> TrainState:
        state = of(algo.init, "init")(*args)
        if not isinstance(state, TrainState):
            raise refuse("init", state, "an elsinore.types.TrainState")
        if not hasattr(state.learner, "params"):
            raise ValueError(
                f"algo={name!r}: its TrainState's learner is a {type(state.learner).__name__}"
                " without params; make it a record with a field params."
            )
        return state

    def update(before: TrainState) -> tuple[TrainState, dict[Any, Any]]:
        answer = of(algo.update, "update")(before)
        if not (isinstance(answer, tuple) and len(answer) == 2) or not (
            isinstance(answer[0], TrainState) and isinstance(answer[1], dict)
        ):
            raise refuse("update", answer, "(TrainState, a dict of metrics by name)")
        if answer[0].update is before.update:  # each update would draw with the same keys
            raise ValueError(
                f"algo={name!r}: its update counts no update; give"
                " state._replace(update=state.update + 1, ...)."
            )
        _check_metrics(answer[1], name)
        return answer

    def act(*args: Any, **options: Any) -> tuple[Any, Any]:
        answer = of(algo.policy.act, "policy.act")(*args, **options)
        if not (isinstance(answer, tuple) and len(answer) == 2):
            raise refuse("policy.act", answer, "(action, carry)")
        _check_action(answer[0], *space, name)
        return answer

    return algo._replace(init=init, update=update, policy=algo.policy._replace(act=act))


def _check_action(action: Any, shape: Any, dtype: Any, algo: str) -> None:
    """The shape of an action, and that it is no fraction where the env counts its actions."""
    if shape is None or dtype is None:  # a space that does not say
        return
    found, counted = jnp.result_type(action), jnp.issubdtype(dtype, jnp.integer)
    if jnp.shape(action) != tuple(shape) or (counted and jnp.issubdtype(found, jnp.floating)):
        raise ValueError(
            f"algo={algo!r}: its policy.act gives an action of {found}{list(jnp.shape(action))};"
            f" the env has {'whole numbers' if counted else 'numbers'} of shape {list(shape)}."
        )


def _check_metrics(metrics: dict[Any, Any], algo: str) -> None:
    for name, mean in metrics.items():
        if name == PER_AGENT:
            continue
        if not is_metric_name(name):
            shown = name[:LONGEST_NAME] if isinstance(name, str) else name
            raise ValueError(
                f"algo={algo!r}: a metric's name is {shown!r}; it must be 1 to {LONGEST_NAME}"
                " printable characters, such as 'loss/policy'."
            )
        if name.startswith("eval/") or name == "episode/count":
            raise ValueError(
                f"algo={algo!r}: its metric {name!r} is one of the run itself; give it another"
                " name."
            )
        if not isinstance(mean, Mean) or any(jnp.shape(x) != () for x in jax.tree.leaves(mean)):
            kind = f"of shapes {[jnp.shape(x) for x in mean]}" if isinstance(mean, Mean) else ""
            raise ValueError(
                f"algo={algo!r}: its metric {name!r} is a {type(mean).__name__}"
                f"{kind and ' ' + kind}; make it a Mean of two scalars: Mean.of(value)."
            )
