"""Reward of a step. Each reward term of `incentives.py` is a function from a step to a number.

`reward_terms` lists the terms of a world by name; `reward_fn` gives a term's function.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from elsinore.worlds.hamlet.incentives import (
    ComfortReward,
    HintsReward,
    LinearReward,
    MeterTier,
    MilestoneReward,
    NeedsReward,
    PotentialReward,
    ProductReward,
    TieredReward,
)
from elsinore.worlds.hamlet.profile import Profile
from elsinore.worlds.hamlet.rules import HamletParams, HamletState, affordance_cells
from elsinore.worlds.hamlet.tables import profile_tables

MOST_URGENT = 0.5  # missing share of a meter from which its beacon counts


class StepOutcome(NamedTuple):
    """One step."""

    before: HamletState
    after: HamletState
    used: Int[Array, ""]  # the affordance, or -1
    died: Bool[Array, ""]
    params: HamletParams


RewardFn = Callable[[StepOutcome], Float[Array, ""]]


def reward_terms(profile: Profile) -> dict[str, Any]:
    """Reward terms by name: those of every world, and the profile's own."""
    general = {
        "sparse": NeedsReward(profile.needs),
        "milestone": MilestoneReward(),
        "product": ProductReward(profile.needs),
    }
    return general | profile.rewards


def reward_fn(profile: Profile, incentive: Any) -> RewardFn:
    return partial(REWARD_FUNCTIONS[type(incentive)], profile, incentive)


def needs_reward(profile: Profile, this: NeedsReward, step: StepOutcome) -> Float[Array, ""]:
    """Pay alive - low_penalty * (needs below low) - mild_penalty * (needs between low and mild) -
    death_penalty on death."""
    at = _places(profile, this.needs)
    meters = step.after.meters[at]
    low, mild = (meters < _edge(profile, this.needs, share) for share in (this.low, this.mild))
    penalties = jnp.where(
        low, step.params.low_penalty, jnp.where(mild, step.params.mild_penalty, 0.0)
    )
    return this.alive - penalties.sum() - jnp.where(step.died, step.params.death_penalty, 0.0)


def comfort_reward(profile: Profile, this: ComfortReward, step: StepOutcome) -> Float[Array, ""]:
    """Pay alive, plus bonus while every named meter is well; on the step of death -death_penalty
    alone."""
    well = step.after.meters[_places(profile, this.meters)] >= _edge(profile, this.meters, this.at)
    return jnp.where(
        step.died, -step.params.death_penalty, this.alive + jnp.where(well.all(), this.bonus, 0.0)
    )


def tiered_reward(profile: Profile, this: TieredReward, step: StepOutcome) -> Float[Array, ""]:
    """Pay the tiers of all meters, plus the hints, less death_penalty on death."""
    pays = [_tier(profile, tier, step.after) for tier in this.tiers]
    if this.use:
        pays.append(this.use * _needs_met(profile, this, step))
    if this.proximity:
        pays.append(this.proximity * _nearness_to_what_is_urgent(profile, this, step.after))
    return sum(pays, jnp.float32(0.0)) - jnp.where(step.died, step.params.death_penalty, 0.0)


def milestone_reward(
    profile: Profile, this: MilestoneReward, step: StepOutcome
) -> Float[Array, ""]:
    """Pay the bonuses of the periods that divide the step's number, counted from 0; -death_penalty
    on death."""
    time = step.before.time
    paid = sum(jnp.where(time % period == 0, bonus, 0.0) for period, bonus in this.every)
    return jnp.where(step.died, -step.params.death_penalty, paid)


def product_reward(profile: Profile, this: ProductReward, step: StepOutcome) -> Float[Array, ""]:
    """Pay base * product of the meters, 0 on death; plus retirement at the time limit, dead or
    alive."""
    share = profile_tables(profile).share(step.after.meters)[_places(profile, this.meters)]
    return jnp.where(step.died, 0.0, this.base * share.prod()) + _retired(this.retirement, step)


def linear_reward(profile: Profile, this: LinearReward, step: StepOutcome) -> Float[Array, ""]:
    """Pay base + sum of weight * (meter - around), 0 on death; plus retirement at the time limit,
    dead or alive."""
    share = profile_tables(profile).share(step.after.meters)[_places(profile, tuple(this.weights))]
    paid = this.base + jnp.sum(
        np.array(list(this.weights.values()), np.float32) * (share - this.around)
    )
    return jnp.where(step.died, 0.0, paid) + _retired(this.retirement, step)


def hints_reward(profile: Profile, this: HintsReward, step: StepOutcome) -> Float[Array, ""]:
    """Pay the hints of the first curriculum design:

        alive
        + proximity_bonus * nearness of the bed       while tired after the step
        + use_bonus                                   for using the bed when tired before it
        + improvement_bonus * sum of what each meter gained, in shares of its range

    Nearness is 1 - distance / (width + height), in steps.
    """
    was_tired, tired = (_tired(profile, this, state) for state in (step.before, step.after))
    slept = step.used == profile.affordance_names.index(this.affordance)
    gained = jnp.maximum(
        _shares(profile, this, step.after) - _shares(profile, this, step.before), 0.0
    ).sum()
    return (
        this.alive
        + jnp.where(
            tired,
            step.params.proximity_bonus * _nearness(profile, this.affordance, step.after),
            0.0,
        )
        + jnp.where(was_tired & slept, step.params.use_bonus, 0.0)
        + step.params.improvement_bonus * gained
    )


