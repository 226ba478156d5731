"""A curriculum that is written down, for one world: checked, and made into what the compiled program goes by."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from elsinore.config.build import ConfigError
from elsinore.config.reach import World, describe_rule, least_steps, never, quarrel
from elsinore.config.stage_worlds import LIMIT, default_of, suggestion, tables_of
from elsinore.experience.bodies import params_of_one
from elsinore.experience.outcomes import OWN
from elsinore.training.curriculum.conditions import EPISODE, STAGE, Rule
from elsinore.training.curriculum.config import CurriculumConfig
from elsinore.training.curriculum.lessons import refuse_the_forgetful, remembering
from elsinore.training.curriculum.stages import Curriculum, Stages, staged
from elsinore.types import Algorithm


def curriculum_for(config: CurriculumConfig, env: Any, env_params: PyTree, algo: Algorithm) -> Curriculum:
    """The curriculum that `config` describes, where `env_params` is the world that it leads to.

    Raises:
        ConfigError: for a parameter or a metric that is not there, a value that does not fit, or a stage that can
            never be left, with its place.
    """
    tables = tables_of(config, env_params)
    info = _info(env, env_params)
    for path, rule in _rules(config):
        _refuse_unknown_info(path, rule, info, env_params)
        _refuse_the_impossible(path, rule, _worlds(config, tables, env_params, info), config)
    course = config.course
    stages = Stages(
        {name: jnp.asarray(table) for name, table in tables.items()},
        tuple(stage.advance_when for stage in course),
        tuple(stage.retreat_when for stage in course),
        _max_entropy(config, env.action_space(env_params)),
    )
    curriculum = staged(stages, config.evaluate_on)
    _refuse_unknown_metrics(config, _metrics_of(algo, curriculum, env_params))
    return curriculum


def longest_episode(config: CurriculumConfig, env_params: PyTree) -> float:
    """The largest time limit of any world that evaluations are made in; 0 where there is none."""
    own = getattr(env_params, LIMIT, 0)
    return int(np.max(tables_of(config, env_params).get(LIMIT, own))) if config.evaluate_on == "stage" else own


def curriculum_lines(config: CurriculumConfig, env: Any, env_params: PyTree, env_steps: int) -> list[str]:
    """For people: each stage, and what is doubtful about them."""
    tables = tables_of(config, env_params)
    worlds = _worlds(config, tables, env_params, _info(env, env_params))
    where = "the target world" if config.evaluate_on == "target" else "the present stage's world"
    lines = [f"curriculum      {len(config.course)} stages, evaluated in {where}"]
    for i, stage in enumerate(config.course):
        told = [", ".join(f"{name}={value}" for name, value in stage.params.items()) or "the experiment's own world"]
        told += [f"on when {describe_rule(stage.advance_when)}"] if stage.advance_when else []
        told += [f"back when {describe_rule(stage.retreat_when)}"] if stage.retreat_when else []
        name = "" if stage.name == str(i) else f" {stage.name}"
        lines.append(f"  stage {i}{name}: {'; '.join(told)}")
    doubts = (*_doubts(config, worlds, tables, env_params, env_steps), *_stage_doubts(config, tables, env, env_params))
    return lines + [f"warning         {text}" for text in doubts]


def world_doubts(env: Any, env_params: PyTree) -> list[str]:
    """What the world itself warns of where its parameters are those: its `doubts`, if it has such a method."""
    return env.doubts(env_params) if hasattr(env, "doubts") else []


def _stage_doubts(config: CurriculumConfig, tables, env: Any, env_params: PyTree) -> Iterator[str]:
    for i, stage in enumerate(config.course):
        changed = {name: table[i] for name, table in tables.items()}
        params = env_params.replace(**changed) if changed else env_params
        yield from (f"curriculum: stage {i} {stage.name!r}: {text}" for text in world_doubts(env, params))


def _doubts(config: CurriculumConfig, worlds: list[World], tables, env_params, env_steps: int) -> Iterator[str]:
    needed = 0.0
    for i, (stage, world) in enumerate(zip(config.course, worlds, strict=True)):
        if needed > env_steps:
            yield (
                f"curriculum: stage {i} {stage.name!r} cannot be reached: the rules before it need {needed:,.0f} env "
                f"steps at least, and env_steps={env_steps:,}."
            )
            return
        needed += least_steps(stage.advance_when, world) if stage.advance_when else 0.0
        if quarrel(stage.advance_when, stage.retreat_when):
            yield f"curriculum: one score can send stage {i} {stage.name!r} both ways; going back is tried first."
    differing = [n for n, table in tables.items() if not np.array_equal(table[-1], default_of(env_params, n))]
    if differing and config.evaluate_on == "target":
        yield (
            f"curriculum: the last stage differs from the world that is evaluated in, in {', '.join(differing)}; make "
            "its params those of the experiment (env_params), or evaluate_on: stage."
        )


def _worlds(config: CurriculumConfig, tables: dict[str, np.ndarray], env_params: PyTree, info: dict) -> list[World]:
    """What bounds the episodes of each stage."""
    flags = frozenset(name for name, x in info.items() if x.dtype == bool)
    own = np.max(getattr(env_params, LIMIT, 0)) or math.inf
    limits = tables.get(LIMIT, [own] * len(config.course))
    return [World(float(np.max(limit)), flags) for limit in limits]


# The rules


def _rules(config: CurriculumConfig) -> Iterator[tuple[str, Rule]]:
    """Every rule, once for each place that it is written at.

    Raises:
        ConfigError: where a stage cannot be left, or a rule leads nowhere.
    """
    for name in ("advance_when", "retreat_when"):
        if (shared := getattr(config, name)) is not None:
            yield f"curriculum.{name}", shared
    for i, (written, stage) in enumerate(zip(config.stages or config.course, config.course, strict=True)):
        path = f"curriculum.stages[{i}]"
        for name, what in (("advance_when", "after"), ("retreat_when", "before")):
            own = getattr(written, name) if config.stages else None
            if own is not None and getattr(stage, name) is None:
                raise ConfigError(f"{path}.{name} leads nowhere: there is no stage {what} it; leave it out.")
            if own is not None:
                yield f"{path}.{name}", own
        if stage.advance_when is None and i + 1 < len(config.course):
            place = path if config.stages else "curriculum"
            raise ConfigError(f"{place}.advance_when is missing, so nothing comes after stage {stage.name!r}; give it.")


def _refuse_the_impossible(path: str, rule: Rule, worlds: list[World], config: CurriculumConfig) -> None:
    """Where a rule holds for several stages, it must be possible at each."""
    for stage, world in zip(config.course, worlds, strict=True):
        if rule in (stage.advance_when, stage.retreat_when) and (reasons := never(rule, world, path)):
            raise ConfigError(f"{reasons[0]} So stage {stage.name!r} can never be left by it; choose another bound.")


def _refuse_unknown_info(path: str, rule: Rule, info: dict[str, jax.ShapeDtypeStruct], env_params: PyTree) -> None:
    for place, leaf in rule.leaves():
        where = f"{path}.{place}.metric" if place else f"{path}.metric"
        if leaf.metric == "survival" and not np.max(getattr(env_params, LIMIT, 0)):
            raise ConfigError(f"{where}='survival' is a share of {LIMIT}, which this environment has not; use length.")
        if leaf.recorded is None or leaf.recorded in OWN:
            continue
        if leaf.recorded not in info:
            known = [*EPISODE, *STAGE, "entropy", *info]
            raise ConfigError(f"{where}={leaf.metric!r} is unknown{suggestion(leaf.metric or '', known)}")
        if info[leaf.recorded].shape != ():
            raise ConfigError(
                f"{where}={leaf.metric!r} has the shape {info[leaf.recorded].shape}; it must be a number."
            )


def _refuse_unknown_metrics(config: CurriculumConfig, known: Iterable[str]) -> None:
    known = list(known)
    for path, rule in _rules(config):
        for place, leaf in rule.leaves():
            if leaf.of_update is not None and leaf.of_update not in known:
                where = f"{path}.{place}.metric" if place else f"{path}.metric"
                needs = f" needs {leaf.of_update!r}, which" if leaf.of_update != leaf.metric else ""
                raise ConfigError(
                    f"{where}={leaf.metric!r}{needs} is not told by this algorithm{suggestion(leaf.of_update, known)}"
                )


def _metrics_of(algo: Algorithm, curriculum: Curriculum, env_params: PyTree) -> tuple[str, ...]:
    """What an update tells, in the first stage's world."""

    def update(key):
        world = jax.tree.map(lambda x: jnp.asarray(x, jnp.result_type(x)), env_params)
        before = remembering(curriculum, algo.init(key, curriculum.begin(world)[1], algo.hyper))
        after, metrics = algo.update(before)
        refuse_the_forgetful(before, after)
        return metrics

    return tuple(jax.eval_shape(update, jax.random.key(0)))


def _info(env: Any, env_params: PyTree) -> dict[str, Any]:
    """Shapes and types of what the world tells of a step, by name."""

    params = params_of_one(env, env_params)

    def step(key):
        state = env.reset_env(key, params)[1]
        return env.step_env(key, state, env.action_space(params).sample(key), params)[4]

    info = jax.eval_shape(step, jax.random.key(0))
    return {name: x for name, x in info.items() if hasattr(x, "dtype")}


def _max_entropy(config: CurriculumConfig, space: Any) -> float:
    """Of a policy without a preference, where a rule asks for `entropy`.

    Raises:
        ConfigError: for continuous actions, of which there is no such number.
    """
    asked = [path for path, rule in _rules(config) for _, leaf in rule.leaves() if leaf.metric == "entropy"]
    if not asked:
        return math.nan
    sizes = np.atleast_1d(getattr(space, "n", getattr(space, "nvec", 0)))
    if type(space).__name__ == "Box" or not (sizes > 0).all():
        raise ConfigError(
            f"{asked[0]}: 'entropy' is a share of a policy's without preference, and this environment's actions "
            f"({type(space).__name__}) have none; use policy/entropy."
        )
    return float(np.sum(np.log(sizes)))
