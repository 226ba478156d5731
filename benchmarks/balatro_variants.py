"""What the ablations put in place of Balatro's own world and network."""

from functools import partial
from typing import Any

from gymnax.environments import spaces

from elsinore.worlds.balatro.env import Balatro
from elsinore.worlds.balatro.nets.cards import CardActorCritic, CardEncoder


class Unmasked(Balatro):
    """The same game for a policy that does not see which actions are legal; an illegal one does
    nothing."""

    def observe(self, key: Any, state: Any, action: Any, params: Any) -> Any:
        return {
            name: part
            for name, part in super().observe(key, state, action, params).items()
            if name != "action_mask"
        }

    def observation_space(self, params: Any = None) -> spaces.Dict:
        shown = super().observation_space(params).spaces
        return spaces.Dict({name: space for name, space in shown.items() if name != "action_mask"})


def plain_head(num_outputs: int) -> CardActorCritic:
    """The preset's network with logits of its own for each choice of cards."""
    return CardActorCritic(partial(CardEncoder, (128, 128), "relu"), num_outputs, subsets=False)
