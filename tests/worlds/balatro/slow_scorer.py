"""A slow reference of Balatro's scoring with loops and ifs, one hand at a time, in float64.

It shares with the rules only the names of jokers and bosses, and the rarities.
"""

import math
from collections import Counter
from types import SimpleNamespace

from elsinore.worlds.balatro.rules.bosses import BOSS_NAMES
from elsinore.worlds.balatro.rules.hands import HANDS
from elsinore.worlds.balatro.rules.jokers import JOKER_NAMES, RARITY
from elsinore.worlds.balatro.rules.jokers.joker import UNCOMMON

SPADE, HEART, CLUB, DIAMOND = range(4)
JACK, QUEEN, KING, ACE = 11, 12, 13, 14
VALUES = {  # chips and mult at level 1, and their increments for each level
    "High Card": (5, 1, 10, 1), "Pair": (10, 2, 15, 1), "Two Pair": (20, 2, 20, 1),
    "Three of a Kind": (30, 3, 20, 2), "Straight": (30, 4, 30, 3), "Flush": (35, 4, 15, 2),
    "Full House": (40, 4, 25, 2), "Four of a Kind": (60, 7, 30, 3),
    "Straight Flush": (100, 8, 40, 4),
    "Five of a Kind": (120, 12, 35, 3),
    "Flush House": (140, 14, 40, 4), "Flush Five": (160, 16, 50, 3),
}  # fmt: skip
DEBUFFED_SUIT = {"The Club": CLUB, "The Goad": SPADE, "The Head": HEART, "The Window": DIAMOND}


def rank(card):
    return card % 13 + 2


def suit(card):
    return card // 13


def is_face(card):
    return rank(card) in (JACK, QUEEN, KING)


def worth(card):
    return 11 if rank(card) == ACE else min(rank(card), 10)


def contained(cards):
    """Names of all types contained in the cards."""
    same = sorted(Counter(map(rank, cards)).values(), reverse=True)
    ranks = sorted({rank(card) for card in cards})
    five = len(cards) == 5
    row = five and len(ranks) == 5 and (ranks[4] - ranks[0] == 4 or ranks == [2, 3, 4, 5, ACE])
    flush = five and len(set(map(suit, cards))) == 1
    house = same == [3, 2]
    found = {
        "High Card": True,
        "Pair": same[0] >= 2,
        "Two Pair": same[0] in (2, 3) and same[1:2] == [2],
        "Three of a Kind": same[0] >= 3,
        "Straight": row,
        "Flush": flush,
        "Full House": house,
        "Four of a Kind": same[0] >= 4,
        "Straight Flush": row and flush,
        "Five of a Kind": same[0] == 5,
        "Flush House": house and flush,
        "Flush Five": same[0] == 5 and flush,
    }
    return {name for name, there in found.items() if there}


def best(found):
    return max(found, key=HANDS.index)


def makes_hand(cards, kind):
    """True for each scoring card, without Splash."""
    if kind == "High Card":
        return [rank(card) == max(map(rank, cards)) for card in cards]
    if kind in ("Pair", "Two Pair", "Three of a Kind", "Four of a Kind"):
        return [sum(rank(card) == rank(other) for other in cards) > 1 for card in cards]
    return [True] * len(cards)


def is_debuffed(card, boss, played_this_ante):
    if boss == "The Plant":
        return is_face(card)
    if boss == "The Pillar":
        return bool(played_this_ante[card])
    return boss in DEBUFFED_SUIT and suit(card) == DEBUFFED_SUIT[boss]


def is_blocked(boss, cards, kind, play):
    number = HANDS.index(kind)
    return (
        (boss == "The Psychic" and len(cards) < 5)
        or (boss == "The Eye" and play["eye_used"][number])
        or (boss == "The Mouth" and play["mouth_type"] not in (-1, number))
    )


