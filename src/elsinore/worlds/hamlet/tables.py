"""A profile as arrays, in the units that the rules count in.

A meter is a whole number of `1 / resolution`, so that sums of decimal amounts and comparisons with
thresholds are exact; with resolution 0 it is float32.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from elsinore.worlds.hamlet.profile import Affordance, Amounts, Cascade, Profile

NO_AFFORDANCE = -1  # in place of an affordance


@dataclass(frozen=True, eq=False)
class ProfileTables:
    """Lookup tables of a step. Tables by affordance have a last row for none."""

    resolution: int
    width: int
    height: int
    low: np.ndarray  # [meter], in units, as all that follows unless it says otherwise
    high: np.ndarray
    initial: np.ndarray
    span: np.ndarray  # [meter] float32: high - low
    extra: np.ndarray | None  # [action, meter] given by actions beside the basic ones
    # [affordance + 1, phase, meter]: given one after another, each kept within bounds
    gains: np.ndarray
    reduced: np.ndarray | None  # [affordance + 1, meter] in place of the last phase but one
    reduced_below: np.ndarray | None  # [affordance + 1, meter]
    completion: np.ndarray  # [affordance + 1, meter] given with the last tick, in temporal worlds
    price: np.ndarray  # [affordance + 1]
    duration: np.ndarray  # [affordance + 1] ticks
    opens: np.ndarray  # [affordance + 1] hour
    open_for: np.ndarray  # [affordance + 1] hours
    wear: tuple[tuple["Wear", ...], ...]  # layers of rounds
    fixed_cells: np.ndarray  # [affordance] cell number, or NO_AFFORDANCE
    fixed_ground: np.ndarray  # [cell] int8: the affordance there, or NO_AFFORDANCE

    def units(self, amount: Any) -> Any:
        """Amounts of meters in units; jax or numpy, as given."""
        xp = jnp if isinstance(amount, jax.Array) else np
        if self.resolution:
            return xp.round(xp.asarray(amount) * self.resolution).astype(np.int32)
        return xp.asarray(amount, np.float32)

    def native(self, meters: Any) -> Any:
        """Units in the meters' own scale."""
        xp = jnp if isinstance(meters, jax.Array) else np
        meters = xp.asarray(meters, np.float32)
        return meters / np.float32(self.resolution) if self.resolution else meters

    def share(self, meters: Any) -> Any:
        """Units as shares of each meter's range, from 0 to 1."""
        return (meters - self.low).astype(np.float32) / self.span


@lru_cache
def profile_tables(profile: Profile) -> ProfileTables:
    """Tables of a profile, built once."""
    low, high, initial = (
        np.array([getattr(m, key) for m in profile.meters]) for key in ("low", "high", "initial")
    )
    units = _units_of(profile)
    reduced = [a.reduced for a in profile.affordances]
    cells = np.array([_fixed_cell(profile, i) for i in range(len(profile.affordances))], np.int16)
    return ProfileTables(
        resolution=profile.resolution,
        width=profile.grid[0],
        height=profile.grid[1],
        low=units(low),
        high=units(high),
        initial=units(initial),
        span=(units(high) - units(low)).astype(np.float32),
        extra=units(_extra(profile)) if profile.actions else None,
        gains=units(_by_affordance(profile, _phases)),
        reduced=units(_by_affordance(profile, _reduced_effects)) if any(reduced) else None,
        reduced_below=_reduced_below(profile) if any(reduced) else None,
        completion=units(_by_affordance(profile, lambda p, a: _row(p, a.effects))),
        price=units(
            _by_affordance(profile, lambda p, a: np.array(a.tick_price if p.temporal else a.price))
        ),
        duration=_by_affordance(profile, lambda p, a: np.array(a.duration)).astype(np.int32),
        opens=_by_affordance(profile, lambda p, a: np.array(a.hours[0] % 24)).astype(np.int32),
        open_for=_by_affordance(
            profile, lambda p, a: np.array((a.hours[1] - a.hours[0]) % 24 or 24)
        ).astype(np.int32),
        wear=_wear(profile),
        fixed_cells=cells,
        fixed_ground=_fixed_ground(profile, cells),
    )


