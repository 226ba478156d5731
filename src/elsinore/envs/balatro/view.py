"""How Balatro is seen: the hand, the jokers, what is for sale, and how far the round has got."""

import numpy as np

from elsinore.envs.balatro.actions import BITS, SUBSETS
from elsinore.envs.balatro.rules.blinds import BLINDS, BOSS
from elsinore.envs.balatro.rules.bosses import BOSS_NAMES
from elsinore.envs.balatro.rules.cards import RANKS, name_of
from elsinore.envs.balatro.rules.deck import SLOTS
from elsinore.envs.balatro.rules.game import (
    BASE_DISCARDS,
    BASE_HANDS,
    JOKER_SLOTS,
    NUM_OFFERS,
    PHASES,
    SHOP,
    VOUCHERS,
)
from elsinore.envs.balatro.rules.hands import HANDS, PLANETS
from elsinore.envs.balatro.rules.jokers import JOKER_NAMES
from elsinore.envs.balatro.rules.stages import BOSSES as BOSS_STAGE
from elsinore.envs.balatro.rules.stock import KINDS, TAROTS
from elsinore.envs.balatro.spoken import how_to, typed
from elsinore.envs.balatro.table import cards_in, offer_price
from elsinore.envs.scene import Bar, Bars, Card, Cards, Facts, Panel, Scene, number

SUIT_ROLES = ("ink", "danger", "food", "rest")  # spades, hearts, clubs, diamonds: four colours are told apart
ITEMS = ((), JOKER_NAMES, PLANETS, TAROTS, VOUCHERS)  # by kind of offer

steps_per_second = 1.5
__all__ = ["action_names", "deciding", "how_to", "scene", "steps_per_second", "typed"]


def scene(env, params, state) -> Scene:
    """The table."""
    return _table(env, state.game, int(state.selected))


def deciding(env, params, state, action) -> Scene:
    """The table, with the cards raised that are about to be played or discarded."""
    if env.action_mode == "subset" and int(action) < 2 * len(SUBSETS):
        return _table(env, state.game, int(BITS[int(action) % len(SUBSETS)]))
    return scene(env, params, state)


def _table(env, game, taken_up: int) -> Scene:
    """`taken_up` has a bit for each slot of the hand."""
    hand = cards_in(game.round.hand)
    raised = [(taken_up >> slot) & 1 == 1 for slot in range(len(hand))]
    cards = tuple(_card(place, *card) for place, card in enumerate(zip(hand, raised, strict=True), start=1))
    panels: list[Panel] = [] if int(game.phase) == SHOP else [Cards("hand", cards)]
    if env.stage >= 2:
        panels.append(Cards(f"jokers, up to {JOKER_SLOTS}", tuple(_jokers(game))))
    if int(game.phase) == SHOP:
        panels.append(Cards("for sale", tuple(_offers(game))))
    return Scene(env.name, (*panels, _round(game), Facts("run", tuple(_facts(env, game)))))


def action_names(env, params) -> tuple[str, ...]:
    """Cards are told by their place in the hand, from 1."""
    if env.action_mode == "toggle":
        ways = [*(f"take or put back {slot + 1}" for slot in range(SLOTS)), "play", "discard"]
    else:
        places = [" ".join(str(slot + 1) for slot in subset) for subset in SUBSETS]
        ways = [f"{verb} {which}" for verb in ("play", "discard") for which in places]
    trades = [f"buy {slot + 1}" for slot in range(NUM_OFFERS)] + [
        f"sell joker {slot + 1}" for slot in range(JOKER_SLOTS)
    ]
    return (*ways, *trades, "reroll", "leave the shop", "begin the blind")


def _card(place: int, card: int, marked: bool) -> Card:
    """With its place in the hand, by which actions tell it."""
    return Card(name_of(card), str(place), SUIT_ROLES[card // len(RANKS)], marked)


def _jokers(game):
    for joker, counter, price in zip(*(np.asarray(x) for x in game.jokers), strict=True):
        if joker > 0:
            about = f"${int(price)}" if not counter else f"{number(counter)} · ${int(price)}"
            yield Card(JOKER_NAMES[int(joker)], about, "play")


def _offers(game):
    for slot, (kind, item) in enumerate(zip(game.shop.kind, game.shop.item, strict=True)):
        if int(kind) > 0:
            about = f"{slot + 1} · {KINDS[int(kind)]} ${offer_price(game, slot)}"
            yield Card(ITEMS[int(kind)][int(item)], about, "gain")


def _round(game) -> Bars:
    now = game.round
    score, target = float(now.score), max(float(now.target), 1.0)
    hands, discards = int(now.hands_left), int(now.discards_left)
    return Bars("round", (
        Bar("chips", min(score / target, 1.0), f"{number(score)} of {number(target)}", "gain"),
        Bar("hands left", min(hands / BASE_HANDS, 1.0), str(hands), "calm", danger_below=1 / BASE_HANDS),
        Bar("discards left", min(discards / BASE_DISCARDS, 1.0), str(discards), "calm"),
    ))  # fmt: skip


def _facts(env, game):
    blind = (int(game.number) - 1) % len(BLINDS)
    yield "blind", f"{BLINDS[blind]}, ante {int(game.ante)} of {int(game.max_ante)}"
    if env.stage >= BOSS_STAGE and int(game.boss) > 0:
        yield "boss" if blind == BOSS else "boss to come", BOSS_NAMES[int(game.boss)]
    yield "phase", "won" if bool(game.won) else PHASES[int(game.phase)]
    if env.stage >= 1:
        yield "money", f"${int(game.money)}"
    if int(game.phase) == SHOP:
        yield "reroll", f"${int(game.shop.reroll_price)}, {int(game.shop.moves_left)} sales and rerolls left"
    yield "cards to draw", str(len(cards_in(game.round.pile)))
    best = int(np.argmax(np.asarray(game.levels)))
    if int(game.levels[best]) > 1:
        yield "highest level", f"{HANDS[best]}, {int(game.levels[best])}"
