"""The contract of a custom algorithm's functions, looked at while they are traced: nothing is added
to the compiled program."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import PyTree

from elsinore.envs.array_trees import NUMBERS
from elsinore.types import PER_AGENT, Actor, Algorithm, Mean, PolicyFunctions, TrainState
from elsinore.validation import LONGEST_NAME, OF_SINKS, is_metric_name

# names of metrics, and those that begin with eval/
OF_THE_RUN = ("episode/count", PER_AGENT, *OF_SINKS)


class BrokenContract(ValueError):
    """A function of an algorithm gives what is not in the contract; the text has a remedy."""


def with_contract(algo: Algorithm, action_space: Any, whose: str = "") -> Algorithm:
    """The algorithm, whose functions raise a `BrokenContract` where they are called and return
    something that is not in the contract. Its text begins with `whose`.

    Raises:
        BrokenContract: for a policy that is none, and numbers that are none.
    """
    policy, broken = algo.policy, partial(_broken, whose)
    if not isinstance(policy, PolicyFunctions):
        raise broken(f"policy is {_kind(policy)}; give an elsinore.types.PolicyFunctions(act).")
    for name, tree in {"hyper": algo.hyper, "policy.initial_carry": policy.initial_carry}.items():
        if strange := _no_number_in(name, tree):
            raise broken(f"{strange}; give arrays and numbers only.")
    function = partial(_function, whose)

    def init(key: Any, env_params: PyTree, hyper: Any) -> TrainState:
        own = function(algo.init, "init", "key, env_params, hyper")
        state = own(key, env_params, hyper)
        if wrong := _wrong_start(state, key, env_params, hyper):
            raise broken(wrong)
        return state

    def update(before: TrainState) -> tuple[TrainState, dict[Any, Any]]:
        answer = function(algo.update, "update", "state")(before)
        if not (isinstance(answer, tuple) and len(answer) == 2) or not (
            isinstance(answer[0], TrainState) and isinstance(answer[1], dict)
        ):
            raise broken(
                f"update gives {_kind(answer)}; give (TrainState, a dict of metrics by name)."
            )
        if answer[0].update is before.update:  # each update would draw with the same keys
            raise broken(
                "update counts no update; give state._replace(update=state.update + 1, ...)."
            )
        if wrong := _changed(before, answer[0]) or _wrong_metrics(answer[1]):
            raise broken(wrong)
        return answer

    def act(
        key: Any, policy_state: Any, carry: PyTree, obs: PyTree, greedy: Any
    ) -> tuple[Any, PyTree]:
        own = function(policy.act, "policy.act", "key, policy_state, carry, obs, greedy")
        answer = own(key, policy_state, carry, obs, greedy)
        if not (isinstance(answer, tuple) and len(answer) == 2):
            raise broken(f"policy.act gives {_kind(answer)}; give (action, carry).")
        if wrong := _wrong_action(answer[0], action_space) or _other_carry(carry, answer[1]):
            raise broken(wrong)
        if policy.value is not None:  # which nothing else calls before replays and films
            jax.eval_shape(value, policy_state, carry, obs)
        return answer

    if policy.value is not None:
        function(policy.value, "policy.value", "policy_state, carry, obs")

    def value(policy_state: Any, carry: PyTree, obs: PyTree) -> Any:
        assert policy.value is not None
        found = policy.value(policy_state, carry, obs)
        if not isinstance(found, (*NUMBERS, jax.Array)) or jnp.shape(found) != ():
            raise broken(f"policy.value gives {_kind(found)}; give one number, of shape [].")
        return found

    watched = policy._replace(act=act, value=None if policy.value is None else value)
    return algo._replace(init=init, update=update, policy=watched)


def _broken(whose: str, wrong: str) -> BrokenContract:
    return BrokenContract(f"{whose}its {wrong}")


def _function(whose: str, part: Any, what: str, arguments: str) -> Callable[..., Any]:
    """The part itself, a function of these arguments."""
    if not callable(part):
        kind = type(part).__name__
        raise _broken(whose, f"{what} is of type {kind}; it must be a function.")
    try:
        signature = inspect.signature(part)
    except ValueError:  # a function that does not say
        return part
    try:
        signature.bind(*arguments.split(", "))
    except TypeError as error:
        wrong = f"{what} takes {signature}; it must be called with ({arguments})."
        raise _broken(whose, wrong) from error
    return part


def _wrong_start(state: Any, key: Any, env_params: PyTree, hyper: Any) -> str:
    """A reason why a state cannot be the first; "" if there is none."""
    if not isinstance(state, TrainState):
        return f"init gives {_kind(state)}; give an elsinore.types.TrainState."
    if not hasattr(state.learner, "params"):
        return (
            f"TrainState's learner is a {type(state.learner).__name__} without params; make it a"
            " record with a field params."
        )
    if not isinstance(state.actor, Actor):
        return (
            f"TrainState's actor is {_kind(state.actor)}; give an elsinore.types.Actor, such as"
            " toolkit.init_actor(env, key, env_params, num_envs)."
        )
    if strange := _no_number_in("state", state):
        return f"init gives a {strange}; a state is of arrays and numbers only."
    if _kind(state.key) != _kind(key):
        return f"init gives a state.key that is {_kind(state.key)}; give the key that it is given."
    if _kind(state.update) != "int32[]":
        return f"init gives a state.update that is {_kind(state.update)}; begin with jnp.int32(0)."
    for name, own, given in (
        ("env_params", state.env_params, env_params),
        ("hyper", state.hyper, hyper),
    ):
        if jax.tree.structure(own) != jax.tree.structure(given):
            return f"init gives a state.{name} other than the {name} that it is given; keep those."
        found = _leaves(name, own)
        for path, x in _leaves(name, given).items():
            if isinstance(x, Tracer) and not isinstance(found[path], Tracer):
                return (
                    f"init gives a constant as state.{path}, the same whatever {path} it is given,"
                    f" so that no population can vary it; keep the argument {name}."
                )
    return ""


def _changed(before: TrainState, after: TrainState) -> str:
    """The first part of a state that has another structure, shape or type after an update; "" if
    there is none. The episodes that it records are looked at elsewhere."""
    for name in TrainState._fields:
        old, new = getattr(before, name), getattr(after, name)
        if isinstance(old, Actor) and isinstance(new, Actor):
            old, new = (x._replace(episode_stats=None, episode_log=None) for x in (old, new))
        if change := _change(f"state.{name}", old, new):
            return f"update changes the state: {change}; give it back as it was, with new numbers."
    return ""


def _other_carry(before: PyTree, after: PyTree) -> str:
    change = _change("carry", before, after)
    return change and f"policy.act changes the carry: {change}; give one like initial_carry."


def _change(root: str, before: PyTree, after: PyTree) -> str:
    """The first difference in structure, shape or type between two trees; "" if there is none."""
    if strange := _no_number_in(root, after):
        return strange
    old, new = _leaves(root, before), _leaves(root, after)
    if jax.tree.structure(before) != jax.tree.structure(after):
        if type(before) is type(after):
            if more := [path for path in new if path not in old]:
                return f"{more[0]} is new"
            if less := [path for path in old if path not in new]:
                return f"{less[0]} is missing"
        return f"{root} is {_kind(before)} before and {_kind(after)} after"
    for path, x in old.items():
        if _text_of(x) != _text_of(new[path]):
            return f"{path} is {_text_of(x)} before and {_text_of(new[path])} after"
    return ""


def _wrong_action(action: Any, space: Any) -> str:
    """The shape of an action, and that it is a whole number where the env counts its actions."""
    shape, dtype = getattr(space, "shape", None), getattr(space, "dtype", None)
    if shape is None or dtype is None:  # a space that does not say
        return ""
    counted = jnp.issubdtype(dtype, jnp.integer)
    wanted = f"the env has {'whole numbers' if counted else 'numbers'} of shape {list(shape)}"
    if not isinstance(action, (*NUMBERS, jax.Array)):
        return f"policy.act gives an action that is {_kind(action)}; {wanted}."
    whole = jnp.issubdtype(jnp.result_type(action), jnp.integer)
    if jnp.shape(action) != tuple(shape) or (counted and not whole):
        return f"policy.act gives an action of {_text_of(action)}; {wanted}."
    return ""


def _wrong_metrics(metrics: dict[Any, Any]) -> str:
    """A reason why these cannot be metrics; "" if there is none."""
    if not metrics:
        return "update gives no metrics; give those of toolkit.rollout, or a Mean.of(value)."
    for name, mean in metrics.items():
        if not is_metric_name(name):
            shown = name[:LONGEST_NAME] if isinstance(name, str) else name
            return (
                f"update gives a metric of the name {shown!r}; it must be 1 to {LONGEST_NAME}"
                " printable characters, such as 'loss/policy'."
            )
        if name.startswith("eval/") or name in OF_THE_RUN:
            return f"metric {name!r} is one of the run itself; give it another name."
        parts = tuple(mean) if isinstance(mean, Mean) else ()
        if any(not isinstance(x, (*NUMBERS, jax.Array)) or jnp.shape(x) != () for x in parts):
            found = f"a Mean of {' and '.join(map(_kind, parts))}"
        elif not parts:
            found = _kind(mean)
        else:
            continue
        return f"metric {name!r} is {found}; make it a Mean of two scalars: Mean.of(value)."
    return ""


def _leaves(root: str, tree: PyTree) -> dict[str, Any]:
    return {
        root + jax.tree_util.keystr(path): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def _no_number_in(root: str, tree: PyTree) -> str:
    """The first leaf that is no array or number, and its type; "" if there is none."""
    for path, leaf in _leaves(root, tree).items():
        if not isinstance(leaf, (*NUMBERS, jax.Array)):
            return (
                f"{path} that is {_kind(leaf)}" if root == "state" else f"{path} is {_kind(leaf)}"
            )
    return ""


def _text_of(x: Any) -> str:
    """The type and shape of an array or number, as `float32[3]`."""
    found = jax.typeof(x)
    return f"{found.dtype}[{','.join(map(str, found.shape))}]"


def _kind(x: Any) -> str:
    """The kind of any value, in words."""
    if isinstance(x, (*NUMBERS, jax.Array)):
        return _text_of(x)
    if type(x) in (tuple, list):
        return f"a {type(x).__name__} of {len(x)} values"
    name = type(x).__name__
    return "None" if x is None else f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"
