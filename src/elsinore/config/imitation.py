"""Look up the imitation teacher, and pre-train an algorithm on it."""

from inspect import get_annotations
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from elsinore.envs.registry import families
from elsinore.envs.wrapped import unwrapped
from elsinore.imports import import_callable
from elsinore.jaxtools.prng import for_use
from elsinore.training.imitation import Advice, ImitationConfig, Teacher, check_student, imitate
from elsinore.types import Algorithm, Mean
from elsinore.validation import did_you_mean


def teachers() -> dict[str, str]:
    """Imitation teachers of the plug-ins: the `"module:function"` behind each name."""
    return {name: path for f in families().values() for name, path in f.teachers.items()}


def with_pretraining(experiment: Any, algo: Algorithm, env: Any, env_params: PyTree) -> Algorithm:
    """The algorithm with pre-training at the end of its `init`, whose last `imitation/loss` and
    `imitation/agreement` are metrics of the first update; unchanged without `imitation`.

    Raises:
        ValueError: for a teacher that is unknown or does not fit the environment, or an algorithm
            that cannot imitate.
    """
    config: ImitationConfig | None = experiment.imitation
    if config is None:
        return algo
    if experiment.agents.number > 1:
        raise ValueError(
            f"imitation trains one agent, and agents.number={experiment.agents.number}; remove one"
            " of them."
        )
    if getattr(experiment.algo, "normalize_obs", False):
        raise ValueError(
            "imitation uses observations that are not normalised; set algo.normalize_obs: false."
        )
    check_student(algo)
    if (kind := type(env.action_space(env_params)).__name__) != "Discrete":
        raise ValueError(
            f"imitation={config.teacher!r} fits choices among n actions, and the action space of"
            f" {experiment.env} is {kind}; remove imitation."
        )
    teacher = teacher_for(config, env, env_params)

    def init(key, env_params, hyper):
        state = algo.init(key, env_params, hyper)
        state, found = imitate(for_use(key, "imitation"), algo, state, env, teacher, config)
        return state._replace(imitation={name: values[-1] for name, values in found.items()})

    def update(state):
        after, metrics = algo.update(state)
        first, found = state.update == 0, {f"imitation/{k}": x for k, x in state.imitation.items()}
        once = {k: Mean(jnp.where(first, x, 0.0), jnp.float32(first)) for k, x in found.items()}
        return after, metrics | once

    return algo._replace(init=init, update=update)


def _made_for(name: str) -> str:
    """A sentence about the environments that a plug-in's teacher is for; empty for a custom one."""
    for family in families().values():
        if path := family.teachers.get(name):
            notes = get_annotations(import_callable(path, "imitation.teacher"))
            takes = [x for name, x in notes.items() if name != "return" and isinstance(x, type)]
            of = f"the {takes[0].__name__} of " if takes else ""
            return f" {name!r} takes {of}{' or '.join(family.names)}; use it there, or your own."
    return ""


def teacher_for(config: ImitationConfig, env: Any, env_params: PyTree) -> Teacher:
    """The config's teacher for an environment.

    Raises:
        ValueError: for a teacher that is unknown or does not fit the environment, one whose advice
            has another shape, or one without the values that `loss: worth` needs.
    """
    name, known = config.teacher, teachers()
    if ":" not in name and name not in known:
        raise ValueError(
            f"imitation.teacher={name!r} is unknown{did_you_mean(name, known)} Known:"
            f" {', '.join(known)}; a custom teacher is given as 'module:function'."
        )
    try:
        innermost, bare = unwrapped(env)
        inside = import_callable(known.get(name, name), "imitation.teacher")(innermost)
        teacher = lambda state, params: inside(*bare(state, params))  # noqa: E731
        _, state = jax.eval_shape(env.reset_env, jax.random.key(0), env_params)
        advice = Advice(*jax.eval_shape(teacher, state, jax.tree.map(jnp.asarray, env_params)))
    except (AttributeError, TypeError) as error:
        raise ValueError(
            f"imitation.teacher={name!r} does not teach in {type(env).__name__}: {error}. A teacher"
            " is called with the env and returns a function (state, env_params) -> (action,"
            f" matters[, worth]).{_made_for(name)}"
        ) from error
    number = env.action_space(env_params).n
    wanted = {"action": ((), jnp.integer), "matters": ((), None), "worth": ((number,), None)}
    for of, (shape, kind) in wanted.items():
        found = getattr(advice, of)
        if found is None or (
            jnp.shape(found) == shape and (kind is None or jnp.issubdtype(found.dtype, kind))
        ):
            continue
        needed = "an integer" if kind else "one bool" if of == "matters" else f"{number} numbers"
        raise ValueError(
            f"imitation.teacher={name!r} gives {of} as {found.dtype}{list(found.shape)}; a state of"
            f" {type(env).__name__} with {number} actions has {needed} there."
        )
    if config.loss == "worth" and advice.worth is None:
        raise ValueError(
            f"imitation.loss='worth' needs a value of each action, which {name!r} does not give;"
            " use choice."
        )
    return teacher
