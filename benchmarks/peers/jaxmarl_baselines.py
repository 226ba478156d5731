"""A trainer of JaxMARL's, read from a checkout.

Its files import hydra, omegaconf and wandb for a command line of their own and a report a rollout;
stand-ins that do nothing take their places.
"""

import sys
from pathlib import Path
from types import ModuleType


def load(source: Path, file: str) -> ModuleType:
    """The file of the checkout as a module."""
    path = source / file
    if not path.is_file():
        sys.exit(f"error: --source={source} holds no {file}; give a checkout of FLAIROx/JaxMARL")
    for name, parts in {
        "hydra": {"main": lambda **_: lambda function: function},
        "omegaconf": {"OmegaConf": None},
        "wandb": {"log": lambda metric: None},
    }.items():
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(parts)
    module = ModuleType(f"jaxmarl_{path.stem}")
    sys.modules[module.__name__] = module  # flax looks its modules' home up by name
    exec(compile(path.read_text(), str(path), "exec"), module.__dict__)
    return module