def _fixed_cell(profile: Profile, i: int) -> int:
    cell = profile.affordances[i].cell
    return (
        NO_AFFORDANCE
        if cell == "random" or i not in profile.placed
        else cell[0] + cell[1] * profile.grid[0]
    )


def _fixed_ground(profile: Profile, cells: np.ndarray) -> np.ndarray:
    ground = np.full(profile.grid[0] * profile.grid[1], NO_AFFORDANCE, np.int8)
    ground[cells[cells >= 0]] = np.flatnonzero(cells >= 0)
    return ground


def _units_of(profile: Profile):
    if profile.resolution:
        return lambda amount: np.round(np.asarray(amount) * profile.resolution).astype(np.int32)
    return lambda amount: np.asarray(amount, np.float32)


def _by_affordance(profile: Profile, row) -> np.ndarray:
    """One row for each affordance, then a row of zeros."""
    rows = [row(profile, affordance) for affordance in profile.affordances]
    return np.stack([*rows, np.zeros_like(rows[0])])


def _row(profile: Profile, amounts: Amounts) -> np.ndarray:
    """[meter]: amounts by name, 0 for the rest."""
    return np.array([amounts.get(name, 0.0) for name in profile.meter_names])


def _extra(profile: Profile) -> np.ndarray:
    basic = len(profile.action_names) - len(profile.actions)
    nothing = np.zeros((basic, len(profile.meters)))
    return np.concatenate([nothing, [_row(profile, action.effects) for action in profile.actions]])


def _phases(profile: Profile, affordance: Affordance) -> np.ndarray:
    """[phase, meter]: gains of one use, in order; the price is paid last.

    A tick of a temporal world is one sum, without the effects of completion. A whole use gives all
    its ticks, if any affordance has ticks, then the effects of completion.
    """
    ticks = _row(profile, affordance.per_tick)
    if profile.temporal:
        return np.stack([_row(profile, {"money": -affordance.tick_price}) + ticks])
    phases = [_row(profile, affordance.effects), _row(profile, {"money": -affordance.price})]
    if any(a.per_tick for a in profile.affordances):
        phases.insert(0, ticks * affordance.duration)
    return np.stack(phases)


def _reduced_effects(profile: Profile, affordance: Affordance) -> np.ndarray:
    return _row(
        profile, affordance.effects | (affordance.reduced.effects if affordance.reduced else {})
    )


def _reduced_below(profile: Profile) -> np.ndarray:
    """[affordance + 1, meter]: a meter below its threshold makes the use a reduced one; none is
    below the lowest."""
    lowest = {meter.name: meter.low for meter in profile.meters}
    below = [lowest | (a.reduced.below if a.reduced else {}) for a in profile.affordances]
    return _units_of(profile)(np.stack([_row(profile, amounts) for amounts in [*below, lowest]]))


class Wear(NamedTuple):
    """Cascades with distinct targets, by target meter."""

    source: np.ndarray  # [meter] index; of a meter that nothing wears, itself
    below: np.ndarray  # [meter] units of the source
    rate: np.ndarray  # [meter] float32: lost for each unit that the source is below


def _wear(profile: Profile) -> tuple[tuple[Wear, ...], ...]:
    """The cascades in order, as layers of rounds.

    A layer reads its sources once, as none of its cascades changes a later one's source; its rounds
    are applied one after another, each rounded, as in the original.
    """
    layers: list[list[list[Cascade]]] = []
    for cascade in profile.cascades:
        changed = {c.target for rounds in layers[-1:] for one in rounds for c in one}
        if not layers or cascade.source in changed:
            layers.append([])
        free = [one for one in layers[-1] if cascade.target not in {c.target for c in one}]
        if not free:
            layers[-1].append(one := [])
            free = [one]
        free[0].append(cascade)
    return tuple(tuple(_round(profile, one) for one in rounds) for rounds in layers)


def _round(profile: Profile, cascades: list[Cascade]) -> Wear:
    names = profile.meter_names
    source = np.arange(len(names))
    below = np.zeros(len(names))
    rate = np.zeros(len(names), np.float32)
    for c in cascades:
        at = names.index(c.target)
        source[at], below[at], rate[at] = names.index(c.source), c.below, c.strength / c.below
    return Wear(source, _units_of(profile)(below), rate)
