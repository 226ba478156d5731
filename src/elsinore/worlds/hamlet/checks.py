"""Checks across the fields of a profile: names are known, amounts and cells fit."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from elsinore.envs.scene import ROLES
from elsinore.validation import did_you_mean
from elsinore.worlds.hamlet.incentives import (
    ComfortReward,
    HintsReward,
    LinearReward,
    NeedsReward,
    ProductReward,
    TieredReward,
)
from elsinore.worlds.hamlet.profile import (
    BASIC_ACTIONS,
    Affordance,
    Amounts,
    Cell,
    Profile,
)


def check(profile: Profile) -> None:
    """Check a profile as a whole.

    Raises:
        ValueError: naming the place in the file, such as `affordances[2].cell`, and a remedy.
    """
    for part in (_things, _meters, _amounts, _space, _affordances, _wear, _rewards):
        part(profile)


def refuse_rounded(profile: Profile, params: Any) -> None:
    """Refuse a drain or cost of `HamletParams` that the rules would round to 0; [agent, ...] where
    agents differ.

    Raises:
        ValueError: naming the parameter and the meter, and a remedy.
    """
    for name in ("drain", "move_cost", "interact_cost", "fail_cost") if profile.resolution else ():
        times = params.drain_multiplier if name == "drain" else 1.0
        amounts, factors = np.broadcast_arrays(
            np.asarray(getattr(params, name), np.float32), np.asarray(times, np.float32)[..., None]
        )
        with np.errstate(over="ignore"):  # more than a meter's range is all of it
            units = np.round(amounts * factors * profile.resolution)  # in float32, as in the rules
        for at in np.argwhere((units == 0) & (amounts != 0) & (factors != 0)):
            amount, factor, meter = amounts[*at], factors[*at], profile.meter_names[at[-1]]
            given = f"{name}={amount:g} of meter {meter}"
            if factor != 1:
                given = f"drain_multiplier={factor:g} times the drain of meter {meter}, {amount:g},"
            raise ValueError(
                f"{given} is less than half a step of resolution={profile.resolution} and would be"
                " rounded to 0; raise it, or take a world with a higher resolution, or with 0 for"
                " floats."
            )


def check_known(place: str, name: Any, names: Iterable[str]) -> None:
    """Refuse an unknown name, with the closest known one."""
    names = tuple(names)
    if name not in names:
        hint = did_you_mean(name, names)
        raise ValueError(f"{place}={name!r} is unknown{hint} Choose from: {', '.join(names)}.")


def _things(profile: Profile) -> None:
    if not profile.meters:
        raise ValueError("meters is empty; give at least one.")
    if not profile.needs:
        raise ValueError("no meter is fatal; give at least one `fatal: true`.")
    for place, names in (
        ("meters", profile.meter_names),
        ("affordances", profile.affordance_names),
        ("actions", profile.action_names[len(BASIC_ACTIONS) :]),
    ):
        for i, name in enumerate(names):
            if name in names[:i] or (place == "actions" and name in BASIC_ACTIONS):
                raise ValueError(f"{place}[{i}].name={name!r} is taken; give it another.")
    for i, name in enumerate(profile.disabled):
        check_known(f"disabled[{i}]", name, profile.action_names)
    for i, name in enumerate(profile.deployed or ()):
        check_known(f"deployed[{i}]", name, profile.affordance_names)
    if set(profile.action_names) <= set(profile.disabled):
        raise ValueError("disabled names every action; leave the agent something to do.")


def _meters(profile: Profile) -> None:
    for i, meter in enumerate(profile.meters):
        if not meter.low < meter.high:
            raise ValueError(f"meters[{i}].low={meter.low} must be below its high={meter.high}.")
        if not meter.low <= meter.initial <= meter.high:
            raise ValueError(
                f"meters[{i}].initial={meter.initial} must be from {meter.low} to {meter.high}."
            )
        first, last = meter.starts
        if not meter.low <= first <= last <= meter.high:
            given = f"meters[{i}].random_start={[first, last]}"
            raise ValueError(
                f"{given} must be a range, low end first, within {meter.low} to {meter.high}."
            )
        limit = max(abs(meter.low), abs(meter.high)) * profile.resolution
        if limit >= 2**24:  # beyond, float32 does not separate neighbours
            most = int(2**24 / max(abs(meter.low), abs(meter.high)))
            raise ValueError(
                f"resolution={profile.resolution} is too fine for meter {meter.name}; at most"
                f" {most}."
            )


def _amounts(profile: Profile) -> None:
    """Every amount names a meter, is at most that meter's range, and is not lost by rounding."""
    ranges = {meter.name: meter.high - meter.low for meter in profile.meters}
    for place, name, amount in _all_amounts(profile):
        check_known(place, name, ranges)
        if abs(amount) > ranges[name]:
            raise ValueError(
                f"{place}={amount} is more than the meter's range of {ranges[name]}; lower it, or"
                f" widen the meter {name}."
            )
        lost = amount and profile.resolution and abs(amount) * profile.resolution <= 0.5
        if lost and ".advertised." not in place:
            raise ValueError(
                f"{place}={amount:g} is less than half a step of resolution={profile.resolution}"
                " and would be rounded to 0; raise the resolution, or set it to 0 for floats."
            )
    for i, a in enumerate(profile.affordances):
        if a.reduced is not None:
            for name, threshold in a.reduced.below.items():
                place = f"affordances[{i}].reduced.below.{name}"
                check_known(place, name, ranges)
                meter = profile.meters[profile.meter_names.index(name)]
                if not meter.low <= threshold <= meter.high:
                    raise ValueError(
                        f"{place}={threshold:g} must be from {meter.low:g} to {meter.high:g}, as"
                        " the meter is."
                    )
        for key in ("price", "tick_price"):
            if getattr(a, key) and "money" not in ranges:
                raise ValueError(
                    f"affordances[{i}].{key}={getattr(a, key):g} needs a meter named money; add"
                    " one, or leave the price out."
                )


