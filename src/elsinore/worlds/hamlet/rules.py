"""Rules of Hamlet: one step, without observations or rewards.

A step: act (pay, and use the affordance in the cell), drain, decline, wear, and the test for death.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import struct
from gymnax.environments.environment import EnvParams, EnvState
from jaxtyping import Array, Bool, Int, Num

from elsinore.jaxtools.barrier import barrier
from elsinore.worlds.hamlet.profile import Profile
from elsinore.worlds.hamlet.tables import NO_AFFORDANCE, ProfileTables, profile_tables

INTERACT = 4
DAY_HOURS = 24  # hours, of one step each


@struct.dataclass(kw_only=True)
class HamletParams(EnvParams):
    """Numbers that a curriculum may change without recompiling; amounts of meters in their own
    units."""

    max_steps_in_episode: int = 500
    drain: Num[Array, "meter"]  # lost each step
    drain_multiplier: float = 1.0
    fatal: Bool[Array, "meter"]  # kills where it is at its lowest
    move_cost: Num[Array, "meter"]
    interact_cost: Num[Array, "meter"]
    fail_cost: Num[Array, "meter"]
    # share of episodes that begin in any cell, with meters drawn from the ranges below
    random_start_share: float = 0.0
    start_low: Num[Array, "meter"]
    start_high: Num[Array, "meter"]
    reward_weights: Num[Array, "reward"]  # in the order of the env's `rewards`
    death_penalty: float = 100.0
    low_penalty: float = 2.0  # of `needs`: for each low one
    mild_penalty: float = 0.5  # of `needs`: for each that is none too good
    use_bonus: float = 5.0  # of `hints`: for going to bed when tired
    proximity_bonus: float = 0.1  # of `hints`: beside the bed when tired
    improvement_bonus: float = 0.5  # of `hints`: for a whole meter gained
    gamma: float = 0.99  # of `potential`: the discount at which nothing changes


@struct.dataclass
class HamletState(EnvState):  # inherits `time`: steps since reset
    position: Int[Array, "2"]  # x, y
    moved: Int[Array, "2"]  # by the last step
    meters: Num[Array, "meter"]  # in units of the tables
    # the affordance begun and not finished, or used by the last step; or NO_AFFORDANCE
    using: Int[Array, ""]
    progress: Int[Array, ""]  # ticks of it done
    # where each is, y * width + x, or NO_AFFORDANCE; None where the profile fixes it
    cells: Int[Array, "affordance"] | None
    ground: Int[Array, "cell"] | None  # the affordance in each cell, or NO_AFFORDANCE; likewise


class StepNumbers(NamedTuple):
    """The part of `HamletParams` that the rules need, in units of the tables."""

    drain: Num[Array, "meter"]
    fatal: Bool[Array, "meter"]
    move_cost: Num[Array, "meter"]
    interact_cost: Num[Array, "meter"]
    fail_cost: Num[Array, "meter"]


class Intent(NamedTuple):
    """An action's intent, before affordances are granted."""

    moving: Bool[Array, ""]
    interacting: Bool[Array, ""]
    wants: Int[Array, ""]  # the affordance it could use now, or NO_AFFORDANCE


def step_numbers(world: ProfileTables, params: HamletParams) -> StepNumbers:
    """Numbers of a step in units; parameters may be arrays or lists."""
    names = ("move_cost", "interact_cost", "fail_cost")
    span = world.native(world.span)

    def units(amount: Any) -> Num[Array, "meter"]:  # more than the range would overflow in units
        return world.units(jnp.clip(jnp.asarray(amount, jnp.float32), -span, span))

    drain = jnp.asarray(params.drain, jnp.float32) * jnp.asarray(
        params.drain_multiplier, jnp.float32
    )
    costs = [units(getattr(params, name)) for name in names]
    return StepNumbers(units(drain), jnp.asarray(params.fatal).astype(bool), *costs)


def cell_affordances(world: ProfileTables, state: HamletState) -> Int[Array, "cell"]:
    """Affordance in each cell, or NO_AFFORDANCE."""
    return jnp.asarray(world.fixed_ground) if state.ground is None else state.ground


def affordance_cells(world: ProfileTables, state: HamletState) -> Int[Array, "affordance"]:
    """Cell of each affordance, or NO_AFFORDANCE."""
    return jnp.asarray(world.fixed_cells) if state.cells is None else state.cells


def affordance_here(world: ProfileTables, state: HamletState) -> Int[Array, ""]:
    """Affordance in the agent's cell, or NO_AFFORDANCE."""
    return cell_affordances(world, state)[
        state.position[1] * world.width + state.position[0]
    ].astype(jnp.int32)


def hour(profile: Profile, time: Int[Array, ""]) -> Int[Array, ""]:
    """Hour of the day after `time` steps; always 0 in a world without a clock."""
    return time % DAY_HOURS if profile.temporal else jnp.zeros_like(time)


def is_open(
    profile: Profile, affordance: Int[Array, "*any"], time: Int[Array, ""]
) -> Bool[Array, "*any"]:
    """True if an affordance is open at that time; always, in a world without a clock."""
    if not profile.temporal:
        return jnp.ones_like(affordance, bool)
    world = profile_tables(profile)
    since = (hour(profile, time) - jnp.asarray(world.opens)[affordance]) % DAY_HOURS
    return since < jnp.asarray(world.open_for)[affordance]


