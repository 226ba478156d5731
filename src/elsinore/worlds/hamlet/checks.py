"""Checks across the fields of a profile: names are known, amounts and cells fit."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

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
from elsinore.worlds.hamlet.profile import BASIC_ACTIONS, Affordance, Cell, Profile


def check(profile: Profile) -> None:
    """Check a profile as a whole.

    Raises:
        ValueError: naming the place in the file, such as `affordances[2].cell`, and a remedy.
    """
    for part in (_things, _meters, _amounts, _space, _affordances, _wear, _rewards):
        part(profile)


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
        if abs(meter.drain) > meter.high - meter.low:
            raise ValueError(f"meters[{i}].drain={meter.drain} is more than the meter's range.")
        limit = max(abs(meter.low), abs(meter.high)) * profile.resolution
        if limit >= 2**24:  # beyond, float32 does not separate neighbours
            most = int(2**24 / max(abs(meter.low), abs(meter.high)))
            raise ValueError(
                f"resolution={profile.resolution} is too fine for meter {meter.name}; at most"
                f" {most}."
            )


def _amounts(profile: Profile) -> None:
    """Every amount names a meter and is at most that meter's range."""
    ranges = {meter.name: meter.high - meter.low for meter in profile.meters}
    for place, amounts in _all_amounts(profile):
        for name, amount in amounts.items():
            check_known(f"{place}.{name}", name, ranges)
            if abs(amount) > ranges[name]:
                raise ValueError(
                    f"{place}.{name}={amount} is more than the meter's range of {ranges[name]}."
                )
    for i, a in enumerate(profile.affordances):
        if a.reduced is not None:
            for name in a.reduced.below:
                check_known(f"affordances[{i}].reduced.below.{name}", name, ranges)
        for key in ("price", "tick_price"):
            price = getattr(a, key)
            if price and price > ranges.get("money", 0.0):
                raise ValueError(
                    f"affordances[{i}].{key}={price} needs a meter named money with at least that"
                    " range."
                )


def _all_amounts(profile: Profile) -> Iterator[tuple[str, dict[str, float]]]:
    for i, action in enumerate(profile.actions):
        yield f"actions[{i}].effects", action.effects
    for i, a in enumerate(profile.affordances):
        yield f"affordances[{i}].per_tick", a.per_tick
        yield f"affordances[{i}].effects", a.effects
        yield f"affordances[{i}].advertised", a.advertised or {}
        yield f"affordances[{i}].reduced.effects", a.reduced.effects if a.reduced else {}


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
    for i, beacon in enumerate(incentive.beacons):
        check_known(f"{place}.beacons[{i}].affordance", beacon.affordance, profile.affordance_names)
