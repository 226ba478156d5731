"""What a step pays. Each kind of incentive is a function from what happened to a number.

`reward_of(profile, incentive)` gives that function; which names a world knows is `incentives_of`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from elsinore.envs.hamlet.incentives import (
    Comfort,
    Hints,
    Linear,
    Milestone,
    Needs,
    Potential,
    Product,
    Tier,
    Tiered,
)
from elsinore.envs.hamlet.profile import Profile
from elsinore.envs.hamlet.rules import Params, State, cells
from elsinore.envs.hamlet.tables import tables

MOST_URGENT = 0.5  # a beacon shines where more than this of its meter is missing


class Happened(NamedTuple):
    """One step."""

    before: State
    after: State
    used: Int[Array, ""]  # the affordance, or -1
    died: Bool[Array, ""]


Reward = Callable[[Happened, Params], Float[Array, ""]]


def incentives_of(profile: Profile) -> dict[str, Any]:
    """Every reward a world knows by name: its own, and those that any world has."""
    general = {
        "sparse": Needs(kind="needs", needs=profile.needs),
        "milestone": Milestone(kind="milestone"),
        "product": Product(kind="product", meters=profile.needs),
    }
    return general | profile.rewards


def reward_of(profile: Profile, incentive: Any) -> Reward:
    """The function of an incentive in a world."""
    return partial(KINDS[type(incentive)], profile, incentive)


def needs(profile: Profile, this: Needs, step: Happened, params: Params) -> Float[Array, ""]:
    """Alive - low_penalty * (needs that are low) - mild_penalty * (needs none too good) - death_penalty if dead."""
    at = _places(profile, this.needs)
    meters = step.after.meters[at]
    low, mild = (meters < _edge(profile, this.needs, share) for share in (this.low, this.mild))
    penalties = jnp.where(low, params.low_penalty, jnp.where(mild, params.mild_penalty, 0.0))
    return this.alive - penalties.sum() - jnp.where(step.died, params.death_penalty, 0.0)


def comfort(profile: Profile, this: Comfort, step: Happened, params: Params) -> Float[Array, ""]:
    """alive, and bonus where every meter named is well; on the step of death -death_penalty alone."""
    well = step.after.meters[_places(profile, this.meters)] >= _edge(profile, this.meters, this.at)
    return jnp.where(step.died, -params.death_penalty, this.alive + jnp.where(well.all(), this.bonus, 0.0))


def tiered(profile: Profile, this: Tiered, step: Happened, params: Params) -> Float[Array, ""]:
    """The tiers of all meters, plus the hints, less death_penalty if dead."""
    pays = [_tier(profile, tier, step.after) for tier in this.tiers]
    if this.use:
        pays.append(this.use * _needs_met(profile, this, step))
    if this.proximity:
        pays.append(this.proximity * _nearness_to_what_is_urgent(profile, this, step.after))
    return sum(pays, jnp.float32(0.0)) - jnp.where(step.died, params.death_penalty, 0.0)


def milestone(profile: Profile, this: Milestone, step: Happened, params: Params) -> Float[Array, ""]:
    """Bonuses of the anniversaries on which the step began, the first step being one of all; -death_penalty if dead."""
    lived = step.before.time
    paid = sum(jnp.where(lived % period == 0, bonus, 0.0) for period, bonus in this.every)
    return jnp.where(step.died, -params.death_penalty, paid)


def product(profile: Profile, this: Product, step: Happened, params: Params) -> Float[Array, ""]:
    """Base * the product of the meters; 0 for the dead; and retirement at the last step there is, dead or alive."""
    share = tables(profile).share(step.after.meters)[_places(profile, this.meters)]
    return jnp.where(step.died, 0.0, this.base * share.prod()) + _retired(this.retirement, step, params)


def linear(profile: Profile, this: Linear, step: Happened, params: Params) -> Float[Array, ""]:
    """Base + the sum of weight * (meter - around); 0 for the dead; and retirement, dead or alive."""
    share = tables(profile).share(step.after.meters)[_places(profile, tuple(this.weights))]
    paid = this.base + jnp.sum(np.array(list(this.weights.values()), np.float32) * (share - this.around))
    return jnp.where(step.died, 0.0, paid) + _retired(this.retirement, step, params)


def hints(profile: Profile, this: Hints, step: Happened, params: Params) -> Float[Array, ""]:
    """What the first design of a curriculum proposed, made definite:

        alive
        + proximity_bonus * nearness of the bed       while tired after the step
        + use_bonus                                   for using the bed when tired before it
        + improvement_bonus * sum of what each meter gained, in shares of its range

    Nearness is 1 - distance / (width + height), in steps.
    """
    was_tired, tired = (_tired(profile, this, state) for state in (step.before, step.after))
    slept = step.used == profile.affordance_names.index(this.affordance)
    gained = jnp.maximum(_shares(profile, this, step.after) - _shares(profile, this, step.before), 0.0).sum()
    return (
        this.alive
        + jnp.where(tired, params.proximity_bonus * _nearness(profile, this.affordance, step.after), 0.0)
        + jnp.where(was_tired & slept, params.use_bonus, 0.0)
        + params.improvement_bonus * gained
    )


def potential(profile: Profile, this: Potential, step: Happened, params: Params) -> Float[Array, ""]:
    """Gamma * phi(s') - phi(s), with phi = 0 where the world has ended, but not where time has run out.

        phi = improvement_bonus * sum of meters - [tired] * (use_bonus - proximity_bonus * nearness of the bed)

    At the learner's own discount `gamma` what is best to do stays best: over an episode the discounted sum is
    gamma^T phi(s_T) - phi(s_0), whatever was done in between (Ng, Harada & Russell 1999, ICML).
    """

    def phi(state: State) -> Float[Array, ""]:
        comfort = params.improvement_bonus * _shares(profile, this, state).sum()
        missed = params.use_bonus - params.proximity_bonus * _nearness(profile, this.affordance, state)
        return comfort - jnp.where(_tired(profile, this, state), missed, 0.0)

    return params.gamma * jnp.where(step.died, 0.0, phi(step.after)) - phi(step.before)


KINDS: dict[type, Callable] = {
    Needs: needs,
    Comfort: comfort,
    Tiered: tiered,
    Milestone: milestone,
    Product: product,
    Linear: linear,
    Hints: hints,
    Potential: potential,
}


def _places(profile: Profile, names: tuple[str, ...]) -> np.ndarray:
    return np.array([profile.meter_names.index(name) for name in names], int)


def _edge(profile: Profile, names: tuple[str, ...], share: float) -> np.ndarray:
    """[name]: what that share of each meter's range comes to, in units."""
    of_names = (profile.meters[place] for place in _places(profile, names))
    return tables(profile).units(np.array([meter.low + share * (meter.high - meter.low) for meter in of_names]))


def _retired(bonus: float, step: Happened, params: Params) -> Float[Array, ""]:
    return jnp.where(step.after.time >= params.max_steps_in_episode, bonus, 0.0)


def _shares(profile: Profile, this: Hints, state: State) -> Float[Array, "meter"]:
    return tables(profile).share(state.meters)[_places(profile, this.improves)]


def _tired(profile: Profile, this: Hints, state: State) -> Bool[Array, ""]:
    return (state.meters[_places(profile, (this.meter,))] < _edge(profile, (this.meter,), this.below))[0]


def _nearness(profile: Profile, affordance: str, state: State) -> Float[Array, ""]:
    """1 - distance / (width + height) in steps; 0 for what is not in the world."""
    world = tables(profile)
    cell = cells(world, state)[profile.affordance_names.index(affordance)].astype(jnp.int32)
    distance = jnp.abs(cell % world.width - state.position[0]) + jnp.abs(cell // world.width - state.position[1])
    return jnp.where(cell >= 0, 1.0 - distance / (world.width + world.height), 0.0)


def _tier(profile: Profile, tier: Tier, state: State) -> Float[Array, ""]:
    """What the state of one meter pays."""
    meter = state.meters[profile.meter_names.index(tier.meter)]
    pay = jnp.float32(tier.pays[0])
    for share, better in zip(tier.edges, tier.pays[1:], strict=True):
        edge = _edge(profile, (tier.meter,), share)[0]
        pay = jnp.where(meter >= edge if tier.edge_is == "above" else meter > edge, better, pay)
    return pay


def _needs_met(profile: Profile, this: Tiered, step: Happened) -> Float[Array, ""]:
    """The sum of what the used affordance is advertised to give, each times how much of the meter was missing."""
    adverts = [a.effects if a.advertised is None else a.advertised for a in profile.affordances]
    gains = np.array([[max(advert.get(name, 0.0), 0.0) for name in profile.meter_names] for advert in adverts])
    gains = np.concatenate([gains, np.zeros((1, len(profile.meters)))]).astype(np.float32)
    missing = 1.0 - tables(profile).share(step.before.meters)
    urgency = np.array([this.money_urgency if name == "money" else 1.0 for name in profile.meter_names], np.float32)
    return jnp.sum(jnp.minimum(missing * urgency, 1.0) * jnp.asarray(gains)[step.used])


def _nearness_to_what_is_urgent(profile: Profile, this: Tiered, state: State) -> Float[Array, ""]:
    """How urgent the worst meter is, times how near its beacon; 0 where none is more than half gone."""
    at = _places(profile, tuple(beacon.meter for beacon in this.beacons))
    share = tables(profile).share(state.meters)[at]
    rising = np.array([profile.meters[place].good == "low" for place in at])
    urgency = jnp.where(rising, share, 1.0 - share)
    worst = jnp.argmax(urgency)
    near = jnp.stack([_nearness(profile, beacon.affordance, state) for beacon in this.beacons])
    return jnp.where(urgency[worst] > MOST_URGENT, urgency[worst] * near[worst], 0.0)
