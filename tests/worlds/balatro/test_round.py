"""Blinds: start, play, end, and the effects of bosses."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.envs.scene import Facts
from elsinore.worlds.balatro.env import Balatro
from elsinore.worlds.balatro.rules import round as rounds
from elsinore.worlds.balatro.rules import run
from elsinore.worlds.balatro.rules.blinds import draw_boss
from elsinore.worlds.balatro.rules.bosses import (
    BOSSES,
    CERULEAN_BELL,
    CRIMSON_HEART,
    FINISHER,
    MIN_ANTE,
    NUM_BOSSES,
    THE_ARM,
    THE_HOOK,
    THE_MANACLE,
    THE_NEEDLE,
    THE_OX,
    THE_PILLAR,
    THE_PSYCHIC,
    THE_TOOTH,
    THE_WATER,
    enabled_bosses,
)
from elsinore.worlds.balatro.rules.deck import count, held, no_cards, set_of, slots_of
from elsinore.worlds.balatro.rules.game import (
    DISCARD_CARDS,
    DONE,
    LEAVE,
    PLAY,
    PLAY_CARDS,
    REROLL,
    SHOP,
    Move,
)
from elsinore.worlds.balatro.rules.hands import FLUSH, HIGH_CARD, PAIR
from elsinore.worlds.balatro.rules.jokers import joker_id
from elsinore.worlds.balatro.view import scene
from tests.worlds.balatro.games import KEY, a_game
from tests.worlds.balatro.plays import cards

HAND = "As Ah Kd 9s 7c 5h 3d 2s"
RULES = Balatro(stage=3).rules
_step = jax.jit(
    lambda key, game, kind, cards: run.apply_move(key, game, Move(kind, cards, jnp.int32(0)), RULES)
)
_begin = jax.jit(lambda game: rounds.start_blind(KEY, game, RULES))


def after(game, kind, which, key=KEY):
    return _step(key, game, jnp.int32(kind), set_of(jnp.asarray(cards(which, 8))))


def test_a_play_scores_and_the_hand_is_filled_again():
    game = after(a_game(HAND, number=1), PLAY_CARDS, "As Ah")
    assert (game.round.score, game.round.hands_left, game.round.discards_left) == (
        2 * (10 + 22),
        3,
        3,
    )
    assert count(game.round.hand) == 8 and count(game.round.pile) == 52 - 8 - 2
    assert game.plays.tolist() == game.round.plays.tolist() == [0, 1] + [0] * 10


def test_a_discard_draws_and_scores_nothing():
    game = after(a_game(HAND, number=1), DISCARD_CARDS, "7c 5h 3d 2s 9s")
    assert (
        game.round.score,
        game.round.hands_left,
        game.round.discards_left,
        game.round.discards_used,
    ) == (0, 4, 2, 1)
    assert count(game.round.hand) == 8 and not held(game.round.hand)[cards("7c 5h 3d 2s", 4)].any()


def test_a_beaten_blind_pays_its_reward_the_hands_left_and_interest():
    game = after(a_game(HAND, number=1, target=64, money=11), PLAY_CARDS, "As Ah")
    assert (game.phase, game.money, game.beaten) == (SHOP, 11 + 3 + 3 + 2, 1)
    assert count(game.round.hand) == 0


@pytest.mark.parametrize(("target", "phase", "won"), [(64, DONE, True), (65, DONE, False)])
def test_the_last_hand_decides_a_run(target, phase, won):
    game = after(
        a_game(HAND, number=3, target=target, hands_left=1, max_ante=1), PLAY_CARDS, "As Ah"
    )
    assert (game.phase, game.won, game.beaten) == (phase, won, won)
    shown = scene(Balatro(), None, SimpleNamespace(game=game, selected=0))
    facts = next(panel for panel in shown.panels if isinstance(panel, Facts))
    assert dict(facts.rows)["phase"] == ("won" if won else "lost")


@pytest.mark.parametrize(("target", "saved"), [(4 * 64, True), (4 * 64 + 1, False)])
def test_mr_bones_saves_a_run_with_a_quarter_of_the_target_and_is_destroyed(target, saved):
    lost = a_game(HAND, number=1, target=target, hands_left=1, jokers=["Mr. Bones"])
    game = after(lost, PLAY_CARDS, "As Ah")
    assert game.phase == (SHOP if saved else DONE)
    assert (game.jokers.ids[0] == 0) == saved


@pytest.mark.parametrize(
    ("target", "jokers", "phase"),
    [
        (65, [], DONE),
        (64, [], SHOP),
        (4 * 64, ["Mr. Bones"], SHOP),
        (4 * 64 + 1, ["Mr. Bones"], DONE),
    ],
)
def test_a_blind_whose_cards_have_run_out_is_over_with_hands_left(target, jokers, phase):
    game = a_game("As Ah", number=1, target=target, jokers=jokers)
    game = game._replace(round=game.round._replace(pile=no_cards()))
    assert after(game, PLAY_CARDS, "As Ah").phase == phase
    assert after(game, DISCARD_CARDS, "As Ah").phase == DONE
    assert after(game, PLAY_CARDS, "As").phase == PLAY  # an ace is left


@pytest.mark.parametrize(
    ("jokers", "boss", "hands", "discards", "hand_size"),
    [
        ([], 0, 4, 3, 8),
        (["Drunkard"], 0, 4, 4, 8),
        (["Burglar"], 0, 7, 0, 8),
        ([], THE_WATER, 4, 0, 8),
        ([], THE_NEEDLE, 1, 3, 8),
        (["Burglar"], THE_NEEDLE, 1, 0, 8),
        (["Drunkard"], THE_WATER, 4, 0, 8),
        ([], THE_MANACLE, 4, 3, 7),
    ],
)
def test_a_blind_begins_with_its_hands_and_discards(jokers, boss, hands, discards, hand_size):
    now = _begin(a_game(jokers=jokers, boss=boss)).round
    assert (now.hands_left, now.discards_left, now.hand_size) == (hands, discards, hand_size)


def test_a_boss_does_nothing_to_the_blinds_before_it():
    assert _begin(a_game(boss=THE_NEEDLE, number=2)).round.hands_left == 4


def test_the_hook_takes_two_held_cards_before_each_hand():
    game = after(a_game(HAND, boss=THE_HOOK), PLAY_CARDS, "As Ah")
    stayed = held(game.round.hand)[cards("Kd 9s 7c 5h 3d 2s", 6)].sum()
    assert stayed == 4 and count(game.round.pile) == 52 - 8 - 4
    assert game.round.discards_used == 0


def test_the_ox_takes_all_money_for_the_type_played_most():
    for ox_type, money in ((PAIR, 0), (FLUSH, 30)):
        assert (
            after(a_game(HAND, boss=THE_OX, ox_type=ox_type, money=30), PLAY_CARDS, "As Ah").money
            == money
        )


def test_the_most_played_type_is_set_at_the_end_of_a_round_the_higher_of_equals():
    plays = jnp.zeros(12, jnp.int32).at[jnp.array([HIGH_CARD, FLUSH])].set(3).at[PAIR].set(1)
    game = after(a_game(HAND, number=1, target=1)._replace(plays=plays), PLAY_CARDS, "As Ah")
    assert game.ox_type == FLUSH


def test_scoring_updates_money_levels_and_counts():
    assert after(a_game(HAND, boss=THE_TOOTH, money=9), PLAY_CARDS, "As Ah").money == 7
    levels = jnp.ones(12, jnp.int32).at[PAIR].set(4)
    assert after(a_game(HAND, boss=THE_ARM, levels=levels), PLAY_CARDS, "As Ah").levels[PAIR] == 3
    blocked = after(a_game(HAND, boss=THE_PSYCHIC), PLAY_CARDS, "As Ah")
    assert blocked.round.score == 0 and blocked.plays[PAIR] == 1


def test_the_pillar_remembers_the_cards_of_the_ante():
    game = after(a_game(HAND, number=1, target=1), PLAY_CARDS, "As Ah")
    assert np.flatnonzero(held(game.played_this_ante)).tolist() == sorted(
        cards("As Ah", 2).tolist()
    )
    tired = a_game(HAND, boss=THE_PILLAR)._replace(played_this_ante=game.played_this_ante)
    assert after(tired, PLAY_CARDS, "As Ah").round.score == 10 * 2


def test_crimson_heart_disables_a_joker_and_then_another():
    game = a_game(
        HAND,
        boss=CRIMSON_HEART,
        number=24,
        jokers=["Joker", "Baron", "Egg"],
        disabled=1,
        target=10**6,
    )
    seen = set()
    for i in range(20):
        seen.add(int(after(game, PLAY_CARDS, "2s", jax.random.key(i)).round.disabled))
    assert seen == {0, 2}
    alone = a_game(HAND, boss=CRIMSON_HEART, number=24, jokers=["Joker"], disabled=0, target=10**6)
    assert after(alone, PLAY_CARDS, "2s").round.disabled == 0


def test_mr_bones_saves_no_run_while_he_is_disabled():
    jokers = {"jokers": ["Joker", "Mr. Bones"], "boss": CRIMSON_HEART, "number": 24}
    for disabled, won in ((1, False), (0, True)):
        last = a_game(HAND, target=4 * 64, hands_left=1, disabled=disabled, **jokers)
        assert after(last, PLAY_CARDS, "As Ah").won == won


def test_the_disabled_joker_stays_the_same_when_one_to_its_left_is_used_up():
    jokers = ["Ramen", "Ice Cream", "Joker", "Baron"]
    game = a_game(HAND, jokers, CRIMSON_HEART, 24, disabled=3, target=10**6)
    state = game.jokers.state.at[:2].set(jnp.float32([1.01, 5.0]))
    game = game._replace(jokers=game.jokers._replace(state=state))
    discarded = after(game, DISCARD_CARDS, "2s")
    assert discarded.jokers.ids[0] == joker_id("Ice Cream") and discarded.round.disabled == 2
    # Ice Cream goes with the hand, and Baron, who slept, is not disabled again
    seen = {
        int(after(discarded, PLAY_CARDS, "3d", jax.random.key(i)).round.disabled) for i in range(20)
    }
    assert seen == {0}


def test_a_disabled_joker_keeps_its_counter_through_a_discard():
    green = a_game(
        HAND, boss=CRIMSON_HEART, number=24, jokers=["Green Joker"], disabled=0, target=10**6
    )
    green = green._replace(jokers=green.jokers._replace(state=green.jokers.state.at[0].set(7.0)))
    assert after(green, DISCARD_CARDS, "2s").jokers.state[0] == 7.0
    free = green._replace(boss=jnp.int32(0), round=green.round._replace(disabled=jnp.int32(-1)))
    assert after(free, DISCARD_CARDS, "2s").jokers.state[0] == 6.0


def test_cerulean_bell_forces_one_held_card_after_another():
    game = after(a_game(HAND, boss=CERULEAN_BELL, number=24, target=10**6), PLAY_CARDS, "2s")
    forced = game.round.forced
    assert count(forced) == 1 and count(forced & game.round.hand) == 1
    name = slots_of(forced)[:1]
    game = _step(KEY, game, jnp.int32(PLAY_CARDS), set_of(name))
    assert count(game.round.forced) == 1 and slots_of(game.round.forced)[0] != name[0]


@pytest.mark.parametrize("ante", [1, 3, 8])
def test_the_least_used_bosses_of_an_ante_are_drawn(ante):
    enabled = enabled_bosses()
    may = enabled & ((ante == 8) == FINISHER) & (ante >= MIN_ANTE)
    uses, came = jnp.zeros(NUM_BOSSES, jnp.int32), []
    draw = jax.jit(lambda key, uses: draw_boss(key, jnp.int32(ante), uses, enabled))
    for i in range(2 * may.sum()):
        boss, uses = draw(jax.random.key(i), uses)
        came.append(int(boss))
    assert sorted(came) == sorted(2 * np.flatnonzero(may).tolist())
    assert BOSSES[0].name not in {BOSSES[boss].name for boss in came}
    assert {*came[: may.sum()]} == {*came[may.sum() :]}


def test_play_goes_on_until_the_blind_is_decided():
    game = a_game(HAND, number=1, target=10**6)
    for left in (3, 2, 1):
        which = slots_of(game.round.hand)[:1]
        game = _step(KEY, game, jnp.int32(PLAY_CARDS), set_of(which))
        assert (game.phase, game.round.hands_left) == (PLAY, left)
    assert (
        _step(KEY, game, jnp.int32(PLAY_CARDS), set_of(slots_of(game.round.hand)[:1])).phase == DONE
    )


def in_shop():
    game = a_game(number=1, phase=SHOP, money=20)
    return game._replace(
        shop=game.shop._replace(reroll_price=jnp.int32(5), moves_left=jnp.int32(8))
    )


def test_the_next_blind_is_dealt_when_the_shop_is_left():
    game = after(in_shop(), LEAVE, "")
    assert (game.phase, game.number, game.round.target) == (PLAY, 2, 450) and count(
        game.round.hand
    ) == 8


def test_a_reroll_fills_both_slots():
    game = after(in_shop(), REROLL, "")
    assert (game.phase, game.money) == (SHOP, 15) and (game.shop.kind > 0).tolist() == [
        True,
        True,
        False,
        False,
    ]
