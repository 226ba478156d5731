"""Balatro as a gymnax environment: rules, actions, observations and rewards put together."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces
from gymnax.environments.environment import Environment
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from elsinore.envs.balatro import observation
from elsinore.envs.balatro.actions import ACTION_MODES, ActionMode, is_legal
from elsinore.envs.balatro.rewards import REWARDS
from elsinore.envs.balatro.rules import run
from elsinore.envs.balatro.rules.bosses import enabled_bosses
from elsinore.envs.balatro.rules.cards import NUM_CARDS
from elsinore.envs.balatro.rules.game import DONE, NOTHING, Rules
from elsinore.envs.balatro.rules.jokers import enabled_jokers
from elsinore.envs.balatro.rules.stages import check_stage, doubts
from elsinore.envs.balatro.state import NUM_BLINDS, Params, State, metrics
from elsinore.ops.once import once


@dataclass(frozen=True)
class Balatro(Environment):
    """Poker hands against rising targets, and, stage by stage, the shop, jokers and bosses that change their worth.

    All fields are static. What is off at a stage is not in the compiled program.

    Raises:
        ValueError: naming a field that cannot be, and what would do.
    """

    stage: int = 0  # see `rules.stages`
    action_mode: str = "subset"  # subset | toggle
    reward: str = "progress"  # progress | log-progress | sparse | blind
    auto_select_blind: bool = True  # the next blind begins by itself; else by an action
    flatten: bool = False  # the observation as one vector beside the mask
    play_scores: bool = False  # show what each choice of cards would score: hands the policy the scoring rule
    stacked_decks: bool = False  # cards come in the order of `params.decks`
    shop_moves: int = 8  # sales and rerolls that one shop allows
    jokers: tuple[str | int, ...] | None = None  # that shops sell, by name or number; None: all of the stage
    bosses: tuple[str | int, ...] | None = None  # that may come, likewise

    episode_facts: ClassVar[Mapping[str, str]] = MappingProxyType({
        "won": "win rate", "ante": "ante reached", "blinds": "blinds beaten", "score": "chips scored",
        "hands": "hands played",
    })  # fmt: skip

    def __post_init__(self):
        check_stage(self.stage)
        for name, known in (("action_mode", ACTION_MODES), ("reward", REWARDS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)!r} is unknown; choose one of {', '.join(known)}.")
        if self.shop_moves < 0:
            raise ValueError(f"shop_moves={self.shop_moves} must be 0 (nothing is sold back or rerolled) or more.")
        for name in ("jokers", "bosses"):  # lists, as YAML has them, cannot be static
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        _ = self.rules

    @property
    def name(self) -> str:
        return f"Balatro-stage{self.stage}"

    @cached_property
    def rules(self) -> Rules:
        return Rules(
            stage=self.stage,
            auto_select=self.auto_select_blind,
            stacked=self.stacked_decks,
            shop_moves=self.shop_moves,
            jokers=tuple(enabled_jokers(self.jokers, self.stage).tolist()),
            bosses=tuple(enabled_bosses(self.bosses).tolist()),
        )

    @property
    def mode(self) -> ActionMode:
        return ACTION_MODES[self.action_mode]

    @property
    def default_params(self) -> Params:
        if not self.stacked_decks:
            return Params()
        return Params(decks=np.tile(np.arange(NUM_CARDS, dtype=np.int8), (NUM_BLINDS, 1)))

    def action_space(self, params: Params | None = None) -> spaces.Discrete:
        return spaces.Discrete(self.mode.num_actions)

    def observation_space(self, params: Params | None = None) -> spaces.Dict:
        plain = observation.space(self.mode, self.play_scores)
        return observation.flat_space(plain) if self.flatten else plain

    def doubts(self, params: Params) -> list[str]:
        """What a plan warns of."""
        return doubts(self.stage, int(params.max_ante))

    def reset_env(self, key: Key[Array, ""], params: Params) -> tuple[PyTree, State]:
        game = once(run.first_deal(key, params.max_ante, self.rules, params.decks))
        state = State(time=jnp.int32(0), game=game, selected=jnp.int32(0), episode_return=jnp.float32(0.0))
        return self.observe(key, state, None, params), state

    def step_env(
        self, key: Key[Array, ""], state: State, action: Int[Array, ""], params: Params
    ) -> tuple[PyTree, State, Float[Array, ""], Bool[Array, ""], dict[str, Any]]:
        """An illegal action changes nothing but the clock; `info` tells of it, and of the episode so far."""
        legal = is_legal(self.mode.mask(state.game, state.selected, self.rules), action)
        move, selected = self.mode.move(state.game, state.selected, action)
        move = move._replace(kind=jnp.where(legal, move.kind, NOTHING))
        # Once: else it is worked out again for each of the 448 flags of the next mask, and training takes sixty times
        # as long.
        game = once(run.step(key, state.game, move, self.rules, params.decks))
        reward = REWARDS[self.reward](state.game, game)
        state = State(
            time=state.time + 1,
            game=game,
            selected=jnp.where(legal, selected, state.selected),
            episode_return=state.episode_return + reward,
        )
        info = metrics(state)._asdict() | {"illegal_action": ~legal}
        return self.observe(key, state, action, params), state, reward, game.phase == DONE, info

    def observe(self, key: Any, state: State, action: Any, params: Params) -> PyTree:
        obs = observation.observe(state, self.mode, self.rules, self.play_scores)
        return observation.flatten(obs) if self.flatten else obs

    def is_truncated(self, state: State, params: Params) -> Bool[Array, ""]:
        return jnp.asarray(state.time >= params.max_steps_in_episode)
