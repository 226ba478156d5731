"""JaxMARL's PQN of a team's summed values, read from a checkout: its own settings, all seeds in one
program.

    python benchmarks/peers/jaxmarl_pqn.py --source DIR --seeds 8 --env-steps 1800000

The file is `baselines/QLearning/pqn_vdn_ff.py`, the settings `config/alg/pqn_vdn_ff_mpe.yaml`. Env
steps are those of all agents together, as ours are: 30,000,000 are its own budget.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])  # the repository, for the shared files

from benchmarks.peers.jaxmarl_greedy import main  # noqa: E402

SETTINGS = {
    "NUM_ENVS": 256,
    "NUM_STEPS": 16,
    "HIDDEN_SIZE": 256,
    "NUM_LAYERS": 2,
    "NORM_TYPE": "layer_norm",
    "DUELING": False,
    "EPS_START": 1.0,
    "EPS_FINISH": 0.1,
    "EPS_DECAY": 0.1,
    "MAX_GRAD_NORM": 1,
    "NUM_MINIBATCHES": 16,
    "NUM_EPOCHS": 4,
    "LR": 0.0005,
    "LR_LINEAR_DECAY": False,
    "GAMMA": 0.9,
    "LAMBDA": 0.3,
}


if __name__ == "__main__":
    main(
        __doc__,
        "baselines/QLearning/pqn_vdn_ff.py",
        SETTINGS,
        learnt=lambda state: {"params": state.params, "batch_stats": state.batch_stats},
        network={
            "hidden_size": SETTINGS["HIDDEN_SIZE"],
            "num_layers": SETTINGS["NUM_LAYERS"],
            "norm_type": SETTINGS["NORM_TYPE"],
            "dueling": SETTINGS["DUELING"],
        },
    )