def potential_reward(
    profile: Profile, this: PotentialReward, step: StepOutcome
) -> Float[Array, ""]:
    """Pay gamma * phi(s') - phi(s), with phi = 0 after termination, but not after truncation.

        phi = improvement_bonus * sum of meters
              - [tired] * (use_bonus - proximity_bonus * nearness of the bed)

    At the learner's own discount `gamma` the optimal policies stay optimal: over an episode the
    discounted sum is gamma^T phi(s_T) - phi(s_0), whatever the actions (Ng, Harada & Russell 1999,
    ICML).
    """

    def phi(state: HamletState) -> Float[Array, ""]:
        comfort = step.params.improvement_bonus * _shares(profile, this, state).sum()
        missed = step.params.use_bonus - step.params.proximity_bonus * _nearness(
            profile, this.affordance, state
        )
        return comfort - jnp.where(_tired(profile, this, state), missed, 0.0)

    return step.params.gamma * jnp.where(step.died, 0.0, phi(step.after)) - phi(step.before)


REWARD_FUNCTIONS: dict[type, Callable] = {
    NeedsReward: needs_reward,
    ComfortReward: comfort_reward,
    TieredReward: tiered_reward,
    MilestoneReward: milestone_reward,
    ProductReward: product_reward,
    LinearReward: linear_reward,
    HintsReward: hints_reward,
    PotentialReward: potential_reward,
}


def _places(profile: Profile, names: tuple[str, ...]) -> np.ndarray:
    return np.array([profile.meter_names.index(name) for name in names], int)


def _edge(profile: Profile, names: tuple[str, ...], share: float) -> np.ndarray:
    """[name]: that share of each meter's range, in units."""
    of_names = (profile.meters[place] for place in _places(profile, names))
    return profile_tables(profile).units(
        np.array([meter.low + share * (meter.high - meter.low) for meter in of_names])
    )


def _retired(bonus: float, step: StepOutcome) -> Float[Array, ""]:
    return jnp.where(step.after.time >= step.params.max_steps_in_episode, bonus, 0.0)


def _shares(profile: Profile, this: HintsReward, state: HamletState) -> Float[Array, "meter"]:
    return profile_tables(profile).share(state.meters)[_places(profile, this.improves)]


def _tired(profile: Profile, this: HintsReward, state: HamletState) -> Bool[Array, ""]:
    return (
        state.meters[_places(profile, (this.meter,))] < _edge(profile, (this.meter,), this.below)
    )[0]


def _nearness(profile: Profile, affordance: str, state: HamletState) -> Float[Array, ""]:
    """1 - distance / (width + height) in steps; 0 for an absent affordance."""
    world = profile_tables(profile)
    cell = affordance_cells(world, state)[profile.affordance_names.index(affordance)].astype(
        jnp.int32
    )
    distance = jnp.abs(cell % world.width - state.position[0]) + jnp.abs(
        cell // world.width - state.position[1]
    )
    return jnp.where(cell >= 0, 1.0 - distance / (world.width + world.height), 0.0)


def _tier(profile: Profile, tier: MeterTier, state: HamletState) -> Float[Array, ""]:
    """Pay for the level of one meter."""
    meter = state.meters[profile.meter_names.index(tier.meter)]
    pay = jnp.float32(tier.pays[0])
    for share, better in zip(tier.edges, tier.pays[1:], strict=True):
        edge = _edge(profile, (tier.meter,), share)[0]
        pay = jnp.where(meter >= edge if tier.edge_is == "above" else meter > edge, better, pay)
    return pay


def _needs_met(profile: Profile, this: TieredReward, step: StepOutcome) -> Float[Array, ""]:
    """Sum of the used affordance's advertised gains, each times the meter's missing share."""
    adverts = [a.effects if a.advertised is None else a.advertised for a in profile.affordances]
    gains = np.array(
        [[max(advert.get(name, 0.0), 0.0) for name in profile.meter_names] for advert in adverts]
    )
    gains = np.concatenate([gains, np.zeros((1, len(profile.meters)))]).astype(np.float32)
    missing = 1.0 - profile_tables(profile).share(step.before.meters)
    urgency = np.array(
        [this.money_urgency if name == "money" else 1.0 for name in profile.meter_names], np.float32
    )
    return jnp.sum(jnp.minimum(missing * urgency, 1.0) * jnp.asarray(gains)[step.used])


def _nearness_to_what_is_urgent(
    profile: Profile, this: TieredReward, state: HamletState
) -> Float[Array, ""]:
    """Urgency of the worst meter times nearness of its beacon; 0 while no meter is more than half
    gone."""
    at = _places(profile, tuple(beacon.meter for beacon in this.beacons))
    share = profile_tables(profile).share(state.meters)[at]
    rising = np.array([profile.meters[place].good == "low" for place in at])
    urgency = jnp.where(rising, share, 1.0 - share)
    worst = jnp.argmax(urgency)
    near = jnp.stack([_nearness(profile, beacon.affordance, state) for beacon in this.beacons])
    return jnp.where(urgency[worst] > MOST_URGENT, urgency[worst] * near[worst], 0.0)