def retriggers(name, card, first, last_hand):
    """Further triggers that one joker gives a scoring card."""
    return {
        "Hack": rank(card) <= 5,
        "Sock and Buskin": is_face(card),
        "Hanging Chad": 2 * first,
        "Dusk": last_hand,
        "Seltzer": 1,
    }.get(name, 0)


def on_card(name, card, first_face, ancient_suit):
    """Chips, mult, dollars and factor of one joker at one trigger of a scoring card that always
    comes true."""
    r, s = rank(card), suit(card)
    face, ace = is_face(card), r == ACE
    even, odd = r in (2, 4, 6, 8, 10), r in (3, 5, 7, 9, ACE)
    chips = {
        "Scary Face": 30 * face,
        "Odd Todd": 31 * odd,
        "Scholar": 20 * ace,
        "Arrowhead": 50 * (s == SPADE),
    }
    chips["Walkie Talkie"] = 10 * (r in (10, 4))
    mult = {
        "Greedy Joker": 3 * (s == DIAMOND),
        "Lusty Joker": 3 * (s == HEART),
        "Wrathful Joker": 3 * (s == SPADE),
    }
    mult |= {
        "Gluttonous Joker": 3 * (s == CLUB),
        "Onyx Agate": 7 * (s == CLUB),
        "Smiley Face": 5 * face,
    }
    mult |= {"Fibonacci": 8 * (r in (2, 3, 5, 8, ACE)), "Even Steven": 4 * even, "Scholar": 4 * ace}
    mult["Walkie Talkie"] = 4 * (r in (10, 4))
    times = {"Photograph": 2 if first_face else 1, "Ancient Joker": 1.5 if s == ancient_suit else 1}
    return (
        chips.get(name, 0),
        mult.get(name, 0),
        int(name == "Rough Gem" and s == DIAMOND),
        times.get(name, 1),
    )


def by_luck(name, card):
    """Dollars and factor of one joker at one trigger that chance makes true."""
    return 2 * (name == "Business Card" and is_face(card)), (
        1.5 if name == "Bloodstone" and suit(card) == HEART else 1
    )


def on_held(name, card, lowest):
    """Mult and factor of one joker at one trigger of a card held in hand."""
    if name == "Raised Fist" and lowest:
        return 2 * worth(card), 1
    return 13 * (name == "Shoot the Moon" and rank(card) == QUEEN), (
        1.5 if name == "Baron" and rank(card) == KING else 1
    )