def _all_amounts(profile: Profile) -> Iterator[tuple[str, str, float]]:
    """(place, meter, amount) of everything that a step may add to a meter, or take from it."""
    for i, meter in enumerate(profile.meters):
        for key in ("drain", *meter.amounts):
            yield f"meters[{i}].{key}", meter.name, getattr(meter, key)
    for i, action in enumerate(profile.actions):
        yield from _each(f"actions[{i}].effects", action.effects)
    for i, a in enumerate(profile.affordances):
        place = f"affordances[{i}]"
        yield from _each(f"{place}.per_tick", a.per_tick)
        yield from _each(f"{place}.effects", a.effects)
        yield from _each(f"{place}.advertised", a.advertised or {})
        yield from _each(f"{place}.reduced.effects", a.reduced.effects if a.reduced else {})
        if not profile.temporal:  # all ticks in one step
            for name, amount in a.per_tick.items():
                yield f"{place}.duration times per_tick.{name}", name, a.duration * amount
        if "money" in profile.meter_names:
            yield f"{place}.price", "money", a.price
            yield f"{place}.tick_price", "money", a.tick_price
    for i, cascade in enumerate(profile.cascades):
        yield f"cascades[{i}].strength", cascade.target, cascade.strength
    for i, decline in enumerate(profile.declines):
        most = decline.rate * max(decline.at_low, decline.at_high)
        yield f"declines[{i}].rate times its factor", decline.target, most


def _each(place: str, amounts: Amounts) -> Iterator[tuple[str, str, float]]:
    for name, amount in amounts.items():
        yield f"{place}.{name}", name, amount


def _space(profile: Profile) -> None:
    """Cells are inside the grid, one affordance to a cell, with room for those drawn."""
    if profile.start != "random":
        _inside(profile, "start", profile.start)
    if math.prod(profile.grid) > 1024:
        raise ValueError(f"grid={list(profile.grid)} has more than 1024 cells; make it smaller.")
    taken: dict[Cell, int] = {}
    for i in profile.placed:
        cell = profile.affordances[i].cell
        if cell == "random":
            continue
        _inside(profile, f"affordances[{i}].cell", cell)
        if cell in taken:
            other = profile.affordances[taken[cell]].name
            raise ValueError(f"affordances[{i}].cell={list(cell)} is where {other} stands already.")
        taken[cell] = i
    room = math.prod(profile.grid) - len(taken) - 1  # the agent's
    if len(profile.drawn) > room:
        raise ValueError(
            f"grid={list(profile.grid)} has no room for {len(profile.drawn)} affordances beside the"
            " rest."
        )


