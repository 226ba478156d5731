"""Learning by a curriculum: after each update the curriculum looks at what was lived, and may change the world."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from elsinore.experience.outcomes import forget, no_outcomes
from elsinore.training.convergence import Convergence
from elsinore.training.curriculum.stages import Curriculum, Lived
from elsinore.types import Algorithm, Best, Mean, TrainState

MOVES = 32  # from stage to stage that a chunk tells one by one


class Moves(NamedTuple):
    """The changes of stage in a chunk, the first `MOVES` of them one by one."""

    num: Int[Array, ""]
    update: Int[Array, "move"]  # updates done
    stage: Int[Array, "move"]  # gone to
    first: Int[Array, ""]  # the stage that the chunk began at
    last: Int[Array, ""]  # and ended at


class Lessons(NamedTuple):
    """A state in training, with its place in the curriculum."""

    train: TrainState
    course: Any
    moves: Any


def remembering(curriculum: Curriculum, train: TrainState) -> TrainState:
    """The beginning of a state that keeps what the curriculum is decided by."""
    num_envs = train.actor.episode_length.shape[0]
    outcomes = no_outcomes(curriculum.recorded, curriculum.window, num_envs)
    return train._replace(actor=train.actor._replace(outcomes=outcomes))


def begin_lessons(train: TrainState, course: Any) -> Lessons:
    none = jnp.full(MOVES, -1, jnp.int32)
    return Lessons(train, course, Moves(jnp.int32(0), none, none, course.stage, course.stage))


def taught(algo: Algorithm, curriculum: Curriculum) -> Algorithm:
    """The algorithm whose updates are of `Lessons`; each tells `curriculum/score` besides.

    Raises:
        ValueError: as it is traced, where the algorithm does not record what came of its episodes.
    """

    def update(lessons: Lessons) -> tuple[Lessons, dict[str, Mean]]:
        train, metrics = algo.update(lessons.train)
        refuse_the_forgetful(lessons.train, train)
        outcomes = train.actor.outcomes
        lived = Lived(outcomes, metrics, train.update, algo.steps_per_update, train.env_params)
        course, env_params, score = curriculum.advance(lessons.course, lived)
        moved = course.stage != lessons.course.stage
        outcomes = jax.tree.map(lambda new, old: jnp.where(moved, new, old), forget(outcomes), outcomes)
        train = train._replace(env_params=env_params, actor=train.actor._replace(outcomes=outcomes))
        moves = _noted(lessons.moves, moved, train.update, course.stage)
        return Lessons(train, course, moves), metrics | {"curriculum/score": score}

    return algo._replace(update=update)


def refuse_the_forgetful(before: TrainState, after: TrainState) -> None:
    """Raises:
    ValueError: where an update, as it is traced, has left the outcomes as they were."""
    recorded = after.actor.outcomes
    if recorded is None or recorded.num is before.actor.outcomes.num:
        raise ValueError(
            "curriculum: this algorithm does not record what comes of its episodes, which stages are decided by; let "
            "it act through elsinore.experience.rollout, or leave the curriculum out."
        )


def _noted(moves: Moves, moved: Array, update: Array, stage: Array) -> Moves:
    slot = jnp.where(moved, moves.num, MOVES)  # dropped where nothing moved, or there is no room left
    return Moves(
        num=moves.num + moved,
        update=moves.update.at[slot].set(update, mode="drop"),
        stage=moves.stage.at[slot].set(stage, mode="drop"),
        first=moves.first,
        last=stage,
    )


def before_judging(
    curriculum: Curriculum, course: Any, moves: Moves, convergence: Convergence, best: Best, min_updates: Any
) -> tuple[Convergence, Best, Any]:
    """What the convergence test and the best policy start from after a chunk of lessons.

    A plateau counts at the last stage only: before, it is the curriculum that waits. Evaluations of different stages
    cannot be compared: where it is the stage's world that is evaluated in, a change of stage begins both anew, and a
    seed converges at the last stage only.
    """
    at_last = course.stage == curriculum.num_stages - 1
    convergence = convergence._replace(since_best=jnp.where(at_last, convergence.since_best, -1))
    if curriculum.evaluate_on == "target":
        return convergence, best, min_updates
    moved = moves.num > 0
    convergence = convergence._replace(
        history=jnp.where(moved, jnp.nan, convergence.history),
        streak=jnp.where(moved, 0, convergence.streak),
        best=jnp.where(moved, -jnp.inf, convergence.best),
    )
    best = best._replace(score=jnp.where(moved, -jnp.inf, best.score))
    return convergence, best, jnp.where(at_last, min_updates, jnp.iinfo(jnp.int32).max)