def on_hand(name, at):
    """Chips, mult and factor of one joker in its own step, from the facts `at`."""
    found, counter, money = at["found"], at["counter"], max(at["money"], 0)
    chips = {
        "Sly Joker": 50 * ("Pair" in found),
        "Wily Joker": 100 * ("Three of a Kind" in found),
        "Clever Joker": 80 * ("Two Pair" in found),
        "Devious Joker": 100 * ("Straight" in found),
        "Crafty Joker": 80 * ("Flush" in found),
        "Banner": 30 * at["discards_left"],
        "Blue Joker": 2 * at["deck_left"],
        "Bull": 2 * money,
        "Square Joker": counter,
        "Runner": counter,
        "Ice Cream": counter,
        "Wee Joker": counter,
    }
    mult = {
        "Joker": 4,
        "Jolly Joker": 8 * ("Pair" in found),
        "Zany Joker": 12 * ("Three of a Kind" in found),
        "Mad Joker": 10 * ("Two Pair" in found),
        "Crazy Joker": 12 * ("Straight" in found),
        "Droll Joker": 10 * ("Flush" in found),
        "Half Joker": 20 * (at["num_played"] <= 3),
        "Mystic Summit": 15 * (at["discards_left"] == 0),
        "Abstract Joker": 3 * at["num_jokers"],
        "Bootstraps": 2 * (money // 5),
        "Swashbuckler": at["sell_of_others"],
        "Supernova": at["times_played"],
        "Ride the Bus": counter,
        "Green Joker": counter,
        "Spare Trousers": counter,
        "Popcorn": counter,
        "Flash Card": counter,
        "Gros Michel": 15,
        "Misprint": at["misprint"],
    }
    times = {
        "Joker Stencil": max(5 - at["num_jokers"] + at["num_stencils"], 1),
        "Blackboard": 3 if at["dark"] else 1,
        "Flower Pot": 3 if at["four_suits"] else 1,
        "Seeing Double": 2 if at["club_and_another"] else 1,
        "Acrobat": 3 if at["last_hand"] else 1,
        "The Duo": 2 if "Pair" in found else 1,
        "The Trio": 3 if "Three of a Kind" in found else 1,
        "The Family": 4 if "Four of a Kind" in found else 1,
        "The Order": 3 if "Straight" in found else 1,
        "The Tribe": 2 if "Flush" in found else 1,
        "Card Sharp": 3 if at["played_this_round"] else 1,
        "Loyalty Card": 4 if counter % 6 == 5 else 1,
        "Hit the Road": counter,
        "Constellation": counter,
        "Campfire": counter,
        "Ramen": counter,
        "Cavendish": 3,
    }
    return chips.get(name, 0), mult.get(name, 0), times.get(name, 1)


def grown(name, counter, hand):
    """A counter after the pass before scoring."""
    if name == "Ride the Bus":
        return 0 if any(map(is_face, hand.policy_state)) else counter + 1
    more = {
        "Green Joker": 1,
        "Spare Trousers": 2 * ("Two Pair" in hand.found),
        "Square Joker": 4 * (len(hand.cards) == 4),
    }
    return counter + (more | {"Runner": 15 * ("Straight" in hand.found)}).get(name, 0)


def slow_score(play, draws):
    """What becomes of a hand, with its attributes as `score` names them. `play` and `draws` hold
    plain numbers."""
    hand = set_out(play)
    if not hand.blocked:
        before(hand, play, draws)
        played_cards(hand, play, draws)
        held_cards(hand)
        jokers_in_turn(hand, play, draws)
    after(hand)
    hand.score = math.floor(hand.chips * hand.mult)
    return hand


def set_out(play):
    """The hand before anything scores: its type, what the boss does, and what each joker has
    counted."""
    cards, held = ([card for card in play[where] if card >= 0] for where in ("played", "held"))
    boss, found = BOSS_NAMES[play["boss_id"]], contained(cards)
    kind, owned = best(found), [JOKER_NAMES[number] for number in play["joker_ids"]]
    jokers = ["none" if slot == play["disabled_joker"] else name for slot, name in enumerate(owned)]
    scoring = [
        card
        for card, makes in zip(cards, makes_hand(cards, kind), strict=True)
        if makes or "Splash" in jokers
    ]
    hand = SimpleNamespace(
        cards=cards,
        held=held,
        boss=boss,
        found=found,
        kind=kind,
        type=HANDS.index(kind),
        owned=owned,
        jokers=jokers,
        scoring=scoring,
        chips=0,
        mult=0,
        joker_state=list(play["joker_state"]),
        money=play["money"],
        blocked=is_blocked(boss, cards, kind, play),
        last_hand=play["hands_left"] == 0,
    )
    hand.is_debuffed = lambda card: is_debuffed(card, boss, play["played_this_ante"])
    hand.policy_state = [card for card in scoring if not hand.is_debuffed(card)]
    hand.level = play["levels"][hand.type]
    if boss == "The Arm":
        hand.level = max(hand.level - 1, 1)
    if boss == "The Tooth":
        hand.money -= len(cards)
    if hand.type == play["ox_type"]:
        hand.money = 0
    return hand


def before(hand, play, draws):
    chips, mult, more_chips, more_mult = VALUES[hand.kind]
    for slot, name in enumerate(hand.jokers):
        hand.joker_state[slot] = grown(name, hand.joker_state[slot], hand)
        hand.level += name == "Space Joker" and bool(draws["level_up"][slot])
    hand.chips, hand.mult = (
        chips + (hand.level - 1) * more_chips,
        mult + (hand.level - 1) * more_mult,
    )
    if hand.boss == "The Flint":
        hand.chips, hand.mult = (
            math.floor(hand.chips / 2 + 0.5),
            max(1, math.floor(hand.mult / 2 + 0.5)),
        )


def played_cards(hand, play, draws):
    faces = [
        i for i, card in enumerate(hand.scoring) if is_face(card) and not hand.is_debuffed(card)
    ]
    places = [i for i, card in enumerate(play["played"]) if card in hand.scoring]
    for i, card in enumerate(hand.scoring):
        if hand.is_debuffed(card):
            continue
        for again in range(
            1 + sum(retriggers(name, card, i == 0, hand.last_hand) for name in hand.jokers)
        ):
            hand.chips += worth(card)
            for slot, name in enumerate(hand.jokers):
                chips, mult, dollars, times = on_card(
                    name, card, faces[:1] == [i], play["ancient_suit"]
                )
                if draws["triggers"][slot][places[i]][again]:
                    lucky_dollars, lucky_times = by_luck(name, card)
                    dollars, times = dollars + lucky_dollars, times * lucky_times
                hand.joker_state[slot] += 8 * (name == "Wee Joker" and rank(card) == 2)
                hand.chips += chips
                hand.mult = (hand.mult + mult) * times
                hand.money += dollars


def held_cards(hand):
    lowest = min(map(rank, hand.held), default=0)
    last_lowest = max((i for i, card in enumerate(hand.held) if rank(card) == lowest), default=-1)
    for i, card in enumerate(hand.held):
        if hand.is_debuffed(card):
            continue
        for _ in range(1 + hand.jokers.count("Mime")):
            for name in hand.jokers:
                mult, times = on_held(name, card, i == last_lowest)
                hand.mult = (hand.mult + mult) * times


def jokers_in_turn(hand, play, draws):
    for slot, name in enumerate(hand.jokers):
        at = {
            "found": hand.found,
            "counter": hand.joker_state[slot],
            "money": hand.money,
            "last_hand": hand.last_hand,
            "discards_left": play["discards_left"],
            "deck_left": play["deck_left"],
            "num_played": len(hand.cards),
            "num_jokers": 5 - hand.owned.count("none"),
            "num_stencils": hand.owned.count("Joker Stencil"),
            "sell_of_others": sum(play["joker_sell"]) - play["joker_sell"][slot],
            "times_played": play["plays_run"][hand.type] + 1,
            "played_this_round": play["plays_round"][hand.type] > 0,
            "dark": all(suit(card) in (SPADE, CLUB) for card in hand.held),
            "four_suits": len(set(map(suit, hand.scoring))) == 4,
            "misprint": draws["to_23"][slot],
            "club_and_another": {suit(card) == CLUB for card in hand.policy_state} == {True, False},
        }
        chips, mult, times = on_hand(name, at)
        hand.chips += chips
        hand.mult = (hand.mult + mult) * times
        if RARITY[JOKER_NAMES.index(hand.owned[slot])] == UNCOMMON:
            hand.mult *= 1.5 ** hand.jokers.count("Baseball Card")


def after(hand):
    for slot, name in enumerate(hand.jokers):
        hand.joker_state[slot] += {"Ice Cream": -5, "Seltzer": -1, "Loyalty Card": 1}.get(name, 0)
    spent = [
        n in ("Ice Cream", "Seltzer") and c <= 0
        for n, c in zip(hand.jokers, hand.joker_state, strict=True)
    ]
    hand.joker_alive = [
        name != "none" and not gone for name, gone in zip(hand.owned, spent, strict=True)
    ]
    hand.joker_state = [
        c * there for c, there in zip(hand.joker_state, hand.joker_alive, strict=True)
    ]