def intent(profile: Profile, state: HamletState, action: Int[Array, ""]) -> Intent:
    """Kind of the action, and the affordance it could use: in this cell, open, and affordable
    before the step."""
    world = profile_tables(profile)
    interacting = action == INTERACT
    there = affordance_here(world, state)
    usable = interacting & (there >= 0) & is_open(profile, there, state.time)
    if "money" in profile.meter_names:
        price = jnp.asarray(world.price)[there]
        usable &= (price == 0) | (state.meters[profile.meter_names.index("money")] >= price)
    return Intent(action < INTERACT, interacting, jnp.where(usable, there, NO_AFFORDANCE))


def step_state(
    profile: Profile,
    numbers: StepNumbers,
    state: HamletState,
    action: Int[Array, ""],
    aim: Intent,
    used: Int[Array, ""],
) -> tuple[HamletState, Bool[Array, ""]]:
    """The next state after an action that uses the affordance `used` (or NO_AFFORDANCE), and
    whether the agent died."""
    world = profile_tables(profile)
    position = _moved(world, state.position, action)
    meters = _clip(world, state.meters + _cost(world, numbers, action, aim, used))
    using, progress = _progress(profile, state, position, used)
    if profile.temporal:
        complete = (used >= 0) & (progress == jnp.asarray(world.duration)[used])
        gain = jnp.asarray(world.gains)[used, 0] + jnp.where(
            complete, jnp.asarray(world.completion)[used], 0
        )
        meters = _clip(world, meters + gain)
        using, progress = (
            jnp.where(complete, x, y) for x, y in ((NO_AFFORDANCE, using), (0, progress))
        )
    else:
        meters = _whole_use(world, state, meters, used)
    meters = _clip(world, meters - numbers.drain)
    for part in (_decline, _worn):
        meters = part(profile, meters)
    died = jnp.any(numbers.fatal & (meters <= world.low))
    moved = position - state.position
    state = state.replace(
        time=state.time + 1,
        position=position,
        moved=moved,
        meters=meters,
        using=using,
        progress=progress,
    )
    return state, died


def _moved(world: ProfileTables, position: Array, action: Array) -> Int[Array, "2"]:
    """Next position, which only the first four actions change; walls stop a move."""
    x = position[0] + jnp.where(action == 3, 1, 0) - jnp.where(action == 2, 1, 0)
    y = position[1] + jnp.where(action == 1, 1, 0) - jnp.where(action == 0, 1, 0)
    return jnp.stack([jnp.clip(x, 0, world.width - 1), jnp.clip(y, 0, world.height - 1)])


def _clip(world: ProfileTables, meters: Array) -> Num[Array, "meter"]:
    return jnp.clip(meters, world.low, world.high)


def _cost(
    world: ProfileTables, numbers: StepNumbers, action: Array, aim: Intent, used: Array
) -> Num[Array, "meter"]:
    """Change of the meters by the action itself."""
    cost = jnp.where(
        aim.moving, numbers.move_cost, jnp.where(aim.interacting, numbers.interact_cost, 0)
    )
    cost += jnp.where(aim.interacting & (used < 0), numbers.fail_cost, 0)
    return -cost if world.extra is None else jnp.asarray(world.extra)[action] - cost


def _whole_use(
    world: ProfileTables, before: HamletState, meters: Array, used: Array
) -> Num[Array, "meter"]:
    """Meters after a use that takes no time."""
    phases = list(jnp.asarray(world.gains)[used])
    if world.reduced is not None:
        unfit = jnp.any(before.meters < jnp.asarray(world.reduced_below)[used])
        phases[-2] = jnp.where(unfit, jnp.asarray(world.reduced)[used], phases[-2])
    for gain in phases:
        meters = _clip(world, meters + gain)
    return meters


def _progress(
    profile: Profile, state: HamletState, position: Array, used: Array
) -> tuple[Array, Array]:
    """Affordance in use, and its ticks done.

    Leaving the cell forgets the progress. In a world without a clock a use is over at once, and
    only the affordance used by the last step is kept.
    """
    if not profile.temporal:
        return used, state.progress
    stayed = jnp.all(position == state.position)
    kept, done = jnp.where(stayed, state.using, NO_AFFORDANCE), jnp.where(stayed, state.progress, 0)
    ticks = jnp.where(used == kept, done + 1, 1)
    return jnp.where(used >= 0, used, kept), jnp.where(used >= 0, ticks, done)


def _decline(profile: Profile, meters: Array) -> Num[Array, "meter"]:
    """Loss of a meter by the level of another."""
    world = profile_tables(profile)
    for d in profile.declines:
        by, target = profile.meter_names.index(d.by), profile.meter_names.index(d.target)
        fullness = world.share(meters)[by]
        lost = d.rate * (d.at_high + (d.at_low - d.at_high) * (1.0 - fullness))
        meters = _clip(
            world, meters - jnp.where(np.arange(len(meters)) == target, world.units(lost), 0)
        )
    return meters


def _worn(profile: Profile, meters: Array) -> Num[Array, "meter"]:
    """Cascades: low meters wear down others."""
    world = profile_tables(profile)
    for layer in world.wear:
        # else XLA recomputes them for every meter, six times the work
        sources = meters = barrier(meters)
        for wear in layer:
            lost = jnp.maximum(wear.below - sources[wear.source], 0) * wear.rate
            whole = jnp.round(lost).astype(meters.dtype) if world.resolution else lost
            meters = _clip(world, meters - whole)
    return meters
