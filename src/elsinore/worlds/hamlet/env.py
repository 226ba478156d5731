"""The Hamlet levels as one gymnax environment.

env = hamlet("base6", reward="shaped", view="5x5")
env = hamlet("custom", profile="my_world.yaml", reward={"sparse": 1.0, "potential": 1.0})
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces
from gymnax.environments.environment import Environment
from jaxtyping import Array, Int, Key, Num, PyTree

from elsinore.arguments import check_settings
from elsinore.validation import finite, fits
from elsinore.worlds.hamlet import occupancy, starts
from elsinore.worlds.hamlet.checks import check_known, refuse_rounded
from elsinore.worlds.hamlet.load import load_profile
from elsinore.worlds.hamlet.observation import (
    code_observation,
    field_observation,
    legal_actions,
    observation_spaces,
    one_hot_observation,
    place_observation,
)
from elsinore.worlds.hamlet.profile import Profile
from elsinore.worlds.hamlet.rewards import StepOutcome, reward_fn, reward_terms
from elsinore.worlds.hamlet.rules import (
    HamletParams,
    HamletState,
    Intent,
    intent,
    step_numbers,
    step_state,
)
from elsinore.worlds.hamlet.tables import profile_tables

OBSERVATIONS = ("original", "one_hot", "places")


@dataclass(frozen=True)
class Hamlet(Environment):
    """One agent in the world of a `profile`; `hamlet` makes it and checks the arguments.

    The observation is `vector`; with a mask `{"vector": ..., "action_mask": ...}`; for `places`
    always a dictionary (see `observation.py`). `info` has `used`, the affordance used or -1, and
    `reward/<name>`, each reward before its weight.
    """

    profile: Profile
    rewards: tuple[str, ...]  # terms of the sum, in the order of `params.reward_weights`
    weights: tuple[float, ...]
    view: Literal["full", "5x5"]
    observation: Literal["original", "one_hot", "places"]
    mask: bool
    # among agents vmapped along an axis named "agents", an affordance serves one at a time
    occupancy: bool

    @property
    def name(self) -> str:
        return f"Hamlet-{self.profile.name}"

    @property
    def default_params(self) -> HamletParams:
        def each(key: str) -> np.ndarray:
            return np.array([getattr(meter, key) for meter in self.profile.meters], np.float32)

        low, high = np.array([meter.starts for meter in self.profile.meters], np.float32).T
        return HamletParams(
            max_steps_in_episode=self.profile.max_steps,
            drain=each("drain"),
            fatal=each("fatal").astype(bool),
            move_cost=each("move_cost"),
            interact_cost=each("interact_cost"),
            fail_cost=each("fail_cost"),
            start_low=low,
            start_high=high,
            reward_weights=np.array(self.weights, np.float32),
        )

    def check_params(self, params: HamletParams) -> None:
        """Refuse parameters that are not finite, shares and discounts beyond 0 to 1, and amounts of
        a step that would be rounded to 0.

        Raises:
            ValueError: naming the parameter.
        """
        names = [f.name for f in fields(params) if f.name in HamletParams.__dataclass_fields__]
        finite(params, *names)
        finite(params, "random_start_share", "gamma", least=0, most=1)
        refuse_rounded(self.profile, params)

    def reset_env(self, key: Key[Array, ""], params: HamletParams) -> tuple[PyTree, HamletState]:
        place_key, own_key = jax.random.split(key)
        if self.occupancy:
            place_key = occupancy.shared_key(place_key)
        state = starts.first_state(self.profile, own_key, place_key, params)
        return self.observe(key, state, None, params), state

    def step_env(
        self, key: Key[Array, ""], state: HamletState, action: Int[Array, ""], params: HamletParams
    ):
        aim = intent(self.profile, state, action)
        used = self._granted(state, aim)
        after, died = step_state(
            self.profile,
            step_numbers(profile_tables(self.profile), params),
            state,
            action,
            aim,
            used,
        )
        outcome = StepOutcome(state, after, used, died, params)
        named = reward_terms(self.profile)
        paid = {name: reward_fn(self.profile, named[name])(outcome) for name in self.rewards}
        reward = jnp.dot(
            jnp.stack(list(paid.values())), jnp.asarray(params.reward_weights, jnp.float32)
        )
        info = {"used": used} | {f"reward/{name}": amount for name, amount in paid.items()}
        return self.observe(key, after, action, params), after, reward, died, info

    def observe(
        self, key: Key[Array, ""], state: HamletState, action: Any, params: HamletParams
    ) -> PyTree:
        parts = self._seen(state, params)
        return _whole(
            parts
            | ({"action_mask": legal_actions(self.profile, state, params)} if self.mask else {})
        )

    def state_at(
        self,
        position: Array,
        meters: Num[Array, "meter"],
        cells: Num[Array, "affordance 2"] | None = None,
    ) -> HamletState:
        """First state of an episode that begins at x, y with these meters, in their own units.

        `cells` are x, y of each affordance, (-1, -1) where it is absent; only for profiles that
        draw cells.
        """
        width = self.profile.grid[0]
        x, y = jnp.asarray(position, jnp.int32)
        numbers = ground = None
        if self.profile.drawn:
            at = jnp.asarray(cells, jnp.int32)
            numbers = jnp.where(at[:, 0] < 0, -1, at[:, 0] + width * at[:, 1]).astype(jnp.int16)
            ground = starts.ground_from_cells(self.profile, numbers)
        units = profile_tables(self.profile).units(jnp.asarray(meters))
        return starts.state_at(self.profile, x + width * y, units, numbers, ground)

    def meters(self, state: HamletState) -> Num[Array, "meter"]:
        """Meters in their own units."""
        return profile_tables(self.profile).native(state.meters)

    def action_space(self, params: HamletParams) -> spaces.Discrete:
        return spaces.Discrete(self.num_actions)

    def observation_space(self, params: HamletParams) -> spaces.Space:
        parts = observation_spaces(self.profile, self.view, self._form)
        if self.mask:
            parts["action_mask"] = spaces.Box(0, 1, (self.num_actions,), jnp.bool_)
        whole = _whole(parts)
        return spaces.Dict(whole) if isinstance(whole, dict) else whole

    @property
    def num_actions(self) -> int:
        return len(self.profile.action_names)

    @property
    def _form(self) -> str:
        return self.profile.vector if self.observation == "original" else self.observation

    def _seen(self, state: HamletState, params: HamletParams) -> dict[str, Array]:
        if self._form == "places":
            return place_observation(self.profile, self.view, state)
        if self._form == "fields":
            return {"vector": field_observation(self.profile, self.view, state, params)}
        return {
            "vector": (code_observation if self._form == "codes" else one_hot_observation)(
                self.profile, self.view, state
            )
        }

    def _granted(self, state: HamletState, aim: Intent) -> Int[Array, ""]:
        if not self.occupancy:
            return aim.wants
        return occupancy.granted(aim.wants, (aim.wants >= 0) & (aim.wants == state.using))


def _whole(parts: dict[str, Any]) -> Any:
    """The dictionary, or the vector where it is the only entry."""
    return parts["vector"] if list(parts) == ["vector"] else parts


def make_hamlet(name: str, **kwargs: Any) -> Hamlet:
    """Make the environment `Hamlet-<level>`; `kwargs` are those of `hamlet`."""
    check_settings(hamlet, kwargs, "env_kwargs")
    return hamlet(name.removeprefix("Hamlet-"), **kwargs)


def hamlet(
    world: str,
    *,
    profile: str | Mapping[str, Any] | None = None,
    reward: str | Mapping[str, Any] | None = None,
    view: str | None = None,
    observation: str = "original",
    mask: bool | None = None,
    occupancy: bool = False,
) -> Hamlet:
    """Make the Hamlet level `world`, or with "custom" the world of `profile` (a file, or its data).

    `reward` is a name, or a mapping of names to weights; `view` is "full" or "5x5"; `observation`
    is "original", "one_hot" or "places". None stands for the profile's own setting.

    Raises:
        ValueError: naming the argument, or the place in the profile, and a remedy.
    """
    if world == "custom" and profile is None:
        raise ValueError(
            "Hamlet-custom needs a profile, the path of a world file; give it, such as"
            " env_kwargs.profile=world.yaml."
        )
    if world != "custom" and profile is not None:
        raise ValueError(
            f"profile={profile!r} goes with Hamlet-custom, whose world it describes; leave it out,"
            " or take that environment."
        )
    described = load_profile(world if profile is None else profile)
    weights = _weights(described, described.reward if reward is None else reward)
    view = described.view if view is None else view
    check_known("view", view, ("full", "5x5"))
    check_known("observation", observation, OBSERVATIONS)
    for name, given in (("mask", mask), ("occupancy", occupancy)):
        if given not in (None, True, False):
            raise ValueError(f"{name}={given!r} must be true or false.")
    return Hamlet(
        described,
        tuple(weights),
        tuple(weights.values()),
        view,
        observation,
        described.mask if mask is None else bool(mask),
        bool(occupancy),
    )


def _weights(profile: Profile, reward: Any) -> dict[str, float]:
    """Reward terms by name, with their weights."""
    weights = {reward: 1.0} if isinstance(reward, str) else reward
    if not isinstance(weights, Mapping) or not weights:
        raise ValueError(f"reward={reward!r} must be a name, or a mapping of names to weights.")
    for name, weight in weights.items():
        check_known("reward", str(name), reward_terms(profile))
        if not fits(weight, 1.0) or not np.isfinite(weight):
            raise ValueError(f"reward.{name}={weight!r} must be a number.")
    return {name: float(weight) for name, weight in weights.items()}
