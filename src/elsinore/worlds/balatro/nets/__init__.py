"""Networks for Balatro's dictionary observations."""

from elsinore.nets.config import NetworkFamily
from elsinore.worlds.balatro.nets.cards import (
    CardActorCritic,
    CardEncoder,
    CardQNetwork,
    check_cards,
)

CARDS = NetworkFamily(CardEncoder, CardActorCritic, CardQNetwork, check_cards)
