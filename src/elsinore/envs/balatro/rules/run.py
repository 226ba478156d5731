"""A run from its first blind to its end: what each move leads to."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Key

from elsinore.envs.balatro.rules import blinds, money, rack, shop, stages, stock
from elsinore.envs.balatro.rules import round as rounds
from elsinore.envs.balatro.rules.deck import no_cards, where
from elsinore.envs.balatro.rules.game import (
    BEGIN,
    DISCARD_CARDS,
    DONE,
    LEAVE,
    PLAY,
    PLAY_CARDS,
    REROLL,
    SEED_MONEY,
    SELECT,
    SHOP,
    Game,
    Move,
    Rules,
    case,
    new_round,
    new_run,
    when,
)
from elsinore.envs.balatro.rules.hands import NUM_HANDS
from elsinore.envs.balatro.rules.jokers import joker_id
from elsinore.ops.randomness import for_use

Decks = Int[Array, "blind 52"] | None

_MR_BONES, _GROS_MICHEL = joker_id("Mr. Bones"), joker_id("Gros Michel")
_BONES_SHARE = 4  # of the target that saves: one in so many
_SEED_MONEY_CAP = 10  # brackets of $5 that earn


def first_deal(key: Key[Array, ""], max_ante: Int[Array, ""], rules: Rules, decks: Decks = None) -> Game:
    """A new run at its first blind."""
    game = announce(key, new_run(max_ante), rules)
    return deal(key, game, jnp.bool_(False), rules, decks)


def step(key: Key[Array, ""], game: Game, move: Move, rules: Rules, decks: Decks = None) -> Game:
    """What a legal move leads to, up to the next decision. Nothing happens in a game that is done."""
    played, discarded = rounds.play(key, game, move.cards, rules), rounds.discard(game, move.cards, rules)
    game = case({PLAY_CARDS: played, DISCARD_CARDS: discarded}, move.kind, game)
    game, goes_on = settle(key, game, rules)
    if rules.stage >= stages.SHOP:
        opens, goes_on = goes_on, (game.phase == SHOP) & (move.kind == LEAVE)
        game = when(opens, shop.opened(game, rules), game)
        game = shop.trade(key, game, move, rules)
        stocks = opens | (move.kind == REROLL)
        game = game._replace(shop=when(stocks, stock.restocked(key, game, opens, rules), game.shop))
    game = when(goes_on, announce(key, game, rules), game)
    return deal(key, game, move.kind == BEGIN, rules, decks)


def settle(key: Key[Array, ""], game: Game, rules: Rules) -> tuple[Game, Bool[Array, ""]]:
    """Win, lose or be paid where the blind is decided; and whether it was beaten and the run goes on."""
    playing, now = game.phase == PLAY, game.round
    beaten = playing & (now.score >= now.target)
    lost = playing & ~beaten & (now.hands_left <= 0)
    if rules.stage >= stages.JOKERS:
        saved = lost & (rack.owned(game.jokers, _MR_BONES) > 0) & (now.score * _BONES_SHARE >= now.target)
        beaten, lost = beaten | saved, lost & ~saved
        game = game._replace(jokers=when(saved, _without_bones(game), game.jokers))
    if rules.stage >= stages.SHOP:
        game = when(beaten, _paid(key, game, rules), game)
    won = beaten & (game.number >= 3 * game.max_ante)
    game = game._replace(
        beaten=game.beaten + beaten,
        won=game.won | won,
        phase=jnp.where(lost | won, DONE, game.phase),
        round=now._replace(hand=where(beaten, no_cards(), now.hand)),
    )
    return game, beaten & ~won


def announce(key: Key[Array, ""], game: Game, rules: Rules) -> Game:
    """The next blind is next; it can be seen, and is not dealt yet."""
    game = game._replace(number=game.number + 1, phase=jnp.int32(SELECT))
    new_ante = game.blind == blinds.SMALL
    game = game._replace(played_this_ante=where(new_ante, no_cards(), game.played_this_ante))
    if rules.stage >= stages.BOSSES:
        boss, uses = blinds.draw_boss(for_use(key, "boss"), game.ante, game.boss_uses, np.array(rules.bosses))
        game = game._replace(
            boss=jnp.where(new_ante, boss, game.boss), boss_uses=jnp.where(new_ante, uses, game.boss_uses)
        )
    return game._replace(round=new_round(blinds.target(game.ante, game.blind, game.boss)))


def deal(key: Key[Array, ""], game: Game, chosen: Bool[Array, ""], rules: Rules, decks: Decks) -> Game:
    """The hand is filled up, that of a new blind if one begins now."""
    begins = (game.phase == SELECT) & (rules.auto_select | chosen)
    game = when(begins, rounds.begin(key, game, rules), game)
    return rounds.refill(key, game, rules, decks)


def _paid(key: Key[Array, ""], game: Game, rules: Rules) -> Game:
    """The blind's reward, interest, and what jokers earn and become at the end of a round."""
    now, jokers = game.round, game.jokers
    paid = money.cash_out(
        money.Round(
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
    most_played = NUM_HANDS - 1 - jnp.argmax(game.plays[::-1])  # the higher type where two are played alike
    return game._replace(
        money=paid.money,
        jokers=rack.kept(jokers._replace(state=paid.joker_state, sell=paid.joker_sell), paid.joker_alive),
        gros_michel_died=game.gros_michel_died | died,
        ox_type=most_played.astype(jnp.int32),
    )


def _without_bones(game: Game):
    """Mr. Bones is used up."""
    return rack.kept(game.jokers, (game.jokers.ids > 0) & (game.jokers.ids != _MR_BONES))
