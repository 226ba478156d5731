"""Commands of human play: parsed to actions, or refused with the reason."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.worlds.balatro.actions import SUBSETS
from elsinore.worlds.balatro.commands import how_to, typed
from elsinore.worlds.balatro.descriptions import BOSS_WORDS, JOKER_WORDS, TAROT_WORDS, VOUCHER_WORDS
from elsinore.worlds.balatro.env import Balatro
from elsinore.worlds.balatro.rules.bosses import BOSS_NAMES, THE_HOOK
from elsinore.worlds.balatro.rules.deck import set_of
from elsinore.worlds.balatro.rules.game import CLEARANCE_SALE, SELECT, SHOP, VOUCHERS, Shop
from elsinore.worlds.balatro.rules.hands import PLANETS
from elsinore.worlds.balatro.rules.jokers import JOKER_NAMES, NUM_JOKERS, joker_id
from elsinore.worlds.balatro.rules.offers import JOKER, PLANET, TAROTS, VOUCHER
from elsinore.worlds.balatro.rules.shop import prices
from elsinore.worlds.balatro.table import offer_price
from elsinore.worlds.balatro.view import action_names
from tests.worlds.balatro.games import a_game
from tests.worlds.balatro.plays import cards

HAND = "As Ks Kh 9h 5c 4d 2d"  # seven cards
FIVE_JOKERS = ("Joker", "Sly Joker", "Egg", "Banner", "Splash")


def at(game):
    return SimpleNamespace(game=jax.device_get(game), selected=0)


def shop(money=10, moves_left=8, jokers=()):
    """A shop with Banner for $5 first and Pluto for $3 second."""
    offers = Shop(
        jnp.int32([JOKER, PLANET, 0, 0]),
        jnp.int32([joker_id("Banner"), 0, 0, 0]),
        jnp.int32(5),
        jnp.int32(moves_left),
    )
    return at(a_game(jokers=jokers, phase=SHOP, money=money, shop=offers))


def forced(card):
    game = a_game(HAND)
    return game._replace(round=game.round._replace(forced=set_of(jnp.asarray(cards(card, 8)))))


STATES = {
    "a round": at(a_game(HAND)),
    "a round without discards": at(a_game(HAND, discards_left=0)),
    "a card that must be chosen": at(forced("Kh")),
    "a shop": shop(),
    "a shop with a full row of jokers": shop(jokers=FIVE_JOKERS),
    "a shop and no money": shop(money=2, jokers=("Egg",)),
    "a shop in which enough was sold": shop(moves_left=0, jokers=("Egg",)),
    "before a blind": at(a_game(phase=SELECT)),
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
@pytest.mark.parametrize("mode", ["subset", "toggle"])
def test_exactly_the_legal_actions_can_be_typed(state, mode):
    env = Balatro(stage=3, action_mode=mode)
    state = SimpleNamespace(game=state.game, selected=0b10)  # the second card is taken up
    legal = np.asarray(env.mode.mask(state.game, jnp.int32(state.selected), env.rules))
    for action, name in enumerate(action_names(env, None)):
        line = name.replace("take or put back", "take")
        if legal[action]:
            assert typed(env, None, state, line) == action
        else:
            with pytest.raises(ValueError, match=r"\.$"):
                typed(env, None, state, line)


@pytest.mark.parametrize("line", ["p 1 3 5", "play 5 3 1", " P 1,3, 5 "])
def test_cards_are_numbered_in_any_order(line):
    assert SUBSETS[typed(Balatro(), None, STATES["a round"], line)] == (0, 2, 4)


EXPLAINED = {
    "hm": ("a round", "'hm' is no command: p 1 3 5 plays"),
    "p": ("a round", "no cards;"),
    "p one": ("a round", "'one' is no number"),
    "p 1 1": ("a round", "a card cannot be chosen twice"),
    "p 8": ("a round", "there is no card 8; the hand has 1 to 7"),
    "p 1 2 3 4 5 6": ("a round", "5 cards at most; those are 6"),
    "b 1": ("a round", "buy is not for now"),
    "d 1": ("a round without discards", "no discards are left in this round"),
    "p 1 2": (
        "a card that must be chosen",
        r"card 3 \(K♥\) must be among them: the boss is Cerulean Bell",
    ),
    "p 1 ": ("a shop", "play is not for now: b 1 buys"),
    "b": ("a shop", "buy needs one number, such as buy 1"),
    "b 3": ("a shop", "there is no offer 3"),
    "l 1": ("a shop", "leave takes no number"),
    "s 1": ("a shop", "there is no joker 1"),
    "buy 1": ("a shop with a full row of jokers", "there is no room for another joker; sell one"),
    "buy 2": ("a shop and no money", r"it costs \$3; you have \$2"),
    "reroll": ("a shop and no money", r"a reroll costs \$5; you have \$2"),
    "sell 1": ("a shop in which enough was sold", "no more sales and rerolls in this shop"),
    "leave": ("before a blind", "leave is not for now: begin begins the blind"),
}


@pytest.mark.parametrize("line", EXPLAINED)
def test_an_illegal_command_is_refused_with_the_reason(line):
    where, why = EXPLAINED[line]
    with pytest.raises(ValueError, match=why):
        typed(Balatro(stage=3), None, STATES[where], line)


def test_each_phase_has_its_help():
    logged = {
        how_to(Balatro(stage=3), None, STATES[name])
        for name in ("a round", "a shop", "before a blind")
    }
    assert len(logged) == 3


@pytest.mark.parametrize("on_sale", [False, True])
def test_the_displayed_price_is_the_price_of_the_rules(on_sale):
    env = Balatro(stage=4)
    sale = np.arange(5) == CLEARANCE_SALE if on_sale else np.zeros(5, bool)
    game = a_game(phase=SHOP, vouchers=jnp.asarray(sale))
    asked = jax.jit(jax.vmap(lambda kind, item: prices(_offering(game, kind, item), env.rules)[0]))
    kinds = [(JOKER, joker) for joker in range(1, NUM_JOKERS)]
    kinds += [(PLANET, planet) for planet in range(len(PLANETS))] + [(VOUCHER, 1), (0, 0)]
    expected = asked(*(jnp.int32(column) for column in zip(*kinds, strict=True)))
    plain = jax.device_get(game)
    assert [offer_price(_offering(plain, *one, np.int32), 0) for one in kinds] == expected.tolist()


def _offering(game, kind, item, whole=jnp.int32):
    """A game with this offer in the first slot."""
    first = np.arange(4) == 0
    return game._replace(
        shop=game.shop._replace(kind=whole(first) * kind, item=whole(first) * item)
    )


def test_every_joker_boss_tarot_and_voucher_has_a_description():
    assert set(JOKER_WORDS) == set(JOKER_NAMES[1:]) and set(BOSS_WORDS) == set(BOSS_NAMES[1:])
    assert set(TAROT_WORDS) == set(TAROTS) and set(VOUCHER_WORDS) == set(VOUCHERS)


def test_what_describes_all_things_on_the_table():
    state = shop(jokers=("Egg",))
    state.game = state.game._replace(boss=np.int32(THE_HOOK), number=np.int32(1))
    with pytest.raises(
        ValueError, match="The Hook: .*, at the end of this ante\nEgg: .*\nBanner: .*\nPluto: High"
    ):
        typed(Balatro(stage=3), None, state, "what")
    with pytest.raises(ValueError, match="nothing but cards"):
        typed(Balatro(), None, STATES["a round"], "w")
