"""Names that environments have elsewhere, and what stands for them here. Only text, so that naming
an environment imports nothing."""

import re

# A pattern of names, in any capitals, and what is here.
PATTERNS = (
    (
        r"^(ALE|Atari)\b|NoFrameskip|^(?!CartPole)[A-Za-z]+-ram-v\d|^(Pong|Breakout|Asterix|Freeway|Seaquest"
        r"|SpaceInvaders|MsPacman|Qbert|BeamRider|Enduro|MontezumaRevenge)-v\d",
        "envpool/Pong-v5 and others are Atari's, stepped on the host (`elsinore envs envpool`);"
        " small versions that JAX compiles are Asterix-MinAtar, Breakout-MinAtar, Freeway-MinAtar,"
        " Seaquest-MinAtar and SpaceInvaders-MinAtar",
    ),
    (
        r"^(HalfCheetah|Hopper|Walker2d|Ant|Humanoid\w*|Pusher|InvertedPendulum"
        r"|InvertedDoublePendulum|Reacher|Swimmer)(-v\d)?$|^(dm_control|dmc)\b",
        "gym/HalfCheetah-v4 and envpool/HalfCheetah-v4 are MuJoCo's, stepped on the host; compiled"
        " are brax/hopper and others (`elsinore envs brax`), and playground/HopperHop; without a"
        " library there are Pendulum-v1, MountainCarContinuous-v0, Reacher-misc and Swimmer-misc",
    ),
    (
        r"^(LunarLander|BipedalWalker|CarRacing)",
        "gym/LunarLander-v3 and others are Gymnasium's, stepped on the host; CartPole-v1,"
        " Acrobot-v1 and Pendulum-v1 are compiled",
    ),
    (
        r"^(Navix|MiniGrid|BabyAI)\b",
        "navix/Navix-DoorKey-8x8-v0 and xminigrid/MiniGrid-DoorKey-8x8 are of two libraries"
        " (`elsinore envs navix`); FourRooms-misc and MetaMaze-misc are grid worlds without one",
    ),
    (
        r"^Craft(er|ax)?\b",
        "craftax/Craftax-Classic-Symbolic-v1 is of a library (`elsinore envs craftax`);"
        " FourRooms-misc is a small grid world",
    ),
    (
        r"^gymnasium/",
        "Gymnasium's are named gym/LunarLander-v3 and so on, stepped on the host",
    ),
    (
        r"^(smac|smax|mpe|simple_)",
        "jaxmarl/HeuristicEnemySMAX and jaxmarl/MPE_simple_spread_v3 are of a library"
        " (`elsinore envs jaxmarl`)",
    ),
    (r"^popgym", "MemoryChain-bsuite needs a memory"),
    (r"^procgen", "FourRooms-misc and MetaMaze-misc are grid worlds here"),
    (r"^CartPole-v0$", "CartPole-v1 with env_params.max_steps_in_episode=200 is the same"),
)

# Ids of libraries that are asked for without their library.
IDS = {
    "pgx": (
        "2048", "animal_shogi", "backgammon", "chess", "connect_four", "gardner_chess", "go_9x9",
        "go_19x19", "hex", "kuhn_poker", "leduc_holdem", "othello", "shogi", "tic_tac_toe",
    ),
    "jumanji": (
        "BinPack-v2", "CVRP-v1", "Cleaner-v0", "FlatPack-v0", "Game2048-v1", "GraphColoring-v1",
        "JobShop-v0", "Knapsack-v1", "MMST-v0", "Maze-v0", "Minesweeper-v0", "PacMan-v1",
        "RobotWarehouse-v0", "RubiksCube-v0", "SlidingTilePuzzle-v0", "Snake-v1", "Sudoku-v0",
        "TSP-v1", "Tetris-v0",
    ),
    "jaxmarl": ("overcooked", "overcooked_v2"),
    "playground": ("CheetahRun", "FishSwim", "HopperHop", "WalkerRun", "WalkerWalk"),
}  # fmt: skip


# A library before a colon; no attribute of a module ends in `-v1`.
LIBRARY = (
    r"(brax|craftax|envpool|jaxmarl|jumanji|navix|pgx|playground|xminigrid):"
    r"|gym(nasium)?:.+-v\d+$"
)


def env_hint(name: str) -> str | None:
    """A sentence about an environment that is elsewhere, or None."""
    if ":" in name:  # else `"module:Class"`
        slash = "an environment of a library is named with a slash, such as brax/ant"
        return f"{slash} (`elsinore envs`)" if re.match(LIBRARY, name, re.I) else None
    for suite, ids in IDS.items():
        for env_id in ids:
            if plain(name) == plain(env_id):
                return f"{suite}/{env_id} is of a library (`elsinore envs {suite}`)"
    return next((text for pattern, text in PATTERNS if re.search(pattern, name, re.I)), None)


def plain(name: str) -> str:
    """The name in small letters, without its version or size and what joins its words."""
    return re.sub(r"-v\d+$|_\d+x\d+$|[-_ ]", "", name.lower())
