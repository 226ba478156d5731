"""Balatro as a gymnax environment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces
from gymnax.environments.environment import Environment
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from elsinore.arguments import check_settings
from elsinore.jaxtools.barrier import barrier
from elsinore.validation import finite
from elsinore.worlds.balatro import observation
from elsinore.worlds.balatro.actions import ACTION_MODES, ActionMode, is_legal
from elsinore.worlds.balatro.rewards import REWARDS
from elsinore.worlds.balatro.rules import run
from elsinore.worlds.balatro.rules.blinds import LAST_ANTE
from elsinore.worlds.balatro.rules.bosses import enabled_bosses
from elsinore.worlds.balatro.rules.cards import NUM_CARDS
from elsinore.worlds.balatro.rules.game import DONE, NO_OP, Rules
from elsinore.worlds.balatro.rules.jokers import enabled_jokers
from elsinore.worlds.balatro.rules.stages import check_stage, doubts
from elsinore.worlds.balatro.state import NUM_BLINDS, BalatroParams, BalatroState, episode_metrics

MOST_SHOP_MOVES = 1_000  # in one shop; an episode has 512 steps


@dataclass(frozen=True)
class Balatro(Environment):
    """Poker hands against rising targets, with a shop, jokers and bosses at the higher stages.

    All fields are static; the compiled program has only the rules of its stage.

    Raises:
        ValueError: for a bad field, with a remedy.
    """

    stage: int = 0  # see `rules.stages`
    action_mode: str = "subset"  # subset | toggle
    reward: str = "progress"  # progress | log-progress | sparse | blind
    auto_select_blind: bool = True  # False: the next blind begins by an action
    flatten: bool = False  # the observation is one vector, beside the mask
    # add the score of each subset of cards: the policy need not learn the scoring rule
    play_scores: bool = False
    stacked_decks: bool = False  # cards come in the order of `params.decks`
    shop_moves: int = 8  # sales and rerolls allowed in one shop
    # sold in shops, by name or number; None: all of the stage
    jokers: Sequence[str | int] | None = None
    bosses: Sequence[str | int] | None = None  # that may appear, likewise

    episode_facts: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "won": "win rate",
            "ante": "ante reached",
            "blinds": "blinds beaten",
            "score": "chips scored",
            "hands": "hands played",
        }
    )

    def __post_init__(self) -> None:
        check_stage(self.stage)
        for name, known in (("action_mode", ACTION_MODES), ("reward", REWARDS)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is unknown; choose one of {', '.join(known)}."
                )
        if not 0 <= self.shop_moves <= MOST_SHOP_MOVES:
            raise ValueError(
                f"shop_moves={self.shop_moves} must be 0 (no sales or rerolls) to"
                f" {MOST_SHOP_MOVES:,}."
            )
        for name in ("jokers", "bosses"):  # YAML gives lists, which cannot be static
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
    def default_params(self) -> BalatroParams:
        if not self.stacked_decks:
            return BalatroParams()
        return BalatroParams(decks=np.tile(np.arange(NUM_CARDS, dtype=np.int8), (NUM_BLINDS, 1)))

    def action_space(self, params: BalatroParams | None = None) -> spaces.Discrete:
        return spaces.Discrete(self.mode.num_actions)

    def observation_space(self, params: BalatroParams | None = None) -> spaces.Dict:
        plain = observation.space(self.mode, self.play_scores)
        return observation.flat_space(plain) if self.flatten else plain

    def check_params(self, params: BalatroParams) -> None:
        """Refuse an ante that no run has, also where agents differ.

        Raises:
            ValueError: naming the parameter.
        """
        finite(params, "max_ante", least=1, most=LAST_ANTE)

    def doubts(self, params: BalatroParams) -> list[str]:
        """Warnings for the plan of a run."""
        return doubts(self.stage, int(params.max_ante))

    def reset_env(self, key: Key[Array, ""], params: BalatroParams) -> tuple[PyTree, BalatroState]:
        game = barrier(run.first_deal(key, params.max_ante, self.rules, params.decks))
        state = BalatroState(
            time=jnp.int32(0), game=game, selected=jnp.int32(0), episode_return=jnp.float32(0.0)
        )
        return self.observe(key, state, None, params), state

    def step_env(
        self,
        key: Key[Array, ""],
        state: BalatroState,
        action: Int[Array, ""],
        params: BalatroParams,
    ) -> tuple[PyTree, BalatroState, Float[Array, ""], Bool[Array, ""], dict[str, Any]]:
        """Apply an action; an illegal one changes only the time.

        `info` holds `illegal_action` and the `BalatroMetrics` of the episode so far.
        """
        legal = is_legal(self.mode.mask(state.game, state.selected, self.rules), action)
        move, selected = self.mode.move(state.game, state.selected, action)
        move = move._replace(kind=jnp.where(legal, move.kind, NO_OP))
        # without `once` XLA recomputes it for each of the 448 flags of the next mask, and training
        # takes sixty times as long
        game = barrier(run.apply_move(key, state.game, move, self.rules, params.decks))
        reward = REWARDS[self.reward](state.game, game)
        state = BalatroState(
            time=state.time + 1,
            game=game,
            selected=jnp.where(legal, selected, state.selected),
            episode_return=state.episode_return + reward,
        )
        info = episode_metrics(state)._asdict() | {"illegal_action": ~legal}
        return self.observe(key, state, action, params), state, reward, game.phase == DONE, info

    def observe(self, key: Any, state: BalatroState, action: Any, params: BalatroParams) -> PyTree:
        obs = observation.build_observation(state, self.mode, self.rules, self.play_scores)
        return observation.flatten_observation(obs) if self.flatten else obs

    def is_truncated(self, state: BalatroState, params: BalatroParams) -> Bool[Array, ""]:
        return jnp.asarray(state.time >= params.max_steps_in_episode)


def make_balatro(name: str, **kwargs: Any) -> Balatro:
    """The environment `Balatro-stage0` .. `Balatro-stage4`.

    Raises:
        ValueError: for `stage` in `kwargs`: the name gives it.
    """
    if "stage" in kwargs:
        raise ValueError(
            f"env_kwargs.stage={kwargs['stage']!r} contradicts env={name!r}, whose name gives the"
            " stage; leave it out, and choose one of Balatro-stage0 to Balatro-stage4."
        )
    check_settings(Balatro, kwargs, "env_kwargs")
    return Balatro(stage=int(name.removeprefix("Balatro-stage")), **kwargs)
