"""The text of a plan, which `--plan` prints and a run logs."""

import json
import textwrap
from collections.abc import Iterable
from typing import Any

import jax

from elsinore.algos.registry import built_in_behind
from elsinore.config.curricula import curriculum_lines, env_warnings
from elsinore.config.host import after_a_break
from elsinore.config.mappings import dotted
from elsinore.config.memory import UNLIMITED, available_bytes, readable_size
from elsinore.config.parse import as_dict
from elsinore.config.plan import Plan
from elsinore.config.plan_warnings import (
    few_episodes,
    rivals_never_frozen,
    rounded_observations,
    unscaled_actions,
    unscaled_images,
)
from elsinore.config.presets import closest_preset, preset
from elsinore.config.schedule import uncounted_steps
from elsinore.envs.suites import is_on_host
from elsinore.errors import counted, setting_text

WIDTH = 79  # of a row


def plan_lines(plan: Plan) -> list[str]:
    """The plan for people, one fact after another; a long one takes several lines."""
    return [row for fact in plan_facts(plan) for row in _rows(fact)]


def _rows(fact: str) -> list[str]:
    """The rows of a fact, none wider than a terminal unless a word is."""
    indent = " " * (4 if fact.startswith("  ") else 16)
    whole = {"break_on_hyphens": False, "break_long_words": False}
    return textwrap.wrap(fact, WIDTH, subsequent_indent=indent, **whole) or [fact]


def plan_facts(plan: Plan) -> list[str]:
    """The plan for people, one fact a line, however long."""
    curriculum = plan.experiment.curriculum
    description = plan.experiment.description
    return [
        *([f"description     {textwrap.shorten(description, 80)}"] if description else []),
        *_environment_lines(plan),
        *_algorithm_lines(plan),
        *_learner_lines(plan),
        *_schedule_lines(plan),
        f"parameters      {plan.num_parameters:,} a seed",
        *(
            []
            if curriculum is None
            else curriculum_lines(curriculum, plan.env, plan.env_params, plan.env_steps)
        ),
        *(f"warning         {text}" for text in env_warnings(plan.env, plan.env_params)),
        *rounded_observations(plan),
        *unscaled_images(plan),
        *unscaled_actions(plan),
        *rivals_never_frozen(plan),
        *_memory_lines(plan),
    ]


def _environment_lines(plan: Plan) -> list[str]:
    wrappers = json.dumps(plan.experiment.wrappers).replace('"', "")
    named = [f"wrappers        {wrappers}"] if plan.experiment.wrappers else []
    resumes = after_a_break(plan.env, plan.env_params)
    host = [f"on the host     stepped in Python; after a break: {resumes}"] if resumes else []
    return [f"environment     {plan.experiment.env}", *named, *host]


def _algorithm_lines(plan: Plan) -> list[str]:
    algo = plan.experiment.algo
    name = closest_preset(built_in_behind(algo.name), plan.experiment.env, dotted(as_dict(algo)))
    described = name if preset(name) else f"none for {name}: the algorithm's defaults"
    return [
        f"algorithm       {algo.name}",
        f"preset          {described}",
        *_hyperparameter_lines(algo, plan.experiment.vary, plan.custom_code.get("network")),
    ]


def _hyperparameter_lines(algo: Any, vary: Iterable[str], network: Any = None) -> list[str]:
    """The algorithm's settings, wrapped, with the network that is an object; those of a bonus that
    is off are left out."""
    settings = dotted(as_dict(algo))
    if network is not None:
        settings["network.custom"] = setting_text(network)
    differ = {name.removeprefix("algo."): "varies" for name in vary}
    settings |= {name: differ[name] for name in settings.keys() & differ}
    bonus_off = settings.get("rnd.weight") == 0.0
    pairs = [
        f"{name}={_text_of(value)}"
        for name, value in settings.items()
        if name != "name" and not (bonus_off and name.startswith("rnd."))
    ]
    lines = textwrap.wrap(" ".join(pairs), 63, break_on_hyphens=False)
    return [f"{'' if i else 'settings':16}{line}" for i, line in enumerate(lines)]


def _text_of(value: Any) -> str:
    """A setting's value as a config has it, without quotes."""
    text = json.dumps(value, separators=(",", ":")).replace("Infinity", ".inf")
    return text.replace('"', "")


def _learner_lines(plan: Plan) -> list[str]:
    """Agents, members and seeds, and the teacher that they begin with."""
    experiment, lines = plan.experiment, []
    if experiment.agents.number > 1:
        lines.append(f"agents          {experiment.agents.described()}")
        lines += _agent_lines(plan)
    if experiment.vary:
        names = ", ".join(experiment.vary)
        members = f"{experiment.members}, each with every seed; they differ in {names}"
        lines.append(f"members         {members}")
    first, seeds = experiment.seed, experiment.seeds
    named = f"{first} to {first + seeds - 1}" if seeds > 1 else first
    lines.append(f"seeds           {seeds} ({named})")
    if start := experiment.start:
        lines.append(f"begins from     {start.parts} of {start.run}@{start.checkpoint}")
    if experiment.self_play:
        lines.append(f"self-play       {experiment.self_play.described}")
    if experiment.imitation:
        lines.append(f"imitation       {experiment.imitation.described}")
    return lines


