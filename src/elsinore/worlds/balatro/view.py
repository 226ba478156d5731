"""View of Balatro: the hand, the jokers, the shop and the progress of the round."""

import numpy as np

from elsinore.envs.scene import Bar, Bars, Card, Cards, Facts, Panel, Scene, rounded
from elsinore.worlds.balatro.actions import SUBSET_BITS, SUBSETS
from elsinore.worlds.balatro.commands import how_to, typed
from elsinore.worlds.balatro.rules.blinds import BLINDS, BOSS_BLIND
from elsinore.worlds.balatro.rules.bosses import BOSS_NAMES
from elsinore.worlds.balatro.rules.cards import RANKS, card_name
from elsinore.worlds.balatro.rules.deck import HAND_SLOTS
from elsinore.worlds.balatro.rules.game import (
    BASE_DISCARDS,
    BASE_HANDS,
    DONE,
    JOKER_SLOTS,
    NUM_OFFERS,
    PHASES,
    SHOP,
    VOUCHERS,
)
from elsinore.worlds.balatro.rules.hands import HANDS, PLANETS
from elsinore.worlds.balatro.rules.jokers import JOKER_NAMES
from elsinore.worlds.balatro.rules.offers import OFFER_KINDS, TAROTS
from elsinore.worlds.balatro.rules.stages import Stage
from elsinore.worlds.balatro.table import cards_in, offer_price

# spades, hearts, clubs, diamonds: four distinct colours
SUIT_ROLES = ("ink", "danger", "food", "rest")
ITEMS = ((), JOKER_NAMES, PLANETS, TAROTS, VOUCHERS)  # by kind of offer

steps_per_second = 1.5
__all__ = ["action_names", "deciding", "how_to", "scene", "steps_per_second", "typed"]


def scene(env, params, state) -> Scene:
    """The cards, jokers, offers and numbers of a state."""
    return _table(env, state.game, int(state.selected))


def deciding(env, params, state, action) -> Scene:
    """The scene with the cards of the next play or discard raised."""
    if env.action_mode == "subset" and int(action) < 2 * len(SUBSETS):
        return _table(env, state.game, int(SUBSET_BITS[int(action) % len(SUBSETS)]))
    return scene(env, params, state)


def _table(env, game, selected: int) -> Scene:
    """`selected` has a bit for each slot of the hand."""
    hand = cards_in(game.round.hand)
    raised = [(selected >> slot) & 1 == 1 for slot in range(len(hand))]
    cards = tuple(
        _card(place, *card) for place, card in enumerate(zip(hand, raised, strict=True), start=1)
    )
    panels: list[Panel] = [] if int(game.phase) == SHOP else [Cards("hand", cards)]
    if env.stage >= Stage.JOKERS:
        panels.append(Cards(f"jokers, up to {JOKER_SLOTS}", tuple(_jokers(game))))
    if int(game.phase) == SHOP:
        panels.append(Cards("for sale", tuple(_offers(game))))
    return Scene(env.name, (*panels, _round(game), Facts("run", tuple(_facts(env, game)))))


def action_names(env, params) -> tuple[str, ...]:
    """Action names; cards are numbered from 1 in the hand."""
    if env.action_mode == "toggle":
        ways = [*(f"take or put back {slot + 1}" for slot in range(HAND_SLOTS)), "play", "discard"]
    else:
        places = [" ".join(str(slot + 1) for slot in subset) for subset in SUBSETS]
        ways = [f"{verb} {which}" for verb in ("play", "discard") for which in places]
    trades = [f"buy {slot + 1}" for slot in range(NUM_OFFERS)] + [
        f"sell joker {slot + 1}" for slot in range(JOKER_SLOTS)
    ]
    return (*ways, *trades, "reroll", "leave the shop", "begin the blind")


def _card(place: int, card: int, marked: bool) -> Card:
    """A card with its number in the hand."""
    return Card(card_name(card), str(place), SUIT_ROLES[card // len(RANKS)], marked)


def _jokers(game):
    for joker, counter, price in zip(*(np.asarray(x) for x in game.jokers), strict=True):
        if joker > 0:
            about = f"${int(price)}" if not counter else f"{rounded(counter)} · ${int(price)}"
            yield Card(JOKER_NAMES[int(joker)], about, "play")


def _offers(game):
    for slot, (kind, item) in enumerate(zip(game.shop.kind, game.shop.item, strict=True)):
        if int(kind) > 0:
            about = f"{slot + 1} · {OFFER_KINDS[int(kind)]} ${offer_price(game, slot)}"
            yield Card(ITEMS[int(kind)][int(item)], about, "gain")


def _round(game) -> Bars:
    now = game.round
    score, target = float(now.score), max(float(now.target), 1.0)
    hands, discards = int(now.hands_left), int(now.discards_left)
    return Bars(
        "round",
        (
            Bar(
                "chips",
                min(score / target, 1.0),
                f"{rounded(score)} of {rounded(target)}",
                "gain",
            ),
            Bar(
                "hands left",
                min(hands / BASE_HANDS, 1.0),
                str(hands),
                "calm",
                danger_below=1 / BASE_HANDS,
            ),
            Bar("discards left", min(discards / BASE_DISCARDS, 1.0), str(discards), "calm"),
        ),
    )


def _facts(env, game):
    blind = (int(game.number) - 1) % len(BLINDS)
    yield "blind", f"{BLINDS[blind]}, ante {int(game.ante)} of {int(game.max_ante)}"
    if env.stage >= Stage.BOSSES and int(game.boss) > 0:
        yield "boss" if blind == BOSS_BLIND else "boss to come", BOSS_NAMES[int(game.boss)]
    ended = "won" if bool(game.won) else "lost"
    yield "phase", ended if int(game.phase) == DONE else PHASES[int(game.phase)]
    if env.stage >= Stage.SHOP:
        yield "money", f"${int(game.money)}"
    if int(game.phase) == SHOP:
        yield (
            "reroll",
            f"${int(game.shop.reroll_price)}, {int(game.shop.moves_left)} sales and rerolls left",
        )
    yield "cards to draw", str(len(cards_in(game.round.pile)))
    best = int(np.argmax(np.asarray(game.levels)))
    if int(game.levels[best]) > 1:
        yield "highest level", f"{HANDS[best]}, {int(game.levels[best])}"
