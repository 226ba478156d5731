"""`elsinore train` with callbacks that act, and a process that loses a chunk where LOSES
names it.

python -m tests.runs.acting_run train CartPole-v1 [options of elsinore train]
"""

import os
import sys
from functools import partial, partialmethod

import jax

import elsinore
from elsinore.runs import api, pipeline, watchdog

SECONDS_OF_A_CHUNK = 5.0


@elsinore.acting
def act(record, history):
    """Lower the rate of one seed, save, and stop."""
    chunks = len(history["eval/return"])
    if chunks == 2:
        return elsinore.Action.set("algo.learning_rate", 1e-4, seed=1)
    if chunks == 3:
        return elsinore.Action.save()
    return elsinore.Action.stop() if chunks == 5 else None


def lost(self, launch, states, index):
    """A launch that never reaches the devices of one process, which goes on as if it had."""
    if index == 3 and jax.process_index() == int(os.environ["LOSES"]):
        return self._in_flight._replace(index=index)
    return launch(self, states, index)


if __name__ == "__main__":
    from elsinore.cli import main

    api.train = partial(api.train, callbacks=[act])
    if "LOSES" in os.environ:
        watchdog.LEAST, watchdog.GRACE = SECONDS_OF_A_CHUNK, 2.0
        pipeline.Pipeline._launch = partialmethod(lost, pipeline.Pipeline._launch)
    sys.exit(main())
