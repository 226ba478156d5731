"""A curriculum config checked against one environment, and built into the traced `Curriculum`."""

import math
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from elsinore.config.reachability import (
    EpisodeBounds,
    describe_rule,
    least_steps,
    overlapping,
    unreachable,
)
from elsinore.config.stage_params import default_of, tables_of
from elsinore.envs.make import check_params
from elsinore.envs.time_limit import LIMIT, time_limits
from elsinore.errors import ConfigError, counted
from elsinore.experience.episode_stats import OWN, check_recorded
from elsinore.experience.multi_agent import params_of_one
from elsinore.training.curriculum.conditions import EPISODE, STAGE, Rule
from elsinore.training.curriculum.config import CurriculumConfig
from elsinore.training.curriculum.stages import Curriculum, Stages, staged
from elsinore.training.curriculum.with_curriculum import with_episode_stats
from elsinore.types import Algorithm
from elsinore.validation import did_you_mean


def curriculum_for(
    config: CurriculumConfig, env: Any, env_params: PyTree, algo: Algorithm
) -> Curriculum:
    """Build the curriculum of a config; `env_params` are the experiment's own parameters.

    Raises:
        ConfigError: for an unknown parameter or metric, a value of another shape or type, or a
            stage that can never be left, with its place in the config.
    """
    tables = tables_of(config, env_params)
    _refuse_stage_params(config, tables, env, env_params)
    info = _info(env, env_params)
    for path, rule in _rules(config):
        _refuse_unknown_info(path, rule, info, env_params)
        _refuse_unreachable(path, rule, _stage_bounds(config, env_params, info), config)
    stages = Stages(
        {name: jnp.asarray(table) for name, table in tables.items()},
        tuple(stage.advance_when for stage in config.all_stages),
        tuple(stage.retreat_when for stage in config.all_stages),
        _max_entropy(config, env.action_space(env_params)),
    )
    curriculum = staged(stages, config.evaluate_on)
    _refuse_unknown_metrics(config, _metrics_of(algo, curriculum, env_params))
    return curriculum


def _refuse_stage_params(
    config: CurriculumConfig, tables: dict[str, np.ndarray], env: Any, env_params: PyTree
) -> None:
    """Refuse a stage whose parameters the environment itself refuses."""
    for i in range(len(config.all_stages)):
        place = f"curriculum.stages[{i}].params" if config.stages else "curriculum.ladder"
        try:
            params = env_params.replace(**{name: table[i] for name, table in tables.items()})
        except ValueError as error:
            raise ConfigError(f"{place}.{error}") from error
        check_params(env, params, place)


def stage_limits(config: CurriculumConfig, env_params: PyTree) -> list[Any]:
    """The time limit of each stage in steps, the longest where it is drawn; 0 without a limit."""
    own, tables = vars(env_params), tables_of(config, env_params)
    changes = ({name: x[i] for name, x in tables.items()} for i in range(len(config.all_stages)))
    return [np.max(time_limits(SimpleNamespace(**own | changed), 0)) for changed in changes]


def longest_episode(config: CurriculumConfig, env_params: PyTree) -> float:
    """The largest time limit of an evaluation episode, in steps; 0 without a limit."""
    on_stage = config.evaluate_on == "stage"
    return max(stage_limits(config, env_params)) if on_stage else time_limits(env_params, 0)


def curriculum_lines(
    config: CurriculumConfig, env: Any, env_params: PyTree, env_steps: int
) -> list[str]:
    """The lines of a plan about its curriculum: one for each stage, then the warnings."""
    tables = tables_of(config, env_params)
    bounds = _stage_bounds(config, env_params, _info(env, env_params))
    where = "target" if config.evaluate_on == "target" else "present stage's"
    lines = [
        f"curriculum      {counted(len(config.all_stages), 'stage')}, evaluated in the {where}"
        " environment"
    ]
    for i, stage in enumerate(config.all_stages):
        parts = [
            ", ".join(f"{name}={value}" for name, value in stage.params.items())
            or "the experiment's own parameters"
        ]
        parts += [f"on when {describe_rule(stage.advance_when)}"] if stage.advance_when else []
        parts += [f"back when {describe_rule(stage.retreat_when)}"] if stage.retreat_when else []
        name = "" if stage.name == str(i) else f" {stage.name}"
        lines.append(f"  stage {i}{name}: {'; '.join(parts)}")
    warnings = (
        *_rule_warnings(config, bounds, tables, env_params, env_steps),
        *_stage_warnings(config, tables, env, env_params),
    )
    return lines + [f"warning         {text}" for text in warnings]


