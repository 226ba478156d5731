"""JaxMARL's VDN, read from a checkout, on a team: its own settings, all seeds in one program.

    python benchmarks/peers/jaxmarl_vdn.py --source DIR --seeds 8 --env-steps 30000000

The file is `baselines/QLearning/vdn_ff.py`, the settings `config/alg/vdn_ff_mpe.yaml`, whose
network of two "layers" is one linear layer. Env steps are those of all agents together, as ours
are: 30,000,000 are its own budget.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])  # the repository, for the shared files

from benchmarks.peers.jaxmarl_greedy import main  # noqa: E402

SETTINGS = {
    "NUM_ENVS": 32,
    "NUM_STEPS": 16,
    "BUFFER_SIZE": 1e5,
    "BUFFER_BATCH_SIZE": 32,
    "HIDDEN_SIZE": 64,
    "NUM_LAYERS": 2,
    "EPS_START": 1.0,
    "EPS_FINISH": 0.05,
    "EPS_DECAY": 0.1,
    "MAX_GRAD_NORM": 25,
    "TARGET_UPDATE_INTERVAL": 200,
    "TAU": 1.0,
    "NUM_EPOCHS": 1,
    "LR": 0.005,
    "LEARNING_STARTS": 10_000,
    "LR_LINEAR_DECAY": True,
    "GAMMA": 0.9,
}


if __name__ == "__main__":
    main(
        __doc__,
        "baselines/QLearning/vdn_ff.py",
        SETTINGS,
        learnt=lambda state: state.params,
        network={
            "hidden_size": SETTINGS["HIDDEN_SIZE"],
            "num_layers": SETTINGS["NUM_LAYERS"],
        },
        notes=("the network of its settings is one linear layer",),
    )
