"""A teacher by its name, and an algorithm that begins as its pupil."""

import difflib
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from elsinore.envs import imported
from elsinore.ops.randomness import for_use
from elsinore.training.imitation import Advice, ImitationConfig, Teacher, check_pupil, imitate
from elsinore.types import Algorithm

TEACHERS = {"belady": "elsinore.envs.cache.trace.teacher:belady_teacher"}  # each called with the env


def taught(experiment: Any, algo: Algorithm, env: Any, env_params: PyTree) -> Algorithm:
    """The algorithm as it is, or one whose `init` ends with what the experiment's teacher has to say.

    Raises:
        ValueError: for a teacher that is unknown or does not teach in this world, or a pupil that cannot be taught.
    """
    config: ImitationConfig | None = experiment.imitation
    if config is None:
        return algo
    if experiment.agents.number > 1:
        raise ValueError(f"imitation teaches one agent, and agents.number={experiment.agents.number}; leave one out.")
    if getattr(experiment.algo, "normalize_obs", False):
        raise ValueError("imitation shows observations as the world gives them; set algo.normalize_obs: false.")
    check_pupil(algo)
    teacher = teacher_for(config, env, env_params)

    def init(key, env_params, hyper):
        state = algo.init(key, env_params, hyper)
        return imitate(for_use(key, "imitation"), algo, state, env, teacher, config)[0]

    return algo._replace(init=init)


def teacher_for(config: ImitationConfig, env: Any, env_params: PyTree) -> Teacher:
    """The teacher of that name, for a world.

    Raises:
        ValueError: likewise, and for one that does not say what `loss: worth` asks for.
    """
    name = config.teacher
    if ":" not in name and name not in TEACHERS:
        close = difflib.get_close_matches(name, TEACHERS, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(TEACHERS)}."
        raise ValueError(f"imitation.teacher={name!r} is unknown; {hint} Give one of your own as 'module:function'.")
    try:
        teacher = imported(TEACHERS.get(name, name), "imitation.teacher")(env)
        _, state = jax.eval_shape(env.reset_env, jax.random.key(0), env_params)
        advice = Advice(*jax.eval_shape(teacher, state, jax.tree.map(jnp.asarray, env_params)))
    except (AttributeError, TypeError) as error:
        raise ValueError(
            f"imitation.teacher={name!r} does not teach in {type(env).__name__}: {error}. A teacher is called with the "
            "env, and gives a function (state, env_params) -> (action, matters[, worth])."
        ) from error
    if config.loss == "worth" and advice.worth is None:
        raise ValueError(f"imitation.loss='worth' asks what each action is worth, which {name!r} does not say; "
                         "use choice.")  # fmt: skip
    return teacher