def env_warnings(env: Any, env_params: PyTree) -> list[str]:
    """Warnings of the environment about its parameters: its method `doubts`, if it has one."""
    return env.doubts(env_params) if hasattr(env, "doubts") else []


def _stage_warnings(
    config: CurriculumConfig, tables, env: Any, env_params: PyTree
) -> Iterator[str]:
    for i, stage in enumerate(config.all_stages):
        changed = {name: table[i] for name, table in tables.items()}
        params = env_params.replace(**changed) if changed else env_params
        yield from (
            f"curriculum: stage {i} {stage.name!r}: {text}" for text in env_warnings(env, params)
        )


def _rule_warnings(
    config: CurriculumConfig, bounds: list[EpisodeBounds], tables, env_params, env_steps: int
) -> Iterator[str]:
    needed = 0.0
    for i, (stage, bound) in enumerate(zip(config.all_stages, bounds, strict=True)):
        if needed > env_steps:
            yield (
                f"curriculum: stage {i} {stage.name!r} cannot be reached: the rules before it need"
                f" {needed:,.0f} env steps at least, and env_steps={env_steps:,}."
            )
            return
        needed += least_steps(stage.advance_when, bound) if stage.advance_when else 0.0
        if overlapping(stage.advance_when, stage.retreat_when):
            yield (
                f"curriculum: at stage {i} {stage.name!r} one score can hold for both rules; going"
                " back is tried first."
            )
    differing = [
        n for n, table in tables.items() if not np.array_equal(table[-1], default_of(env_params, n))
    ]
    if differing and config.evaluate_on == "target":
        yield (
            "curriculum: the last stage differs from the evaluation environment in"
            f" {', '.join(differing)}; give it the experiment's values (env_params), or set"
            " evaluate_on: stage."
        )


def _stage_bounds(config: CurriculumConfig, env_params: PyTree, info: dict) -> list[EpisodeBounds]:
    flags = frozenset(name for name, x in info.items() if x.dtype == bool)
    limits = stage_limits(config, env_params)
    return [EpisodeBounds(float(limit) or math.inf, flags) for limit in limits]


# The rules


def _rules(config: CurriculumConfig) -> Iterator[tuple[str, Rule]]:
    """Each rule with its place in the config, once for each place.

    Raises:
        ConfigError: for a stage that cannot be left, or a rule without a stage to go to.
    """
    for name in ("advance_when", "retreat_when"):
        if (shared := getattr(config, name)) is not None:
            yield f"curriculum.{name}", shared
    for i, (written, stage) in enumerate(
        zip(config.stages or config.all_stages, config.all_stages, strict=True)
    ):
        path = f"curriculum.stages[{i}]"
        for name, side in (("advance_when", "after"), ("retreat_when", "before")):
            own = getattr(written, name) if config.stages else None
            if own is not None and getattr(stage, name) is None:
                raise ConfigError(
                    f"{path}.{name} leads nowhere: there is no stage {side} it; leave it out."
                )
            if own is not None:
                yield f"{path}.{name}", own
        if stage.advance_when is None and i + 1 < len(config.all_stages):
            place = path if config.stages else "curriculum"
            raise ConfigError(
                f"{place}.advance_when is missing, so nothing comes after stage {stage.name!r};"
                " give it."
            )