def _inside(profile: Profile, place: str, cell: Cell) -> None:
    width, height = profile.grid
    if not (0 <= cell[0] < width and 0 <= cell[1] < height):
        raise ValueError(
            f"{place}={list(cell)} is off the grid; x is 0 to {width - 1}, y 0 to {height - 1}."
        )


def _affordances(profile: Profile) -> None:
    if not profile.placed:
        raise ValueError("affordances leaves the world empty; deploy at least one.")
    if len(profile.affordances) > 127:
        raise ValueError(
            f"affordances has {len(profile.affordances)} entries; at most 127 fit in int8."
        )
    for i, affordance in enumerate(profile.affordances):
        _affordance(profile, f"affordances[{i}]", affordance)
    if len(set(profile.codes)) < len(profile.codes):
        raise ValueError(
            f"affordances have the codes {list(profile.codes)}; give each its own, or none any."
        )


def _affordance(profile: Profile, place: str, affordance: Affordance) -> None:
    check_known(f"{place}.role", affordance.role, ROLES)
    if affordance.reduced is not None and profile.temporal:
        raise ValueError(f"{place}.reduced has no meaning in a temporal world; leave it out.")
    if (
        affordance.tick_price
        and not profile.temporal
        and not affordance.price
        and affordance.duration > 1
    ):
        raise ValueError(
            f"{place}.tick_price is unused in a world that is not temporal; give it a price."
        )
    if affordance.price and profile.temporal and not affordance.tick_price:
        raise ValueError(
            f"{place}.price={affordance.price} is unused in a temporal world, where a use is paid"
            " by the tick; give it a tick_price, or price: 0."
        )


def _wear(profile: Profile) -> None:
    names = profile.meter_names
    for i, cascade in enumerate(profile.cascades):
        check_known(f"cascades[{i}].source", cascade.source, names)
        check_known(f"cascades[{i}].target", cascade.target, names)
        source = profile.meters[names.index(cascade.source)]
        if source.low != 0 or cascade.below > source.high:
            raise ValueError(
                f"cascades[{i}].below={cascade.below} needs a source from 0 to at least that"
                " number."
            )
    for i, decline in enumerate(profile.declines):
        check_known(f"declines[{i}].target", decline.target, names)
        check_known(f"declines[{i}].by", decline.by, names)


def _rewards(profile: Profile) -> None:
    for name, incentive in profile.rewards.items():
        place = f"rewards.{name}"
        for part, meter in _meters_of(incentive):
            check_known(f"{place}.{part}", meter, profile.meter_names)
        if isinstance(incentive, TieredReward):
            _tiers(profile, place, incentive)
        if isinstance(incentive, HintsReward):
            check_known(f"{place}.affordance", incentive.affordance, profile.affordance_names)


def _meters_of(incentive) -> Iterator[tuple[str, str]]:
    """(field, meter name) of each meter that a reward term names."""
    if isinstance(incentive, NeedsReward):
        yield from (("needs", name) for name in incentive.needs)
    elif isinstance(incentive, ComfortReward | ProductReward):
        yield from (("meters", name) for name in incentive.meters)
    elif isinstance(incentive, LinearReward):
        yield from (("weights", name) for name in incentive.weights)
    elif isinstance(incentive, TieredReward):
        yield from ((f"tiers[{i}].meter", tier.meter) for i, tier in enumerate(incentive.tiers))
        yield from (
            (f"beacons[{i}].meter", beacon.meter) for i, beacon in enumerate(incentive.beacons)
        )
    elif isinstance(incentive, HintsReward):
        yield "meter", incentive.meter
        yield from (("improves", name) for name in incentive.improves)


def _tiers(profile: Profile, place: str, incentive: TieredReward) -> None:
    for i, tier in enumerate(incentive.tiers):
        if len(tier.pays) != len(tier.edges) + 1 or list(tier.edges) != sorted(set(tier.edges)):
            raise ValueError(
                f"{place}.tiers[{i}] needs rising edges and one more number in pays than there are"
                " edges."
            )
    if incentive.proximity and not incentive.beacons:
        raise ValueError(
            f"{place}.proximity={incentive.proximity:g} needs beacons, the affordances to be near;"
            " add some, or leave proximity out."
        )
    for i, beacon in enumerate(incentive.beacons):
        check_known(f"{place}.beacons[{i}].affordance", beacon.affordance, profile.affordance_names)
