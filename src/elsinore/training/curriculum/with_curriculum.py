"""An algorithm with a curriculum, which may change the env parameters after each update."""

from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from elsinore.experience.episode_stats import check_recorded, forget, with_stats
from elsinore.jaxtools import shards
from elsinore.training.curriculum.stages import Curriculum, RolloutOutcome
from elsinore.training.early_stopping import Convergence
from elsinore.types import Algorithm, Best, Mean, TrainState

MAX_STAGE_CHANGES = 32  # that a chunk reports one by one


class StageChanges(NamedTuple):
    """The changes of stage in a chunk, the first `MAX_STAGE_CHANGES` of them one by one."""

    num: Int[Array, ""]
    update: Int[Array, "change"]  # updates done; -1 where there was no change
    stage: Int[Array, "change"]  # the new stage
    first: Int[Array, ""]  # the stage at the beginning of the chunk
    last: Int[Array, ""]  # and at its end


class CurriculumCarry(NamedTuple):
    """Loop carry of updates with a curriculum."""

    train: TrainState
    stage_state: Any  # () without a curriculum
    changes: StageChanges | tuple[()]


def with_episode_stats(curriculum: Curriculum, train: TrainState) -> TrainState:
    """Initial train state with the episode statistics that the curriculum reads."""
    return with_stats(train, "episode_stats", curriculum.recorded, curriculum.window)


def init_curriculum_carry(train: TrainState, stage_state: Any) -> CurriculumCarry:
    none = jnp.full(MAX_STAGE_CHANGES, -1, jnp.int32)
    return CurriculumCarry(
        train,
        stage_state,
        StageChanges(jnp.int32(0), none, none, stage_state.stage, stage_state.stage),
    )


def with_curriculum(algo: Algorithm, curriculum: Curriculum) -> Algorithm:
    """Algorithm that updates a `CurriculumCarry`, with the curriculum's score as a metric.

    Raises:
        ValueError: at trace time, if the algorithm does not record its episodes.
    """

    def update(carry: CurriculumCarry) -> tuple[CurriculumCarry, dict[str, Mean]]:
        train, metrics = algo.update(carry.train)
        check_recorded("curriculum", carry.train.actor.episode_stats, train.actor.episode_stats)
        episode_stats = train.actor.episode_stats
        steps = shards.number() * algo.steps_per_update  # of the seed, as all of an outcome is
        outcome = RolloutOutcome(
            episode_stats,
            shards.total(metrics),
            train.update,
            steps,
            train.env_params,
            train.policy_state,
            # not `for_update`, whose key differs between shards
            jax.random.fold_in(train.key, train.update),
        )
        stage_state, env_params, score = curriculum.advance(carry.stage_state, outcome)
        moved = stage_state.stage != carry.stage_state.stage
        episode_stats = jax.tree.map(
            lambda new, old: jnp.where(moved, new, old), forget(episode_stats), episode_stats
        )
        train = train._replace(
            env_params=env_params, actor=train.actor._replace(episode_stats=episode_stats)
        )
        before = cast(StageChanges, carry.changes)
        changes = _with_change(before, moved, train.update, stage_state.stage)
        metrics = metrics | {curriculum.score_name: score}
        return CurriculumCarry(train, stage_state, changes), metrics

    return algo._replace(update=update)


def _with_change(
    changes: StageChanges, moved: Bool[Array, ""], update: Int[Array, ""], stage: Int[Array, ""]
) -> StageChanges:
    # dropped where the stage stays, or no room is left
    slot = jnp.where(moved, changes.num, MAX_STAGE_CHANGES)
    return StageChanges(
        num=changes.num + moved,
        update=changes.update.at[slot].set(update, mode="drop"),
        stage=changes.stage.at[slot].set(stage, mode="drop"),
        first=changes.first,
        last=stage,
    )


def adjust_for_stage(
    curriculum: Curriculum,
    stage_state: Any,
    changes: StageChanges,
    convergence: Convergence,
    best: Best,
    min_updates: int,
) -> tuple[Convergence, Best, int | Int[Array, ""]]:
    """Adjust convergence test, best policy and earliest convergence to the stage after a chunk.

    A plateau counts at the last stage only. Evaluations of different stages cannot be compared: if
    evaluations are made in the stage's env, a change of stage resets test and best policy, and a
    seed converges at the last stage only.
    """
    at_last = stage_state.stage == curriculum.num_stages - 1
    convergence = convergence._replace(since_best=jnp.where(at_last, convergence.since_best, -1))
    if curriculum.evaluate_on == "target":
        return convergence, best, min_updates
    moved = changes.num > 0
    convergence = convergence._replace(
        history=jnp.where(moved, jnp.nan, convergence.history),
        streak=jnp.where(moved, 0, convergence.streak),
        best=jnp.where(moved, -jnp.inf, convergence.best),
    )
    best = best._replace(score=jnp.where(moved, -jnp.inf, best.score))
    return convergence, best, jnp.where(at_last, min_updates, jnp.iinfo(jnp.int32).max)