def _refuse_unreachable(
    path: str, rule: Rule, bounds: list[EpisodeBounds], config: CurriculumConfig
) -> None:
    """A rule must be reachable at each stage that has it."""
    for stage, bound in zip(config.all_stages, bounds, strict=True):
        if rule in (stage.advance_when, stage.retreat_when) and (
            reasons := unreachable(rule, bound, path)
        ):
            raise ConfigError(
                f"{reasons[0]} So stage {stage.name!r} can never be left by it; choose another"
                " bound."
            )


def _refuse_unknown_info(
    path: str, rule: Rule, info: dict[str, jax.ShapeDtypeStruct], env_params: PyTree
) -> None:
    for place, leaf in rule.leaves():
        where = f"{path}.{place}.metric" if place else f"{path}.metric"
        if leaf.metric == "survival" and not np.max(time_limits(env_params, 0)):
            raise ConfigError(
                f"{where}='survival' is a share of {LIMIT}, which this environment does not have;"
                " use length."
            )
        if leaf.recorded is None or leaf.recorded in OWN:
            continue
        if leaf.recorded not in info:
            known = did_you_mean(leaf.metric, [*EPISODE, *STAGE, "entropy", *info], 0.5, "known")
            raise ConfigError(f"{where}={leaf.metric!r} is unknown{known}")
        if info[leaf.recorded].shape != ():
            raise ConfigError(
                f"{where}={leaf.metric!r} has the shape {info[leaf.recorded].shape}; it must be a"
                " number."
            )


def _refuse_unknown_metrics(config: CurriculumConfig, known: Iterable[str]) -> None:
    known = list(known)
    for path, rule in _rules(config):
        for place, leaf in rule.leaves():
            if leaf.of_update is not None and leaf.of_update not in known:
                where = f"{path}.{place}.metric" if place else f"{path}.metric"
                needs = f" needs {leaf.of_update!r}, which" if leaf.of_update != leaf.metric else ""
                raise ConfigError(
                    f"{where}={leaf.metric!r}{needs} is no metric of this algorithm"
                    f"{did_you_mean(leaf.of_update, known, 0.5, 'known')}"
                )


def _metrics_of(algo: Algorithm, curriculum: Curriculum, env_params: PyTree) -> tuple[str, ...]:
    """The names of an update's metrics at the first stage."""

    def update(key):
        params = jax.tree.map(lambda x: jnp.asarray(x, jnp.result_type(x)), env_params)
        before = with_episode_stats(
            curriculum, algo.init(key, curriculum.begin(params)[1], algo.hyper)
        )
        after, metrics = algo.update(before)
        check_recorded("curriculum", before.actor.episode_stats, after.actor.episode_stats)
        return metrics

    return tuple(jax.eval_shape(update, jax.random.key(0)))


def _info(env: Any, env_params: PyTree) -> dict[str, Any]:
    """Shapes and types of the `info` of a step, by name."""
    params = params_of_one(env, env_params)

    def step(key):
        state = env.reset_env(key, params)[1]
        return env.step_env(key, state, env.action_space(params).sample(key), params)[4]

    info = jax.eval_shape(step, jax.random.key(0))
    return {name: x for name, x in info.items() if hasattr(x, "dtype")}


def _max_entropy(config: CurriculumConfig, space: Any) -> float:
    """The entropy of a uniform policy if a rule has the metric `entropy`, else NaN.

    Raises:
        ConfigError: for continuous actions, whose entropy has no maximum.
    """
    places = [
        path
        for path, rule in _rules(config)
        for _, leaf in rule.leaves()
        if leaf.metric == "entropy"
    ]
    if not places:
        return math.nan
    sizes = np.atleast_1d(getattr(space, "n", getattr(space, "nvec", 0)))
    if type(space).__name__ == "Box" or not (sizes > 0).all():
        raise ConfigError(
            f"{places[0]}: 'entropy' is a share of the entropy of a uniform policy, and this"
            f" environment's actions ({type(space).__name__}) have none; use policy/entropy."
        )
    return float(np.sum(np.log(sizes)))
