"""The course of a run: applying moves, cashing out, and going on to the next blind."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Key

from elsinore.jaxtools.prng import for_use
from elsinore.worlds.balatro.rules import blinds, joker_slots, money, offers, shop
from elsinore.worlds.balatro.rules import round as rounds
from elsinore.worlds.balatro.rules.deck import count, no_cards, select
from elsinore.worlds.balatro.rules.game import (
    BEGIN,
    DISCARD_CARDS,
    DONE,
    JOKER_SLOTS,
    LEAVE,
    PLAY,
    PLAY_CARDS,
    REROLL,
    SEED_MONEY,
    SELECT,
    SHOP,
    Game,
    Jokers,
    Move,
    Rules,
    case,
    new_round,
    new_run,
    when,
)
from elsinore.worlds.balatro.rules.hands import NUM_HANDS
from elsinore.worlds.balatro.rules.jokers import joker_id
from elsinore.worlds.balatro.rules.stages import Stage

Decks = Int[Array, "blind 52"] | None

_MR_BONES, _GROS_MICHEL = joker_id("Mr. Bones"), joker_id("Gros Michel")
_BONES_SHARE = 4  # saved at 1 / this share of the target
_SEED_MONEY_CAP = 10  # steps of $5 that earn interest


def first_deal(
    key: Key[Array, ""], max_ante: Int[Array, ""] | int, rules: Rules, decks: Decks = None
) -> Game:
    """A new run at its first blind."""
    game = announce(key, new_run(max_ante), rules)
    return deal(key, game, jnp.bool_(False), rules, decks)


def apply_move(
    key: Key[Array, ""], game: Game, move: Move, rules: Rules, decks: Decks = None
) -> Game:
    """Apply a legal move, up to the next decision. A finished game does not change."""
    played = rounds.play_cards(key, game, move.cards, rules)
    discarded = rounds.discard_cards(game, move.cards, rules)
    game = case({PLAY_CARDS: played, DISCARD_CARDS: discarded}, move.kind, game)
    game, goes_on = settle(key, game, rules)
    if rules.stage >= Stage.BOSSES:  # for the next hand, once the joker of this one has been asked
        disabled = rounds.disable_joker(key, game, rules)
        game = when(move.kind == PLAY_CARDS, disabled, game)
    if rules.stage >= Stage.SHOP:
        opens, goes_on = goes_on, (game.phase == SHOP) & (move.kind == LEAVE)
        game = when(opens, shop.open_shop(game, rules), game)
        game = shop.trade(key, game, move, rules)
        stocks = opens | (move.kind == REROLL)
        game = game._replace(shop=when(stocks, offers.restock(key, game, opens, rules), game.shop))
    game = when(goes_on, announce(key, game, rules), game)
    return deal(key, game, move.kind == BEGIN, rules, decks)


def settle(key: Key[Array, ""], game: Game, rules: Rules) -> tuple[Game, Bool[Array, ""]]:
    """Win, lose or cash out if the blind is decided; also returns True if the run continues."""
    playing, now = game.phase == PLAY, game.round
    beaten = playing & (now.score >= now.target)
    out_of_cards = count(now.hand) + count(now.pile) == 0
    lost = playing & ~beaten & ((now.hands_left <= 0) | out_of_cards)
    if rules.stage >= Stage.JOKERS:
        active = now.disabled != np.arange(JOKER_SLOTS)
        has_bones = ((game.jokers.ids == _MR_BONES) & active).any()
        saved = lost & has_bones & (now.score * _BONES_SHARE >= now.target)
        beaten, lost = beaten | saved, lost & ~saved
        game = game._replace(jokers=when(saved, _without_bones(game), game.jokers))
    if rules.stage >= Stage.SHOP:
        game = when(beaten, _paid(key, game, rules), game)
    won = beaten & (game.number >= 3 * game.max_ante)
    game = game._replace(
        beaten=game.beaten + beaten,
        won=game.won | won,
        phase=jnp.where(lost | won, DONE, game.phase),
        round=now._replace(hand=select(beaten, no_cards(), now.hand)),
    )
    return game, beaten & ~won


def announce(key: Key[Array, ""], game: Game, rules: Rules) -> Game:
    """Announce the next blind; its cards are not dealt yet."""
    game = game._replace(number=game.number + 1, phase=jnp.int32(SELECT))
    new_ante = game.blind == blinds.SMALL_BLIND
    game = game._replace(played_this_ante=select(new_ante, no_cards(), game.played_this_ante))
    if rules.stage >= Stage.BOSSES:
        boss, uses = blinds.draw_boss(
            for_use(key, "boss"), game.ante, game.boss_uses, np.array(rules.bosses)
        )
        game = game._replace(
            boss=jnp.where(new_ante, boss, game.boss),
            boss_uses=jnp.where(new_ante, uses, game.boss_uses),
        )
    return game._replace(round=new_round(blinds.target(game.ante, game.blind, game.boss)))


def deal(
    key: Key[Array, ""], game: Game, starts: Bool[Array, ""], rules: Rules, decks: Decks
) -> Game:
    """Start the announced blind if it is due, and fill the hand."""
    begins = (game.phase == SELECT) & (rules.auto_select | starts)
    game = when(begins, rounds.start_blind(key, game, rules), game)
    return rounds.refill(key, game, rules, decks)


def _paid(key: Key[Array, ""], game: Game, rules: Rules) -> Game:
    """Apply the cash-out: reward, interest, and the jokers' end of round."""
    now, jokers = game.round, game.jokers
    paid = money.cash_out(
        money.WonRound(
            blind_kind=game.blind,
            boss_id=game.boss,
            hands_left=now.hands_left,
            discards_left=now.discards_left,
            discards_used=now.discards_used,
            money=game.money,
            joker_ids=jokers.ids,
            joker_state=jokers.state,
            joker_sell=jokers.sell,
            planets_used=game.planets_used,
            interest_cap=jnp.where(game.vouchers[SEED_MONEY], _SEED_MONEY_CAP, money.INTEREST_CAP),
            key=for_use(key, "end of round"),
        ),
        rules.stage,
    )
    died = ((jokers.ids == _GROS_MICHEL) & ~paid.joker_alive).any()
    # the higher type of equally played ones
    most_played = NUM_HANDS - 1 - jnp.argmax(game.plays[::-1])
    return game._replace(
        money=paid.money,
        jokers=joker_slots.keep_jokers(
            jokers._replace(state=paid.joker_state, sell=paid.joker_sell), paid.joker_alive
        ),
        gros_michel_died=game.gros_michel_died | died,
        ox_type=most_played.astype(jnp.int32),
    )


def _without_bones(game: Game) -> Jokers:
    """The jokers without Mr. Bones."""
    return joker_slots.keep_jokers(
        game.jokers, (game.jokers.ids > 0) & (game.jokers.ids != _MR_BONES)
    )
