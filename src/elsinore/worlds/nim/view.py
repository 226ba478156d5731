"""View of Nim: the stones in rows of `most` + 1, and the moves so far."""

from elsinore.envs.scene import Facts, Grid, Scene, Thing

steps_per_second = 1.5


def scene(env, params, state) -> Scene:
    """Scene of the learner's turn: the stones that are left, and the rival's last move."""
    width, heap, answer = env.most + 1, int(state.heap), int(state.answer)
    stones = tuple(Thing(i % width, i // width, "o", "goal", token=True) for i in range(heap))
    gone = tuple(
        Thing(i % width, i // width, "x", "rival", token=True) for i in range(heap, heap + answer)
    )
    board = Grid("the heap", width, -(-env.heap // width), (*stones, *gone))
    facts = (
        ("stones", str(heap)),
        ("taken by the rival", str(answer) if answer else "-"),
        ("moves of the learner", str(int(state.time))),
    )
    return Scene(env.name, (board, Facts("the game", facts)))


def action_names(env, params) -> tuple[str, ...]:
    return tuple(f"take {i + 1}" for i in range(env.most))
