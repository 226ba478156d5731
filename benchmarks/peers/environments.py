"""Build, once, the virtual environment in which each peer runs.

    python -m benchmarks.peers.environments rejax sbx sb3 purejaxrl

The pins are the newest set in which all of a peer's parts work together; what they in turn
need is left to the resolver.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2] / ".cache" / "peers"
STAMP = ".built-from"  # inside an environment: the requirements it was built from, written last


class Peer(NamedTuple):
    pythons: tuple[str, ...]  # the first one found is taken
    requirements: tuple[str, ...]


# Of the sets that follow, jax 0.11 needs Python 3.12.
JAX_0_11 = (
    "jax==0.11.2",
    "jaxlib==0.11.2",
    "flax==0.12.12",
    "optax==0.2.8",
    "distrax==0.1.9",
    "tfp-nightly==0.26.0.dev20261027",
    "numpy==2.5.5",
    "scipy==1.18.1",
)
JAX_0_10 = (
    "jax==0.10.2",
    "jaxlib==0.10.2",
    "flax==0.12.8",
    "optax==0.2.8",
    "tfp-nightly==0.26.0.dev20261027",
    "scipy==1.17.1",
)
TORCH = ("torch==2.13.0", "stable-baselines3==2.9.2", "gymnasium==1.3.0", "numpy==2.4.6")

PEERS = {
    # gymnax 1.x's step returns six values, and rejax reads five.
    "rejax": Peer(("3.13", "3.12"), ("rejax==0.1.3", "gymnax==0.0.9", *JAX_0_11)),
    # the same with environments of two libraries
    "rejax_suites": Peer(
        ("3.13", "3.12"),
        (
            "rejax==0.1.3",
            "gymnax==0.0.9",
            "brax==0.14.2",
            "mujoco==3.17.0",
            "mujoco-mjx==3.17.0",
            "navix==4.0.0",
            *JAX_0_11,
        ),
    ),
    # jax 0.11 and no older: under 0.10.2 its vmapped orthogonal start can hang for ever on two
    # cores.
    "purejaxrl": Peer(("3.13", "3.12"), ("gymnax==1.0.1", "six==1.17.0", *JAX_0_11)),
    # 3.11 first: where a small CPU wheel of torch is kept beside pip, it is for that Python.
    "jaxmarl": Peer(
        ("3.13", "3.12"), ("jaxmarl==0.2.0", "flashbax==0.1.3", "gymnax==1.0.1", *JAX_0_11)
    ),
    "craftax_baselines": Peer(
        ("3.13", "3.12"), ("craftax==1.6.1", "orbax-checkpoint==0.12.8", *JAX_0_11)
    ),
    "sbx": Peer(("3.11", "3.12", "3.13"), ("sbx-rl==0.28.0", *JAX_0_10, *TORCH)),
    # what its files need: `TransformObservation` has another signature in Gymnasium 1.x
    "cleanrl": Peer(
        ("3.11",),
        (
            "torch==2.13.0",
            "gymnasium==0.29.1",
            "numpy==2.4.6",
            "envpool==1.2.5",
            "tyro==1.0.17",
            "tensorboard==2.21.0",
        ),
    ),
    "sb3": Peer(("3.11", "3.12", "3.13"), (*TORCH, "gymnasium[mujoco]==1.3.0", "mujoco==3.17.0")),
}


class EnvironmentFailure(RuntimeError):
    """An environment could not be built; the message is one line that says why."""


def environment(peer: str, root: Path = ROOT) -> Path:
    """The folder of the peer's virtual environment, built on first use or after its pins
    changed."""
    if peer not in PEERS:
        raise EnvironmentFailure(f"no peer is called {peer!r}; choose from {', '.join(PEERS)}")
    folder, wanted = root / peer, "\n".join(PEERS[peer].requirements) + "\n"
    stamp = folder / STAMP
    if not (stamp.is_file() and stamp.read_text() == wanted):
        keep_out_of_git(root)
        build(peer, folder)
        stamp.write_text(wanted)
    return folder


def python_of(folder: Path) -> Path:
    return folder / "bin" / "python"


def keep_out_of_git(root: Path) -> None:
    """A cache ignores itself, wherever it was put."""
    root.mkdir(parents=True, exist_ok=True)
    (root / ".gitignore").write_text("*\n")


def build(peer: str, folder: Path) -> None:
    """With uv where it works, for it takes seconds, else with venv and pip."""
    python = find_python(peer)
    failures = []
    for builder in ([build_with_uv] if uv_works() else []) + [build_with_pip]:
        try:
            return builder(python, folder, PEERS[peer].requirements)
        except subprocess.CalledProcessError as failure:
            failures.append(f"{failure.cmd[0]}: {gist(failure.stderr)}")
    raise EnvironmentFailure(f"the environment of {peer} was not built: {'; '.join(failures)}")


def uv_works() -> bool:
    """A version manager may put a `uv` on the path that only says which version to choose."""
    try:
        return subprocess.run(["uv", "--version"], capture_output=True).returncode == 0
    except OSError:
        return False


def build_with_uv(python: Path, folder: Path, requirements: tuple[str, ...]) -> None:
    call("uv", "venv", "--clear", "--python", python, folder)
    # uv does not read pip's settings, and the wheels kept beside pip are smaller than the index's
    # (torch).
    links = {"UV_FIND_LINKS": ",".join(os.environ.get("PIP_FIND_LINKS", "").split())}
    call(
        "uv", "pip", "install", "--python", python_of(folder), *requirements, env=os.environ | links
    )


def build_with_pip(python: Path, folder: Path, requirements: tuple[str, ...]) -> None:
    call(python, "-m", "venv", "--clear", folder)
    call(python_of(folder), "-m", "pip", "install", "--quiet", *requirements)


def call(*command, env: dict[str, str] | None = None) -> None:
    subprocess.run(
        [str(part) for part in command], check=True, capture_output=True, text=True, env=env
    )


def gist(stderr: str) -> str:
    """The line of a builder's complaint that says most: the last that names an error or a cause."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()] or [
        "it failed without a word"
    ]
    telling = [line for line in lines if line.lower().startswith(("error", "cause"))]
    return (telling or lines)[-1]


def find_python(peer: str) -> Path:
    versions = PEERS[peer].pythons
    for version in versions:
        for candidate in candidates(version):
            if is_python(candidate, version):
                return candidate
    raise EnvironmentFailure(
        f"{peer} needs Python {' or '.join(versions)}; none is on the path or under pyenv"
    )


def candidates(version: str) -> Iterator[Path]:
    """Where a Python of this version may lie, pyenv's own ones first: its shims on the path may
    refuse."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    yield from sorted(pyenv.glob(f"{version}*/bin/python{version}"), reverse=True)
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield Path(on_path)


def is_python(candidate: Path, version: str) -> bool:
    program = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    try:
        asked = subprocess.run([str(candidate), "-c", program], capture_output=True, text=True)
    except OSError:
        return False
    return asked.returncode == 0 and asked.stdout.strip() == version


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the virtual environments of the peers.")
    parser.add_argument(
        "peers", nargs="*", default=list(PEERS), metavar="peer", help=f"of {', '.join(PEERS)}"
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="the cache folder")
    args = parser.parse_args()
    failed = False
    for peer in args.peers:
        try:
            print(f"{peer}: {environment(peer, args.root)}", flush=True)
        except EnvironmentFailure as failure:
            print(f"error: {failure}", file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
