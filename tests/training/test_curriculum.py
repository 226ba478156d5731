"""Stages follow from the episodes that began and ended at them, and from nothing else."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsinore.experience.episode_stats import EpisodeStats
from elsinore.jaxtools import shards
from elsinore.jaxtools.prng import for_update, for_use
from elsinore.training.chunk import build_program
from elsinore.training.curriculum.conditions import Condition, Rule
from elsinore.training.curriculum.stages import (
    Curriculum,
    RolloutOutcome,
    Stages,
    StageState,
    staged,
)
from elsinore.training.curriculum.with_curriculum import (
    MAX_STAGE_CHANGES,
    init_curriculum_carry,
    with_curriculum,
    with_episode_stats,
)
from elsinore.training.early_stopping import ConvergenceConfig
from elsinore.training.evaluation import EvaluationConfig
from elsinore.training.layout import layout_for
from elsinore.training.replicas import init_seeds, over_seeds, train_compiled
from elsinore.training.schedule import Schedule
from elsinore.types import Mean
from tests.training.hourglass import ByHand, Hourglass, LiveConfig, forgetful, live

NEVER = Rule(metric="length", above=1e9)


def rule(**condition) -> Rule:
    return Rule(**({"metric": "length", "window": 4} | condition))


def stages(grains: list[int], advance: Rule, retreat: Rule | None = None, **rest) -> Stages:
    last = len(grains) - 1
    return Stages(
        {"grains": jnp.array(grains)},
        tuple(advance if i < last else None for i in range(last + 1)),
        tuple(retreat if i > 0 else None for i in range(last + 1)),
        **rest,
    )


def program_of(
    curriculum, num_updates=40, updates_per_chunk=40, algo=live, convergence=None, rows=1, **config
):
    env = Hourglass()
    made = algo(LiveConfig(**config), env, env.default_params, num_updates)
    return build_program(
        made,
        env,
        env.default_params,
        Schedule(num_updates, updates_per_chunk, rows),
        EvaluationConfig(episodes=1),
        convergence or ConvergenceConfig(enabled=False),
        max_steps=100,
        curriculum=curriculum,
    )


def trained(program, chunks: int = 1):
    """One seed's last state, and every chunk's report."""
    state, reports = jax.jit(program.init)(jax.random.key(0)), []
    chunk = jax.jit(program.chunk)
    for i in range(chunks):
        state, report = chunk(state, jnp.int32(program.schedule.updates_in(i)))
        reports.append(report)
    return state, reports


def stage_changes(reports) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for report in reports:
        n = int(report.stage_changes.num)
        found += zip(
            report.stage_changes.update[:n].tolist(),
            report.stage_changes.stage[:n].tolist(),
            strict=True,
        )
    return found


def test_what_decides_a_stage_is_of_all_shards():
    """Two shards of 5 env steps, whose metric is 1 in the one and 3 in the other."""
    seen = {}

    def update(train):
        mean = Mean(1.0 + 2.0 * shards.index(), jnp.float32(1.0))
        stats = replace(train.actor.episode_stats, num=train.actor.episode_stats.num + 1)
        return train._replace(actor=train.actor._replace(episode_stats=stats)), {"loss/x": mean}

    def advance(stage_state, outcome):
        seen["steps"] = outcome.steps_per_update
        mean = outcome.metrics["loss/x"]
        return stage_state, outcome.env_params, Mean(mean.total / mean.count, jnp.float32(1.0))

    env = Hourglass()
    made = live(LiveConfig(), env, env.default_params, 1)
    curriculum = staged(stages([4, 6], NEVER))._replace(advance=advance)
    state = made.init(jax.random.key(0), env.default_params, made.hyper)
    state = with_episode_stats(curriculum, state)
    first = init_curriculum_carry(state, StageState(jnp.int32(0), jnp.int32(0)))
    taught = with_curriculum(made._replace(update=update, steps_per_update=5), curriculum)
    score = jax.vmap(
        lambda _: taught.update(first)[1]["curriculum/score"], axis_name=shards.IN_TURN
    )(jnp.arange(2))
    assert score.total.tolist() == [2.0, 2.0] and seen["steps"] == 10


def test_a_custom_curriculum_draws_one_number_in_all_shards_and_another_in_each_update():
    def update(train):
        stats = replace(train.actor.episode_stats, num=train.actor.episode_stats.num + 1)
        actor = train.actor._replace(episode_stats=stats)
        return train._replace(update=train.update + 1, actor=actor), {}

    def advance(stage_state, outcome):
        number = jax.random.uniform(for_use(outcome.key, "mine"))
        return stage_state, outcome.env_params, Mean.of(number)

    env = Hourglass()
    made = live(LiveConfig(), env, env.default_params, 1)
    curriculum = staged(stages([4, 6], NEVER))._replace(advance=advance)
    state = made.init(jax.random.key(0), env.default_params, made.hyper)
    first = init_curriculum_carry(
        with_episode_stats(curriculum, state), StageState(jnp.int32(0), jnp.int32(0))
    )
    taught = with_curriculum(made._replace(update=update), curriculum)

    def drawn(carry):
        carry, one = taught.update(carry)
        _, other = taught.update(carry)
        return one["curriculum/score"].total, other["curriculum/score"].total

    keys = [for_update(state.key, number) for number in (1, 2)]
    alone = tuple(jax.random.uniform(for_use(key, "mine")) for key in keys)
    assert drawn(first) == alone
    # `out_axes=None` refuses shards that differ
    in_shards = jax.vmap(drawn, None, None, axis_size=2, axis_name=shards.IN_TURN)
    assert in_shards(first) == alone


# The rule


@pytest.fixture(scope="module")
def up():
    """Three stages of 4, 6 and 5 grains; on after four episodes. 3 envs, 5 steps an update."""
    return trained(program_of(staged(stages([4, 6, 5], rule(at_least=1.0)))))


def test_a_stage_is_left_once_its_window_is_full(up):
    """Stage 0: an episode of each env after 4 steps, and after 8: six after two updates. They are
    at step 2 of their third then, which ends after 4 steps more and does not count; the next two
    end at steps 20 and 26."""
    assert stage_changes(up[1]) == [(2, 1), (6, 2)]


def test_the_last_stage_is_never_left(up):
    state, (report,) = up
    assert (
        int(state.curriculum.stage) == 2
        and int(report.stage_changes.last) == 2
        and int(report.stage_changes.num) == 2
    )


def test_the_env_is_that_of_the_stage_and_the_rest_of_it_stays(up):
    params = up[0].train.env_params
    assert (
        int(params.grains) == 5
        and float(params.prize) == 1.0
        and int(params.max_steps_in_episode) == 100
    )


def test_only_episodes_that_began_at_the_present_stage_count(up):
    """All that is remembered has the last stage's length; the episodes that were running had
    others."""
    episode_stats = up[0].train.actor.episode_stats
    assert (episode_stats.recent == 5.0).all()


@pytest.mark.parametrize(
    "bound, leaves", [("at_least", True), ("above", False), ("at_most", True), ("below", False)]
)
def test_a_bound_is_exact(bound, leaves):
    """Four of five episodes won are a rate of 0.8, which is not above 0.8."""
    assert rule_holds({"metric": "won", "window": 5, bound: 0.8}, [1, 0, 1, 1, 1]) == leaves


def judged(curriculum, stage_state, params, values, update=1, metrics=None):
    """What the curriculum says after an update of 15 env steps, of episodes with these values, the
    oldest first."""
    names = curriculum.recorded
    rows = jnp.array([values] * len(names), jnp.float32)
    rows = jnp.pad(rows, ((0, 0), (0, max(0, curriculum.window - len(values)))))[
        :, : curriculum.window
    ]
    episode_stats = EpisodeStats(names, rows, jnp.int32(len(values)), jnp.ones(3, bool))
    return curriculum.advance(
        stage_state, RolloutOutcome(episode_stats, metrics or {}, jnp.int32(update), 15, params)
    )


def rule_holds(condition: dict[str, Any], values, update=1, metrics=None, **rest) -> bool:
    """Whether a rule holds of such episodes, the oldest first."""
    curriculum = staged(stages([4, 6], Rule(**condition), **rest))
    stage_state, params = curriculum.begin(Hourglass().default_params)
    return bool(judged(curriculum, stage_state, params, values, update, metrics)[0].stage == 1)


def test_a_window_that_is_not_full_says_nothing():
    assert not rule_holds({"metric": "length", "above": 1.0, "window": 4}, [50, 50, 50])
    assert rule_holds({"metric": "length", "above": 1.0, "window": 4}, [50, 50, 50, 50])


def test_survival_is_the_length_as_a_share_of_the_time_limit():
    assert rule_holds({"metric": "survival", "above": 0.7, "window": 2}, [80, 61])
    assert not rule_holds({"metric": "survival", "above": 0.7, "window": 2}, [80, 60])


def test_progress_is_the_newer_half_less_the_older():
    rising, flat = [1, 1, 3, 4], [2, 2, 2, 2]
    progress = {"metric": "return", "statistic": "progress", "window": 4}
    assert rule_holds(progress | {"at_least": 2.5}, rising) and not rule_holds(
        progress | {"above": 2.5}, rising
    )
    assert not rule_holds(progress | {"above": 0}, flat) and rule_holds(
        progress | {"below": 0}, rising[::-1]
    )


def test_entropy_is_a_share_of_what_chance_has_and_the_newest():
    entropy = {"metric": "entropy", "below": 0.5}
    scale = {"max_entropy": float(np.log(4))}
    assert rule_holds(
        entropy,
        [],
        metrics={"policy/entropy": Mean(jnp.float32(2 * 0.69), jnp.float32(2))},
        **scale,
    )
    assert not rule_holds(
        entropy, [], metrics={"policy/entropy": Mean(jnp.float32(2 * 0.7), jnp.float32(2))}, **scale
    )
    unknown = {"policy/entropy": Mean(jnp.float32(0), jnp.float32(0))}
    assert not rule_holds(entropy, [], metrics=unknown, **scale)


def test_all_conditions_of_a_conjunction_and_one_of_a_disjunction():
    long, short = {"metric": "length", "above": 5.0}, {"metric": "length", "below": 3.0}
    for together, values, holds in (
        ("all", [6, 6], False),
        ("any", [6, 6], True),
        ("any", [4, 4], False),
        ("any", [2, 2], True),
    ):
        parts = (Condition(**long), Condition(**short))
        assert rule_holds({together: parts, "window": 2}, values) == holds


def test_a_stage_lasts_as_long_as_it_has_to():
    """15 env steps an update."""
    after = {"metric": "length", "above": 1.0, "window": 2}
    assert not rule_holds(after | {"min_steps": 31}, [9, 9], update=2) and rule_holds(
        after | {"min_steps": 31}, [9, 9], update=3
    )
    assert not rule_holds(after | {"min_episodes": 3}, [9, 9]) and rule_holds(
        after | {"min_episodes": 2}, [9, 9]
    )


def test_a_rule_without_a_condition_is_a_timetable():
    assert rule_holds({"min_steps": 45}, [], update=3) and not rule_holds(
        {"min_steps": 45}, [], update=2
    )


def test_time_can_stand_in_for_success():
    parts = (Condition(metric="won", at_least=0.8), Condition(metric="steps", at_least=150.0))
    assert rule_holds({"any": parts, "window": 4}, [], update=10) and not rule_holds(
        {"any": parts, "window": 4}, [], update=9
    )


def test_the_score_is_what_the_rule_looks_at_first_as_far_as_it_is_known():
    curriculum = staged(stages([4, 6], Rule(metric="length", above=9.0, window=4)))
    stage_state, params = curriculum.begin(Hourglass().default_params)
    score = judged(curriculum, stage_state, params, [2, 3])[2]
    assert (float(score.total), float(score.count)) == (2.5, 1.0)
    assert float(judged(curriculum, stage_state, params, [])[2].count) == 0.0
    last = stage_state._replace(stage=jnp.int32(1))
    # the last stage keeps to the one before
    assert float(judged(curriculum, last, params, [2, 3])[2].total) == 2.5


# There and back


def test_going_back_comes_first_and_begins_the_stage_anew():
    """Long episodes drive back, short ones on: it swings for ever."""
    curriculum = staged(stages([3, 7], rule(below=5.0), rule(above=5.0)))
    state, reports = trained(program_of(curriculum, updates_per_chunk=10), chunks=4)
    moves = stage_changes(reports)
    assert [stage for _, stage in moves] == [(i + 1) % 2 for i in range(len(moves))] and len(
        moves
    ) > 5
    assert int(state.curriculum.since) == moves[-1][0]


def test_nothing_goes_below_the_first_stage():
    both = staged(stages([3, 7], rule(below=0.0), rule(above=1.0)))
    assert stage_changes(trained(program_of(both))[1]) == []


@pytest.fixture(scope="module")
def swinging():
    """A program for any grains and bounds: they are traced, so that it is compiled once."""
    window = 4

    def advance(stage_state, outcome):
        grains, low, high = (
            stage_state.metrics[0][:3],
            stage_state.metrics[0][3],
            stage_state.metrics[0][4],
        )
        lengths, full = outcome.episode_stats.recent[0], outcome.episode_stats.num >= window
        mean = jnp.mean(lengths)
        back, on = (
            full & (mean > high) & (stage_state.stage > 0),
            full & (mean >= low) & (stage_state.stage < 2),
        )
        stage = stage_state.stage + jnp.where(back, -1, on.astype(jnp.int32))
        return (
            stage_state._replace(stage=stage),
            outcome.env_params.replace(grains=grains[stage].astype(int)),
            Mean.of(mean),
        )

    def begin(params):
        return StageState(jnp.int32(0), jnp.int32(0), (jnp.zeros(5),)), params

    program = program_of(Curriculum(begin, advance, 3, ("length",), window))
    init, chunk = jax.jit(program.init), jax.jit(program.chunk)

    def run(grains, low, high):
        state = init(jax.random.key(0))
        stage_state = state.curriculum._replace(
            metrics=(jnp.array([*grains, low, high], jnp.float32),)
        )
        train = state.train._replace(
            env_params=state.train.env_params.replace(grains=jnp.int32(grains[0]))
        )
        return stage_changes(
            [chunk(state._replace(train=train, curriculum=stage_state), jnp.int32(40))[1]]
        )

    return run


@settings(max_examples=30)
@given(
    grains=st.lists(st.integers(1, 12), min_size=3, max_size=3),
    low=st.integers(1, 12),
    high=st.integers(1, 12),
)
def test_a_course_is_the_one_walked_by_hand(swinging, grains, low, high):
    mean = lambda lengths: sum(lengths) / len(lengths)  # noqa: E731
    by_hand = ByHand(
        grains, 4, lambda lengths: mean(lengths) >= low, lambda lengths: mean(lengths) > high
    )
    for _ in range(40):
        by_hand.update()
    assert swinging(grains, low, high) == by_hand.moves[:MAX_STAGE_CHANGES]


def test_stages_walk_the_course_walked_by_hand():
    grains = [1, 6, 5, 9]
    curriculum = staged(stages(grains, rule(at_least=1.0)))
    by_hand = ByHand(grains, 4, lambda lengths: True, lambda lengths: False)
    for _ in range(40):
        by_hand.update()
    state, reports = trained(program_of(curriculum, updates_per_chunk=7), chunks=6)
    assert stage_changes(reports) == by_hand.moves and len(by_hand.moves) == 3
    assert int(state.curriculum.stage) == by_hand.stage == 3


# In the compiled program


def test_changing_stage_never_recompiles_and_does_not_depend_on_where_chunks_end(up):
    curriculum, traces = staged(stages([4, 6, 5], rule(at_least=1.0))), []
    program = program_of(curriculum, updates_per_chunk=3)

    def counted(state, num_updates):
        traces.append(1)
        return program.chunk(state, num_updates)

    _, reports = trained(program._replace(chunk=counted), chunks=14)
    assert len(traces) == 1
    assert stage_changes(reports) == stage_changes(up[1])
    firsts, lasts = (
        [int(getattr(r.stage_changes, end)) for r in reports] for end in ("first", "last")
    )
    assert lasts[:-1] == firsts[1:] and (firsts[0], lasts[-1]) == (0, 2)


def test_more_stage_changes_than_a_chunk_lists_are_counted():
    curriculum = staged(stages([1, 2], rule(below=1.5, window=1), rule(above=1.5, window=1)))
    _, (report,) = trained(program_of(curriculum, num_updates=100, updates_per_chunk=100))
    assert int(report.stage_changes.num) > MAX_STAGE_CHANGES
    assert (np.diff(report.stage_changes.update) > 0).all()


@pytest.fixture(scope="module")
def by_return():
    """Seeds that differ in what is needed: their prize is their own."""
    return program_of(
        staged(stages([4, 6, 5], rule(metric="return", at_least=4.0))), updates_per_chunk=10
    )


@pytest.fixture(scope="module")
def side_by_side(by_return):
    """Ten updates of seeds with prizes of their own: (states before) -> (states after, report)."""
    launches = {}

    def run(prizes, kind="map", convergence=None):
        layout = layout_for(len(prizes), kind)
        states = init_seeds(by_return, layout, 0)
        params = states.train.env_params.replace(prize=jnp.array(prizes, jnp.float32))
        states = states._replace(train=states.train._replace(env_params=params))
        if convergence:
            states = states._replace(convergence=states.convergence._replace(**convergence))
        launch = launches.setdefault((len(prizes), kind), over_seeds(by_return.chunk, layout))
        return launch(jax.device_put(states, layout.sharding), jnp.int32(10))

    return run


@pytest.mark.parametrize("kind", ["map", "vmap"])
def test_each_seed_follows_its_own_course(side_by_side, kind):
    states, report = side_by_side([1.0, 0.7, 0.1, 1.0], kind)
    np.testing.assert_array_equal(states.curriculum.stage, [2, 0, 0, 2])
    np.testing.assert_array_equal(report.stage_changes.update[:, 0], [2, -1, -1, 2])
    np.testing.assert_array_equal(states.train.env_params.grains, [5, 4, 4, 5])


def test_a_frozen_seed_stays_at_its_stage(side_by_side):
    states, report = side_by_side(
        [1.0] * 4, convergence={"converged_at": jnp.array([-1, 0, 0, -1], jnp.int32)}
    )
    np.testing.assert_array_equal(states.curriculum.stage, [2, 0, 0, 2])
    np.testing.assert_array_equal(report.stage_changes.num, [2, 0, 0, 2])


@pytest.mark.slow
def test_the_whole_run_as_one_call_has_the_same_course(by_return):
    states, reports = train_compiled(by_return, layout_for(2))
    np.testing.assert_array_equal(states.curriculum.stage, [2, 2])
    np.testing.assert_array_equal(reports.stage_changes.update[:, 0, :2], [[2, 6], [2, 6]])


def test_an_algorithm_that_records_nothing_is_refused():
    program = program_of(staged(stages([4, 6], rule(above=1.0))), algo=forgetful)
    with pytest.raises(ValueError, match="does not record its episodes"):
        jax.eval_shape(program.chunk, jax.eval_shape(program.init, jax.random.key(0)), jnp.int32(1))


def test_without_a_curriculum_nothing_of_it_is_carried():
    program = program_of(None)
    state = jax.eval_shape(program.init, jax.random.key(0))
    assert state.curriculum == () and state.train.actor.episode_stats is None
    assert jax.eval_shape(program.chunk, state, jnp.int32(1))[1].stage_changes == ()


# What is evaluated


@pytest.mark.parametrize("where, lengths", [("target", [4, 4, 4]), ("stage", [9, 5, 5])])
def test_evaluations_are_made_in_the_target_env_unless_it_is_the_stages(where, lengths):
    """The target has 4 grains, the stages 9 and 5."""
    curriculum = staged(stages([9, 5], rule(at_least=1.0)), where)
    _, reports = trained(program_of(curriculum, updates_per_chunk=3), chunks=3)
    assert stage_changes(reports) == [(4, 1)]
    assert [int(report.episodes.lengths[0]) for report in reports] == lengths
    program = program_of(curriculum)
    final = program.evaluate(
        jax.jit(program.init)(jax.random.key(0)).train.policy_state,
        Hourglass().default_params.replace(grains=5),
        jax.random.key(0),
    )
    assert int(final.lengths[0]) == lengths[-1]


CALM = ConvergenceConfig(target=4.0, window=1, patience=1, plateau_patience=2)


def test_a_seed_that_is_good_enough_in_the_target_env_has_converged_at_any_stage():
    state, _ = trained(
        program_of(staged(stages([9, 4], NEVER)), updates_per_chunk=5, convergence=CALM), chunks=2
    )
    assert int(state.convergence.converged_at) == 5 and int(state.curriculum.stage) == 0


def test_a_plateau_counts_at_the_last_stage_only():
    """Every evaluation is alike, and the last stage begins in the third chunk."""
    patient = replace(CALM, target=None)
    curriculum = staged(stages([4, 5], Rule(min_steps=15 * 11)))
    state, _ = trained(program_of(curriculum, updates_per_chunk=5, convergence=patient), chunks=6)
    assert int(state.convergence.plateau_at) == 20 and int(state.train.update) == 20


def test_evaluated_at_its_stage_a_seed_converges_at_the_last_stage_only():
    """Stages of 9 and 5 grains pay as much; 4 would be enough."""
    curriculum = staged(stages([9, 5], Rule(min_steps=15 * 11)), "stage")
    state, reports = trained(
        program_of(curriculum, updates_per_chunk=5, convergence=CALM), chunks=6
    )
    assert int(state.convergence.converged_at) == 15
    assert (float(state.best.score), int(state.best.update)) == (5.0, 15)
