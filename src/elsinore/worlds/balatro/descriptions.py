"""Short descriptions of jokers, bosses, tarots and vouchers for human players."""

from collections.abc import Iterator
from typing import Any

from elsinore.worlds.balatro.rules.blinds import BOSS_BLIND
from elsinore.worlds.balatro.rules.bosses import BOSS_NAMES
from elsinore.worlds.balatro.rules.game import SHOP, VOUCHERS
from elsinore.worlds.balatro.rules.hands import HANDS, LEVEL_CHIPS, LEVEL_MULT, PLANETS
from elsinore.worlds.balatro.rules.jokers import JOKER_NAMES
from elsinore.worlds.balatro.rules.offers import TAROTS
from elsinore.worlds.balatro.rules.stages import Stage

JOKER_WORDS = {
    "Joker": "+4 mult",
    "Greedy Joker": "+3 mult for each diamond scored",
    "Lusty Joker": "+3 mult for each heart scored",
    "Wrathful Joker": "+3 mult for each spade scored",
    "Gluttonous Joker": "+3 mult for each club scored",
    "Jolly Joker": "+8 mult if the hand contains a pair",
    "Zany Joker": "+12 mult if it contains three of a kind",
    "Mad Joker": "+10 mult if it contains two pair",
    "Crazy Joker": "+12 mult if it contains a straight",
    "Droll Joker": "+10 mult if it contains a flush",
    "Sly Joker": "+50 chips if it contains a pair",
    "Wily Joker": "+100 chips if it contains three of a kind",
    "Clever Joker": "+80 chips if it contains two pair",
    "Devious Joker": "+100 chips if it contains a straight",
    "Crafty Joker": "+80 chips if it contains a flush",
    "Half Joker": "+20 mult if three cards or fewer are played",
    "Joker Stencil": "mult x1 for each free joker slot, itself included",
    "Banner": "+30 chips for each discard left",
    "Mystic Summit": "+15 mult if no discards are left",
    "Raised Fist": "+ twice the chips of the lowest card held, as mult",
    "Fibonacci": "+8 mult for each ace, 2, 3, 5, 8 scored",
    "Scary Face": "+30 chips for each face scored",
    "Abstract Joker": "+3 mult for each joker owned",
    "Even Steven": "+4 mult for each 2, 4, 6, 8, 10 scored",
    "Odd Todd": "+31 chips for each ace, 3, 5, 7, 9 scored",
    "Scholar": "+20 chips and +4 mult for each ace scored",
    "Blackboard": "mult x3 if all cards held are spades or clubs",
    "Splash": "every card played scores",
    "Blue Joker": "+2 chips for each card left to draw",
    "Photograph": "mult x2 for the first face scored",
    "Baron": "mult x1.5 for each king held",
    "Walkie Talkie": "+10 chips and +4 mult for each 10, 4 scored",
    "Smiley Face": "+5 mult for each face scored",
    "Arrowhead": "+50 chips for each spade scored",
    "Onyx Agate": "+7 mult for each club scored",
    "Flower Pot": "mult x3 if all four suits score",
    "Seeing Double": "mult x2 if a club and another suit score",
    "Shoot the Moon": "+13 mult for each queen held",
    "Bull": "+2 chips for each $ owned",
    "Bootstraps": "+2 mult for every $5 owned",
    "Acrobat": "mult x3 on the last hand of a round",
    "The Duo": "mult x2 if the hand contains a pair",
    "The Trio": "mult x3 if it contains three of a kind",
    "The Family": "mult x4 if it contains four of a kind",
    "The Order": "mult x3 if it contains a straight",
    "The Tribe": "mult x2 if it contains a flush",
    "Baseball Card": "mult x1.5 for each other uncommon joker",
    "Swashbuckler": "+ what the other jokers sell for, as mult",
    "Hack": "2, 3, 4, 5 score once more",
    "Sock and Buskin": "faces score once more",
    "Hanging Chad": "the first card scores twice more",
    "Dusk": "all cards score once more on the last hand of a round",
    "Mime": "cards held count once more",
    "Supernova": "+1 mult for each time this type was played in the run",
    "Card Sharp": "mult x3 if this type was played in this round",
    "Ancient Joker": "mult x1.5 for each card scored of a suit that changes by the round",
    "Ride the Bus": "+1 mult for each hand in a row that scores no face",
    "Green Joker": "gains 1 mult a hand, loses 1 a discard",
    "Spare Trousers": "gains 2 mult whenever a hand contains two pair",
    "Square Joker": "gains 4 chips whenever four cards are played",
    "Runner": "gains 15 chips whenever a hand contains a straight",
    "Ice Cream": "+100 chips, 5 less after each hand",
    "Popcorn": "+20 mult, 4 less after each round",
    "Wee Joker": "gains 8 chips for each 2 scored",
    "Hit the Road": "mult x1, 0.5 more for each jack discarded in this round",
    "Constellation": "mult x1, 0.1 more for each planet used",
    "Flash Card": "gains 2 mult for each reroll",
    "Campfire": "mult x1, 0.25 more for each joker sold until the boss is beaten",
    "Ramen": "mult x2, 0.01 less for each card discarded",
    "Loyalty Card": "mult x4 on every sixth hand",
    "Seltzer": "all cards score once more, for ten hands",
    "Golden Joker": "$4 after each round",
    "Rough Gem": "$1 for each diamond scored",
    "Delayed Gratification": "$2 for each discard left if none was used",
    "Rocket": "$1 after each round, $2 more from each boss on",
    "Cloud 9": "$1 after each round for each 9 in the deck",
    "To the Moon": "$1 more of interest for every $5",
    "Egg": "sells for $3 more after each round",
    "Faceless Joker": "$5 if three faces or more are discarded together",
    "Satellite": "$1 after each round for each kind of planet used",
    "Drunkard": "one more discard a round",
    "Burglar": "three more hands and no discards",
    "Burnt Joker": "the first discard of a round raises the level of its type",
    "Mr. Bones": "saves a round lost with a quarter of the chips, once",
    "Credit Card": "$20 of debt allowed",
    "Gros Michel": "+15 mult; one chance in 6 after a round that it goes",
    "Cavendish": "mult x3; one chance in 1,000 after a round that it goes",
    "Misprint": "+0 to +23 mult",
    "Bloodstone": "for each heart scored mult x1.5, half the time",
    "Space Joker": "one chance in 4 that the type played goes up a level",
    "Business Card": "for each face scored $2, half the time",
}

