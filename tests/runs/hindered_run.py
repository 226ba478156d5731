"""`elsinore train` in a process that is hindered as the variables say: the one numbered STALLS
sleeps so many seconds (SECONDS) before its fourth chunk; with SAVES the first one waits a second
before a checkpoint of so many updates or more gets its name; with IN_PLACE states begin where they
will live, as on accelerators; with AT_ONCE arrays are brought to the host in pieces of so many
bytes; with HELD the chunk of that index is never launched, so that a fast
machine cannot end the run before it is killed.

python -m tests.runs.hindered_run train CartPole-v1 [options of elsinore train]
"""

import os
import sys
import time
from functools import partialmethod

import jax

from elsinore.jaxtools import host_arrays
from elsinore.runs import pipeline
from elsinore.runs.checkpoints import directory as checkpoints
from elsinore.training.layout import Layout


def stalled(self, launch, states, index):
    if index == 3 and jax.process_index() == int(os.environ["STALLS"]):
        time.sleep(float(os.environ["SECONDS"]))
    return launch(self, states, index)


def held(self, launch, states, index):
    if index >= int(os.environ["HELD"]):
        time.sleep(600.0)
        sys.exit("nothing has killed this process")
    return launch(self, states, index)


def slowly(unfinished, target, manifest, name=checkpoints._name):
    if manifest["update"] >= int(os.environ["SAVES"]):
        time.sleep(1.0)
    return name(unfinished, target, manifest)


if __name__ == "__main__":
    from elsinore.cli import main

    if "STALLS" in os.environ:
        pipeline.Pipeline._launch = partialmethod(stalled, pipeline.Pipeline._launch)
    if "HELD" in os.environ:
        pipeline.Pipeline._launch = partialmethod(held, pipeline.Pipeline._launch)
    if "SAVES" in os.environ:
        checkpoints._name = slowly
    if "IN_PLACE" in os.environ:
        Layout.inits_in_place = property(lambda layout: len(layout.devices) > 1)
    if "AT_ONCE" in os.environ:
        host_arrays.AT_ONCE = int(os.environ["AT_ONCE"])
    sys.exit(main())
