"""The Hamlet worlds as one gymnax environment: a small life of meters to keep up and places to do it.

env = hamlet("base6", reward="shaped", view="5x5")
env = hamlet("custom", profile="my_world.yaml", reward={"sparse": 1.0, "potential": 1.0})
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces
from gymnax.environments.environment import Environment
from jaxtyping import Array, Int, Key, Num, PyTree

from elsinore.envs.hamlet import occupancy, starts
from elsinore.envs.hamlet.checks import known
from elsinore.envs.hamlet.load import profile_of
from elsinore.envs.hamlet.masks import action_mask
from elsinore.envs.hamlet.observation import codes, fields, one_hot, places, spaces_of
from elsinore.envs.hamlet.profile import Profile
from elsinore.envs.hamlet.rewards import Happened, incentives_of, reward_of
from elsinore.envs.hamlet.rules import Intent, Params, State, intent, numbers_of, step
from elsinore.envs.hamlet.tables import tables

OBSERVATIONS = ("original", "one_hot", "places")


@dataclass(frozen=True)
class Hamlet(Environment):
    """One agent in a world that `profile` describes; made by `hamlet`, which checks what it is given.

    The observation is `vector`; with a mask it is `{"vector": ..., "action_mask": ...}`; that of `places` is a
    dictionary anyway (see `observation.py`). Of what happened, `info`
    has `used`, the affordance used or -1, and `reward/<name>`, each reward before its weight.
    """

    profile: Profile
    rewards: tuple[str, ...]  # what is summed up, in the order of `params.reward_weights`
    weights: tuple[float, ...]
    view: Literal["full", "5x5"]
    observation: Literal["original", "one_hot", "places"]
    mask: bool
    occupancy: bool  # among agents vmapped along an axis named "agents", an affordance serves one at a time

    @property
    def name(self) -> str:
        return f"Hamlet-{self.profile.name}"

    @property
    def default_params(self) -> Params:
        def each(key: str) -> np.ndarray:
            return np.array([getattr(meter, key) for meter in self.profile.meters], np.float32)

        low, high = np.array([meter.starts for meter in self.profile.meters], np.float32).T
        return Params(
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

    def reset_env(self, key: Key[Array, ""], params: Params) -> tuple[PyTree, State]:
        place_key, own_key = jax.random.split(key)
        if self.occupancy:
            place_key = occupancy.common(place_key)
        state = starts.begin(self.profile, own_key, place_key, params)
        return self.observe(key, state, None, params), state

    def step_env(self, key: Key[Array, ""], state: State, action: Int[Array, ""], params: Params):
        aim = intent(self.profile, state, action)
        used = self._granted(state, aim)
        after, died = step(self.profile, numbers_of(tables(self.profile), params), state, action, aim, used)
        happened = Happened(state, after, used, died)
        named = incentives_of(self.profile)
        paid = {name: reward_of(self.profile, named[name])(happened, params) for name in self.rewards}
        reward = jnp.dot(jnp.stack(list(paid.values())), jnp.asarray(params.reward_weights, jnp.float32))
        info = {"used": used} | {f"reward/{name}": amount for name, amount in paid.items()}
        return self.observe(key, after, action, params), after, reward, died, info

    def observe(self, key: Key[Array, ""], state: State, action: Any, params: Params) -> PyTree:
        parts = self._seen(state, params)
        return _whole(parts | ({"action_mask": action_mask(self.profile, state, params)} if self.mask else {}))

    def state_at(
        self, position: Array, meters: Num[Array, "meter"], cells: Num[Array, "affordance 2"] | None = None
    ) -> State:
        """The beginning of an episode at x, y with these meters, in their own units.

        `cells` are x, y of each affordance, (-1, -1) of one that is not in the world; only where they are drawn.
        """
        width = self.profile.grid[0]
        x, y = jnp.asarray(position, jnp.int32)
        numbers = ground = None
        if self.profile.drawn:
            at = jnp.asarray(cells, jnp.int32)
            numbers = jnp.where(at[:, 0] < 0, -1, at[:, 0] + width * at[:, 1]).astype(jnp.int16)
            ground = starts.on_ground(self.profile, numbers)
        units = tables(self.profile).units(jnp.asarray(meters))
        return starts.state_at(self.profile, x + width * y, units, numbers, ground)

    def meters(self, state: State) -> Num[Array, "meter"]:
        """The meters in their own units."""
        return tables(self.profile).native(state.meters)

    def action_space(self, params: Params) -> spaces.Discrete:
        return spaces.Discrete(self.num_actions)

    def observation_space(self, params: Params) -> spaces.Space:
        parts = spaces_of(self.profile, self.view, self._form)
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

    def _seen(self, state: State, params: Params) -> dict[str, Array]:
        if self._form == "places":
            return places(self.profile, self.view, state)
        if self._form == "fields":
            return {"vector": fields(self.profile, self.view, state, params)}
        return {"vector": (codes if self._form == "codes" else one_hot)(self.profile, self.view, state)}

    def _granted(self, state: State, aim: Intent) -> Int[Array, ""]:
        if not self.occupancy:
            return aim.wants
        return occupancy.granted(aim.wants, (aim.wants >= 0) & (aim.wants == state.using))


def _whole(parts: dict[str, Any]) -> Any:
    """A dictionary, or a vector that there is nothing beside."""
    return parts["vector"] if list(parts) == ["vector"] else parts


def hamlet(
    world: str,
    *,
    profile: str | Mapping[str, Any] | None = None,
    reward: str | Mapping[str, float] | None = None,
    view: str | None = None,
    observation: str = "original",
    mask: bool | None = None,
    occupancy: bool = False,
) -> Hamlet:
    """The Hamlet world of that name, or, with "custom", that of a world file (or of the data such a file holds).

    `reward` is a name, or a mapping of several to their weights; `view` is "full" or "5x5"; `observation` is
    "original", "one_hot" or "places". What is None is as the profile has it.

    Raises:
        ValueError: naming the argument, or the place in the world file, and what would do.
    """
    if (world == "custom") != (profile is not None):
        raise ValueError(f"profile={profile!r} goes with Hamlet-custom, which needs one: the path of a world file.")
    described = profile_of(world if profile is None else profile)
    weights = _weights(described, described.reward if reward is None else reward)
    view = described.view if view is None else view
    known("view", view, ("full", "5x5"))
    known("observation", observation, OBSERVATIONS)
    for name, given in (("mask", mask), ("occupancy", occupancy)):
        if given not in (None, True, False):
            raise ValueError(f"{name}={given!r} must be true or false.")
    return Hamlet(
        described, tuple(weights), tuple(weights.values()), view, observation,
        described.mask if mask is None else bool(mask), bool(occupancy),
    )  # fmt: skip


def _weights(profile: Profile, reward: Any) -> dict[str, float]:
    """The weight of each reward that is asked for."""
    asked = {reward: 1.0} if isinstance(reward, str) else reward
    if not isinstance(asked, Mapping) or not asked:
        raise ValueError(f"reward={reward!r} must be a name, or a mapping of names to weights.")
    for name, weight in asked.items():
        known("reward", str(name), incentives_of(profile))
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not np.isfinite(weight):
            raise ValueError(f"reward.{name}={weight!r} must be a number.")
    return {name: float(weight) for name, weight in asked.items()}