def _agent_lines(plan: Plan) -> list[str]:
    """Each agent that differs: its name, algorithm, and the settings that are not those of
    `algo`."""
    agents, of_all = plan.experiment.agents, dotted(as_dict(plan.experiment.algo))
    if not agents.each:
        return []
    lines = [f"programs        {max(1, len(plan.groups))} for {agents.number} agents"]
    for each in agents.each:
        own = dotted(as_dict(each.algo))
        apart = [f"{k}={_text_of(v)}" for k, v in own.items() if k != "name" and v != of_all.get(k)]
        lines += textwrap.wrap(
            f"{each.id}: {' '.join((each.algo.name, *apart))}",
            79,
            initial_indent=" " * 16,
            subsequent_indent=" " * 18,
            break_on_hyphens=False,
        )
    return lines


def _schedule_lines(plan: Plan) -> list[str]:
    schedule, experiment, evaluation = plan.schedule, plan.experiment, plan.experiment.evaluation
    chunks, steps = schedule.num_chunks, plan.env_steps
    updates = schedule.updates_per_chunk
    most = counted(updates, "update")
    return [
        *_budget_lines(plan),
        f"env steps       {steps:,} a seed, {steps * experiment.replicas:,} in all",
        f"updates         {schedule.num_updates:,} a seed, of"
        f" {counted(plan.steps_per_update, 'env step')}",
        f"chunks          {chunks}, each of at most {most}",
        f"evaluations     {_evaluations(plan)} of {counted(evaluation.episodes, 'episode')}, and"
        f" one of {evaluation.final_episodes} at the end",
        *_period_lines(plan),
        *few_episodes(plan.experiment),
        *uncounted_steps(plan.experiment, plan.env_params),
    ]


def _evaluations(plan: Plan) -> str:
    """The number of evaluations, or their period where only the run can count it."""
    period, schedule = plan.experiment.evaluation.period, plan.schedule
    if not isinstance(period, str):
        return f"{schedule.num_chunks}"
    each = " of each seed that learns" if "episodes" in period else ""
    steps = schedule.updates_per_chunk * plan.steps_per_update
    return f"every {period}{each}, rounded up to a chunk of {counted(steps, 'env step')},"


def _period_lines(plan: Plan) -> list[str]:
    """The periods of checkpoints and replays in other units than chunks."""
    experiment = plan.experiment
    periods = {"checkpoints": experiment.checkpoints.period, "replays": experiment.replays.period}
    return [
        f"{name:16}every {period}, rounded up to a chunk"
        for name, period in periods.items()
        if isinstance(period, str)
    ]


def _budget_lines(plan: Plan) -> list[str]:
    """A budget that ends the run before its env steps are taken."""
    stop, rounded = plan.experiment.stop, "rounded up to a chunk"
    most = f"at most {plan.env_steps:,} env steps, over which schedules go"
    if stop.episodes is not None:
        episodes = counted(stop.episodes, "episode")
        return [f"budget          {episodes} of each seed, {rounded}; {most}"]
    if stop.seconds is not None:
        return [f"budget          {stop.seconds:g} s of training, {rounded}; {most}"]
    return []


def _memory_lines(plan: Plan) -> list[str]:
    needed, free = plan.memory.on_device, available_bytes()
    available = "an unknown size" if free == UNLIMITED else readable_size(free)
    replay = [f"replay          {readable_size(plan.memory.of_replay)} a seed"]
    return [
        *(replay if plan.memory.of_replay else []),
        f"device          {jax.default_backend()}, {_devices(plan)}",
        *_shard_lines(plan),
        f"bytes on device {needed:,} (about {readable_size(needed)}; {available} available)",
    ]


def _devices(plan: Plan) -> str:
    used, there = plan.devices_used, len(jax.devices())
    if used < there and is_on_host(plan.env):
        return f"{used} of {there} devices: seeds take turns on it, the others are idle"
    if used < there:
        each = "one" if plan.layout.devices_per_seed == 1 else f"{plan.layout.devices_per_seed}"
        return f"{used} of {there} devices: {each} for each seed, the others are idle"
    return counted(there, "device")


def _shard_lines(plan: Plan) -> list[str]:
    """The line that says where the shards of a seed are; none where it has one."""
    layout, shards = plan.layout, plan.experiment.shards
    if shards == 1:
        return []
    num_envs, devices = plan.experiment.algo.num_envs // shards, layout.devices_per_seed
    each = shards // devices
    turns = ", in turn" if each > 1 else ""
    return [
        f"shards          {shards} a seed, of {counted(num_envs, 'env')}:"
        f" {each} on {'each of ' if devices > 1 else ''}{counted(devices, 'device')}{turns}"
    ]