BOSS_WORDS = {
    "The Club": "clubs give nothing",
    "The Goad": "spades give nothing",
    "The Head": "hearts give nothing",
    "The Window": "diamonds give nothing",
    "The Plant": "faces give nothing",
    "The Flint": "base chips and mult are halved",
    "The Arm": "the type played goes down a level",
    "The Psychic": "fewer than five cards score nothing",
    "The Eye": "no type scores twice",
    "The Mouth": "only the first type played scores",
    "The Pillar": "cards played in this ante before give nothing",
    "The Tooth": "each card played costs $1",
    "The Hook": "each hand takes two held cards away",
    "The Wall": "asks for twice as much",
    "The Water": "no discards",
    "The Needle": "one hand, and half as much to reach",
    "The Manacle": "hands of seven",
    "The Ox": "the type played most takes all money",
    "Violet Vessel": "asks for three times as much",
    "Crimson Heart": "each hand another joker is asleep",
    "Cerulean Bell": "one card must be chosen each time",
}

TAROT_WORDS = {
    "The Hermit": "doubles the money, $20 more at most",
    "Temperance": "pays what the jokers sell for, $50 at most",
    "The High Priestess": "two planets",
}

VOUCHER_WORDS = {
    "Overstock": "one more offer in shops",
    "Clearance Sale": "a quarter off all prices",
    "Grabber": "one more hand a round",
    "Wasteful": "one more discard a round",
    "Seed Money": "interest on up to $50",
}


def describe_table(env: Any, game: Any) -> Iterator[tuple[str, str]]:
    """Names and descriptions of the boss, the jokers and the offers on the table."""
    if env.stage >= Stage.BOSSES and int(game.boss) > 0:
        yield (
            BOSS_NAMES[int(game.boss)],
            BOSS_WORDS[BOSS_NAMES[int(game.boss)]] + NOW[int(game.blind) == BOSS_BLIND],
        )
    for joker in game.jokers.ids:
        if int(joker) > 0:
            yield JOKER_NAMES[int(joker)], JOKER_WORDS[JOKER_NAMES[int(joker)]]
    on_sale = int(game.phase) == SHOP  # a shop keeps what was left in it
    for kind, item in zip(game.shop.kind, game.shop.item, strict=True):
        if on_sale and int(kind) > 0:
            yield OFFER_WORDS[int(kind)](int(item))


def _planet(hand: int) -> tuple[str, str]:
    return (
        PLANETS[hand],
        f"{HANDS[hand]} up a level: +{LEVEL_CHIPS[hand]} chips, +{LEVEL_MULT[hand]} mult",
    )


NOW = {True: "", False: ", at the end of this ante"}
OFFER_WORDS = (  # by kind of offer
    lambda item: ("nothing", ""),
    lambda item: (JOKER_NAMES[item], JOKER_WORDS[JOKER_NAMES[item]]),
    _planet,
    lambda item: (TAROTS[item], TAROT_WORDS[TAROTS[item]]),
    lambda item: (VOUCHERS[item], VOUCHER_WORDS[VOUCHERS[item]]),
)
