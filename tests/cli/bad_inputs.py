"""Bad inputs of the command line, each with the files it needs and the reason of its refusal."""

from pathlib import Path
from typing import NamedTuple

CODE = "tests.cli.bad_code"
DEEP = "[" * 3000 + "]" * 3000
BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


class BadInput(NamedTuple):
    """A command that is refused with one message and exit code 2."""

    argv: tuple[str, ...]
    reason: str  # part of the message
    files: dict[str, bytes | str] = {}  # made before, by path


def train(*settings: str, reason: str, options: tuple[str, ...] = ()) -> BadInput:
    return BadInput(("train", *options, *(f"--set={s}" for s in settings)), reason)


def config(text: bytes | str, reason: str) -> BadInput:
    return BadInput(("train", "--config", "c.yaml"), reason, {"c.yaml": text})


def command(text: str, reason: str, **files: bytes | str) -> BadInput:
    return BadInput(
        tuple(text.split()), reason, {k.replace("__", "/"): v for k, v in files.items()}
    )


def custom(env: str, reason: str) -> BadInput:
    return BadInput(("train", f"{CODE}:{env}"), reason)


def algo(name: str, reason: str, *settings: str) -> BadInput:
    return train(*settings, reason=reason, options=("CartPole-v1", "--algo", f"{CODE}:{name}"))


NUMBERS = {
    "seeds=1000000000": "this run needs about",
    "seeds=2147483648": "seed=0 must be at least 0 and below 2^31 - seeds.",
    "seeds=2.5": "seeds=2.5 must be a whole number.",
    "seeds=true": "seeds=True must be a whole number.",
    "seeds=[1]": "seeds=[1] must be a whole number.",
    "seeds=[1, 2]": "It is how many there are; `seed` is the first of them.",
    "seeds=": "seeds=None must be a whole number.",
    "seeds=-0.5": "seeds=-0.5 must be a whole number.",
    "seed=-1": "seed=-1 must be at least 0",
    "seed=4294967296": "seed=4294967296 must be at least 0 and below",
    "seed=1.5": "seed=1.5 must be a whole number.",
    "env_steps=1": "env_steps=1 is less than one update",
    "env_steps=0": "env_steps=0 must be at least 1.",
    "env_steps=1000000000000": "at most 2^31 - 1 can be counted",
    "env_steps=9223372036854775808": "is beyond 64 bits",
    "env_steps=1e400": "must be a whole number.",
    "env_steps=1e30": "must be a whole number.",
    "env_steps=.inf": "must be a whole number.",
    "env_steps=nan": "must be a whole number.",
    "env_steps=.nan": "must be a whole number.",
    "env_steps=2023-13-45": "is not valid YAML: month must be in 1..12",
    "env_steps=2023-01-01": "must be a whole number.",
    "env_steps=12:34:56:78:99": "must be a whole number",
    "algo.gamma=.inf": "must lie in [0, 1].",
    "algo.gamma=.nan": "give a finite one",
    "algo.gamma=1.0000001": "must lie in [0, 1].",
    "algo.gamma=true": "must be a number.",
    "algo.gamma={}": "must be a number.",
    "algo.gamma=[0.9, 0.99]": "give a value for each member: vary={algo.gamma: [0.9, 0.99]}.",
    "algo.gamma=[a]": "algo.gamma=['a'] must be a number.",
    "algo.num_epochs=[1, 2]": "algo.num_epochs=[1, 2] must be a whole number.",
    "algo.learning_rate=.inf": "must be finite",
    "algo.learning_rate=1e39": "is beyond float32",
    "algo.learning_rate=-1e39": "is beyond float32",
    "algo.learning_rate=1e-46": "is 0 in float32",
    "algo.learning_rate=-1": "must be above 0",
    "algo.learning_rate=0x1p3": "must be a number.",
    "algo.clip=-1": "is not a setting; did you mean",
    "algo.num_envs=10000000000": "is less than one update",
    "algo.num_envs=-8": "must be at least 1.",
    "algo.rollout_length=1099511627776": "is less than one update",
    "algo.rollout_length=0": "must be at least 1.",
    "algo.num_minibatches=3": "does not divide",
    "algo.num_epochs=0": "must be at least 1.",
    "evaluation.max_steps=1099511627776": "must be at most 2^31 - 1.",
    "evaluation.max_steps=-1": "must be 0 (automatic) or more.",
    "evaluation.period=-1": "must be 0 (automatic) or more.",
    "evaluation.episodes=0": "must be at least 1.",
    "evaluation.final_episodes=-3": "must be at least 1.",
    "rows_per_chunk=0": "must be at least 1.",
    "checkpoints.interval_seconds=-1": "must be at least 0",
    "checkpoints.mtbf_hours=0": "must be above 0 (null turns it off)",
    "checkpoints.best=-1": "must be at least 0",
    "checkpoints.metric=loss": "checkpoints.metric='loss' is not logged by this run; did you mean",
    "checkpoints.latest=0": "must be at least 1",
    "checkpoints.periodic=0": "must be at least 1; null turns it off",
    "checkpoints.mode=best": "is unknown; choose",
    "replays.share=2": "must be between 0",
    "replays.keep=0": "must be at least 1.",
    "agents.number=0": "must be from 1 to 100.",
    "agents.number=101": "must be from 1 to 100.",
    "agents.sharing=both": "is unknown; choose",
    "layout=3": "layout=3 must be text.",
    "layout=vmpa": "is unknown; choose",
    "matmul_precision=bf16": "is unknown; choose default, high, highest",
    "sinks.wandb.mode=away": "is unknown; choose online or offline",
    "algo.network.initial_log_std=.inf": "must be from -20 to 20",
    "algo.network.critic_hidden=[]": "must be one or more layer sizes",
    "sinks.remote.seconds=-1": "must be at least 0.",
    "sinks.remote.url=bucket/runs": "is no URL; give s3://BUCKET/FOLDER",
    "sinks.remote.url=xyz://bucket/runs": "Protocol not known: xyz",
    "sinks.console=maybe": "must be true or false.",
    "sinks.console=1": "must be true or false.",
    "sinks=3": "must be a mapping with the keys",
    "algo.gae_lambda=2": "must lie in [0, 1].",
    "algo.ent_coef=-1": "must not be negative.",
    "algo.ent_coef=1e300": "is beyond float32",
    "algo.max_grad_norm=0": "must be above 0 (.inf turns it off).",
    "algo.rnd.weight=-1": "algo.rnd.weight=-1",
    "algo.double=true": "is a setting of dqn, not of ppo",
    "algo.name=pppo": "did you mean 'ppo'?",
    "convergence.target=text": "must be a number.",
    "convergence.patience=2147483648": "must be at most 2^31 - 1",
    "convergence.enabled=2": "must be true or false.",
    "checkpoints.period=1.5": "must be a whole number.",
    "checkpoints=[]": "must be a mapping with the keys",
    "replays.seed_index=-1": "must be at least 0",
    "replays.seed_index=5": "counts from 0, and this run trains 1; give at most 0",
    "replays.max_steps=0": "must be at least 1.",
    "agents={number: 2, params: {gravity: [1]}}": "must be a list of a value for each of 2",
    "agents={number: 2, params: {gravity: [1, x]}}": "agents.params.gravity",
    "agents={number: 2, params: {gravity: [1, 1e39]}}": "agents.params.gravity",
    "agents={number: 2, params: {nothing: [1, 2]}}": "is no parameter of CartPole",
    "agents=two": "agents='two' must be a list of agents, such as [{id: ann}, {id: bob}], or a",
    "agents=[{id: ann}, {id: ann}]": "is also the name of each[0]; give every agent its own",
    "agents=[{id: ann}, {id: a/b}]": "must be 1 to 40 letters, digits",
    "agents=[{id: ann}, {algo: pppo}]": "agents[1].algo='pppo' is unknown; did you mean 'ppo'",
    "agents=[{id: ann}, {num_envs: 3}]": "all agents of an environment step together",
    "agents=[{id: ann}, {tau: 0.1}]": "agents[1].tau is a setting of dqn",
    "agents=[{id: ann}, {agent_id: bob}]": "agents[1].agent_id is called id here",
    "agents=[{id: ann}]": "agents.each=['ann'] is one agent; list two or more",
    "agents={number: 3, each: [{id: ann}, {id: bob}]}": "does not fit the 2 in each",
    "agents={sharing: shared, each: [{}, {gamma: 0.5}]}": "have settings that differ",
    "sinks.mlflow.tracking_uri=3": "must be text.",
    "sinks.mlflow.alias=latest": "is none that MLflow takes; use letters",
    "sinks.mlflow=sometimes": "must be a mapping with the keys",
    "sinks.curves_seconds=-1": "must be at least 0",
    "replays.period=-1": "must be at least 0",
    "wrappers=flatten": "must be a list",
    "wrappers=[flaten]": "did you mean 'flatten'?",
    "wrappers=[flatten, flatten]": "flatten is there already; one is enough.",
    "wrappers=[{frame_stack: 0}]": "must be a whole number from 2 to 1024.",
    "wrappers=[flatten, one_hot]": "it must come before wrappers that make arrays",
    "stop={episodes: 9, seconds: 9}": "are a budget in two units; give one of them.",
    "stop.seconds=-1": "must be above 0",
    "evaluation.period=5 chunks": "a chunk is the time between two evaluations",
    "evaluation.period=often": "must be a whole number, or text with a unit",
    "checkpoints.period=0 episodes": "must be at least 1",
}
SIZES = {
    "algo.network.hidden=[1000000000]": "must be at most 64 layers of at most 65536 units.",
    "algo.network.hidden=[60000,60000]": "algo.network is too large",
    f"algo.network.hidden=[{','.join('1' * 65)}]": "must be at most 64 layers",
    "algo.network.hidden=[0]": "must be one or more layer sizes of at least 1.",
    "algo.network.hidden=[]": "must be one or more layer sizes of at least 1.",
    "algo.network.hidden=64": "must be a list, such as [64].",
    "algo.network.hidden=[a]": "must be a whole number.",
    "algo.network.hidden=[[1]]": "must be a whole number.",
    "algo.network.channels=[1000000000]": "must be at most 64 layers",
    "algo.network.gru=1000000000": "must be a width from 1 to 65536",
    "algo.network.gru=60000": "algo.network is too large",
    "algo.network.activation=step": "is unknown; choose tanh",
    "algo.network.encoder=cnn": "needs observations of shape",
    "algo.network.encoder=json:loads": "algo.network.encoder='json:loads' is function",
    "vary={algo.gamma: []}": "must be a list with a value for each member.",
    "vary={algo.gamma: 0.9}": "must be a list with a value for each member.",
    "vary={algo.gammma: [0.1]}": "did you mean 'algo.gamma'?",
    "vary={algo.num_envs: [1, 2]}": "cannot vary within one program",
    "vary={algo.gamma: [.nan]}": "give a finite one",
    "vary={algo.gamma: [0.9, 2]}": "must lie in [0, 1]",
    "vary={algo.gamma: [0.9], algo.gae_lambda: [0.9, 0.8]}": "each needs one for every member",
    "vary={algo.learning_rate: [1e39]}": "is beyond float32",
    "vary=3": "must be a mapping",
    f"vary={{algo.gamma: [{','.join(['0.9'] * 100_001)}]}}": "vary has 100001 members",
    f"vary={{algo.gamma: [{','.join(['0.9'] * 1_001)}]}}": "vary has 1001 members; at most 1000",
    "population.pbt={space: {algo.gamma: {uniform: [0.9, 0.99]}}}": "needs at least two members",
}
VALUES = {
    "env=!!python/object/apply:os.system ['touch pwned']": "is not valid YAML",
    "env=\x07": "is not valid YAML",
    f"env={DEEP}": "nested more than 50 levels deep",
    f"env_steps={'9' * 5000}": "is not valid YAML: Exceeds the limit",
    f"env_steps=0x{'f' * 6000}": "is beyond 64 bits",
    "env_kwargs={a: 2023-01-01}": "env_kwargs.a=datetime.date(2023, 1, 1) cannot be written",
    "env_kwargs={a: !!binary aGk=}": "cannot be written to a config file",
    "env_kwargs={a: !!set {x}}": "cannot be written to a config file",
    "env_kwargs={a: 1, a: 2}": "the key 'a' stands twice",
    "env_kwargs={? [1] : 2}": "is not valid YAML",
    "env_kwargs=&a {me: *a}": "hold themselves",
    "env_kwargs=[1]": "must be a mapping",
    "env_kwargs={row: 6}": "do not fit the environment's constructor",
    "env_kwargs={1: 2}": "env_kwargs has the key 1, which must be text.",
    "env_params={max_steps_in_episode: .nan}": "env_params.max_steps_in_episode=nan must be like",
    "env_params={max_steps_in_episode: 1000000000000}": "must be like its default, 500.",
    "env_params={max_steps_in_episode: text}": "must be like its default, 500.",
    "env_params={max_steps_in_episode: '5'}": "must be like its default, 500.",
    "env_params={max_steps_in_episode: [5]}": "must be like its default, 500.",
    "env_params={max_steps_in_episode: [[1], [1, 2]]}": "must be like its default, 500.",
    "env_params={max_steps_in_episode: true}": "must be like its default, 500.",
    "env_params={max_steps_in_episode: 2.5}": "must be like its default, 500.",
    "env_params={max_steps_in_episode: null}": "must be like its default, 500.",
    "env_params={max_steps_in_episode: 0}": "must be at least 1 step",
    "env_params={max_steps_in_episode: -5}": "must be at least 1 step",
    "env_params={gravity: 1e39}": "must be like its default, 9.8.",
    "env_params={gravity: {}}": "must be like its default, 9.8.",
    "env_params={gravty: 1}": "is no parameter of CartPole",
    "algo=[]": "must be an algorithm's name or a mapping",
    "algo=3": "must be an algorithm's name or a mapping",
    "algo=": "must be an algorithm's name or a mapping",
    "algo={name: [ppo]}": "is unknown",
    "algo={name: {}}": "is unknown",
    "env=": "env=None must be text.",
    "env=3": "env=3 must be text.",
    "env=[CartPole-v1]": "must be text.",
    "env=''": "env='' is unknown.",
    "env=':'": "must be 'module:name', such as",
    "env='json:'": "must be 'module:name', such as",
    "env=':JSONDecoder'": "must be 'module:name', such as",
    "env='..x:y'": "cannot be imported",
    "env='a b:c'": "cannot be imported",
    "env='json:JSONDecoder'": "env='json:JSONDecoder'",
    "env=jumanj/Snake-v1": "did you mean 'jumanji'?",
    "env=pgx/": "env='pgx/' names no environment; `elsinore envs pgx` lists some.",
    "a=1": "a is not a setting",
    "evaluation=3": "must be a mapping with the keys",
    "evaluation.episodes.more=3": "must be a whole number.",
    "sweep.trials=3": "search with `elsinore sweep`",
    "curriculum=3": "curriculum",
    "curriculum=nowhere.yaml": "cannot be read: No such file or directory",
    "curriculum=[]": "curriculum",
    "curriculum=[{params: {gravity: text}}]": "curriculum",
    "curriculum=[{params: {max_steps_in_episode: 1000000000000}}]": "curriculum",
    "imitation=3": "imitation=3 must be a mapping",
    "imitation=nobody": "is unknown",
}
FILES = {
    "empty": config("", "is empty"),
    "a list": config("- a\n", "is a list"),
    "a number": config("3\n", "is a int"),
    "only a comment": config("# nothing\n", "is empty"),
    "deep nesting": config(f"env_kwargs: {DEEP}", "nested more than 50 levels deep"),
    "alias bomb": config(BOMB, "aliases, written out, are too long"),
    "alias bomb in env_kwargs": config(
        "env_kwargs:\n" + "".join(f"  {line}\n" for line in BOMB.splitlines()),
        "aliases, written out, are too long",
    ),
    "an alias in itself": config("env_kwargs: &a {me: *a}\n", "hold themselves"),
    "an alias of nothing": config("env: *a\n", "undefined alias"),
    "binary": config(b"\xf3\x01\x02", "is not valid YAML"),
    "utf-16": config("env: CartPole-v1".encode("utf-16"), "is not valid YAML"),
    "NUL": config(b"env: \x00", "is not valid YAML"),
    "duplicate keys": config("seeds: 1\nseeds: 2\n", "the key 'seeds' stands twice"),
    "duplicate keys inside": config(
        "algo: {gamma: 0.9, gamma: 0.8}\n", "the key 'gamma' stands twice"
    ),
    "two documents": config("env: CartPole-v1\n--- \nenv: x\n", "is not valid YAML"),
    "a long list": config(f"seeds: [{'1,' * 200_000}]\n", "seeds=[1, 1, 1"),
    "more than a megabyte": config(f"env: {'x' * 1_000_001}\n", "more than 1,000,000 characters"),
    "a long word": config(f"env: {'x' * 900_000}\n", "env='xxxx"),
    "a long key": config(f"{'x' * 900}: 1\n", "is not a setting"),
    "a date for a key": config("2023-01-01: 3\n", "2023-01-01 is not a setting"),
    "a bad date": config("env_steps: 2023-13-45\n", "month must be in 1..12"),
    "a bad time": config("env_steps: 2023-01-01 99:99:99\n", "is not valid YAML"),
    "a merge of nothing": config("<<: 3\n", "is not valid YAML"),
    "a merge of other settings": config("<<: {x: 1}\n", "x is not a setting"),
    "a tab": config("\tseeds: 3\n", "is not valid YAML"),
    "an open bracket": config("algo: {gamma: 0.9\n", "is not valid YAML"),
    "a Python object": config("env: !!python/name:os.system\n", "is not valid YAML"),
    "a tag of nothing": config("env: !no x\n", "is not valid YAML"),
    "a whole number of 5,000 digits": config(f"env_steps: {'9' * 5000}\n", "Exceeds the limit"),
    "no file": command("train --config none.yaml", "No such file or directory"),
    "a folder": command("train --config .", "Is a directory"),
    "/dev/null": command("train --config /dev/null", "is empty"),
    "/dev/zero": command("train --config /dev/zero", "is not valid YAML"),
    "/proc/self/mem": command("train --config /proc/self/mem", "cannot be read"),
    "a path of 5,000 characters": BadInput(
        ("train", "--config", "x" * 5000), "cannot be read: File name too long"
    ),
    "no path": BadInput(("train", "--config", ""), "cannot be read"),
    "a sweep": config("sweep: {trials: 3}\n", "has a section `sweep`"),
}
NAMES = {
    name: BadInput(("train", "CartPole-v1", f"--name={name}"), reason)
    for name, reason in {
        "": "is not a folder name",
        ".": "is not a folder name",
        "..": "is not a folder name",
        "...": "is not a folder name",
        ".hidden": "is not a folder name",
        "-rf": "is not a folder name",
        "../x": "is not a folder name",
        "a/b": "is not a folder name",
        "/tmp/x": "is not a folder name",
        "a\nb": "is not a folder name",
        "a\0b": "is no path; use one without NUL",
        " a": "is not a folder name",
        "a ": "is not a folder name",
        "a.": "is not a folder name",
        "a\\b": "is not a folder name",
        "a:b": "is not a folder name",
        "a*": "is not a folder name",
        "$HOME": "is not a folder name",
        "run\u202egnp.\U0001f600": "is not a folder name",
        "a" * 101: "is not a folder name",
        "ä" * 100 + "a": "is not a folder name",
        "mlflow.db": "is the name of MLflow's own file",
        "MLruns": "is the name of MLflow's own file",
    }.items()
}
FOLDERS = {
    "no runs folder": BadInput(("train", "CartPole-v1", "--runs-dir", ""), "is no path"),
    "no runs folder to list": BadInput(("runs", "--runs-dir", ""), "is no path"),
    "a runs folder in /sys": command("train CartPole-v1 --runs-dir /sys", "cannot be written"),
    "a runs folder in /proc": command("train CartPole-v1 --runs-dir /proc/x", "cannot be written"),
    "a file for a runs folder": command(
        "train CartPole-v1 --runs-dir mine", "--runs-dir mine is a file", mine="text"
    ),
    "a file above the runs folder": command(
        "train CartPole-v1 --runs-dir mine/runs", "cannot be written", mine="text"
    ),
    "a long runs folder": BadInput(
        ("train", "CartPole-v1", "--runs-dir", "x" * 300), "cannot be written: File name too long"
    ),
    "a NUL in the runs folder": BadInput(
        ("train", "CartPole-v1", "--runs-dir", "a\0b"), "is no path; use one without NUL"
    ),
    "a name that is taken": command(
        "train CartPole-v1 --name x", "name='x' is taken", runs__x__config="x"
    ),
}
CUSTOM_CODE = {
    "ResetRaises": custom("ResetRaises", "fails in ResetRaises.reset_env (bad_code.py:"),
    "PythonState": custom(
        "PythonState", "; `elsinore check-env tests.cli.bad_code:PythonState` says more"
    ),
    "ResetExits": custom("ResetExits", "SystemExit: 7"),
    "ResetMemory": custom("ResetMemory", "MemoryError: of the user's own making"),
    "StepRaises": custom("StepRaises", "step_env raised KeyError"),
    "TruncationRaises": custom("TruncationRaises", "ZeroDivisionError"),
    "ConstructorRaises": custom("ConstructorRaises", "RuntimeError: size 3 is bad"),
    "ConstructorTypeError": custom("ConstructorTypeError", "TypeError: object of type 'int' has"),
    "ParamsRaise": custom("ParamsRaise", "LookupError: no params today"),
    "NoSpace": custom("NoSpace", "fails in NoSpace.action_space"),
    "LongMessage": custom("LongMessage", "RuntimeError: x x"),
    "StepNone": custom("StepNone", "StepNone"),
    "factory_raises": custom("factory_raises", "RuntimeError: no world today"),
    "factory_exits": custom("factory_exits", "SystemExit: 3"),
    "factory_none": custom("factory_none", "is no gymnax Environment"),
    "factory_interrupted_import": custom("factory_interrupted_import", "ModuleNotFoundError"),
    "algo_raises": algo("algo_raises", "fails in algo_raises (bad_code.py:"),
    "algo_exits": algo("algo_exits", "SystemExit: good night"),
    "algo_none": algo("algo_none", "returned NoneType"),
    "algo_unpacks": algo("algo_unpacks", "ValueError: too many values to unpack"),
    "algo_refuses": algo("algo_refuses", "gamma=0.99 is not to my taste; lower it."),
    "algo_config_raises": algo("algo_config_raises", "KeyError: 'post init'", "algo.fail=true"),
    "algo_config_raises, a key": algo("algo_config_raises", "must be true or f", "algo.fail=key"),
    "algo_init_raises": algo("algo_init_raises", "IndexError: init"),
    "algo_update_raises": algo("algo_update_raises", "KeyError: 'update'"),
    "algo_update_branches": algo("algo_update_branches", "TracerBoolConversionError"),
    "algo 'a:b:c'": command("train --algo a:b:c", "cannot be imported: No module named 'a'"),
    "algo json:loads": command("train --algo json:loads", "algo='json:loads'"),
    "algo of no name": BadInput(("train", "--algo", ""), "algo='' is unknown"),
    **{
        name: train(f"algo.network.custom={CODE}:{name}", reason=reason)
        for name, reason in {
            "net_raises": "fails in net_raises (bad_code.py:",
            "net_exits": "SystemExit: 1",
            "net_none": "NoneType",
            "NetCallRaises": "no such weights",
            "NetInt": "as floats; it returns int32",
            "NetShape": "it returns [3] and []",
            "NetValue1": "it returns [2] and [1]",
            "NoSuchNet": "cannot be imported",
        }.items()
    },
    "network os:system": train("algo.network.custom=os:system", reason="algo.network.custom="),
    "network of a number": train("algo.network.custom=3", reason="must be text"),
    "teacher_raises": train(
        f"imitation={CODE}:teacher_raises", reason="RuntimeError: class is out"
    ),
    "teacher_exits": train(f"imitation={CODE}:teacher_exits", reason="SystemExit: 2"),
    "check-env of nothing": command("check-env nothing:Here", "cannot be imported"),
    "check-env of one that raises": command(f"check-env {CODE}:factory_raises", "no world today"),
    "check-env of one that exits": command(f"check-env {CODE}:factory_exits", "SystemExit: 3"),
    "check-algo of nothing": command("check-algo nothing:here", "cannot be imported"),
    "check-algo with a setting of no algorithm": command(
        "check-algo ppo --set seeds=3", "is not a setting of an algorithm"
    ),
}
COMMANDS = {
    text: command(text, reason)
    for text, reason in {
        "compare --algos ppo --env Nope": "env='Nope' is unknown",
        "compare --algos nope --env CartPole-v1": "algo='nope' is unknown",
        "compare --algos ppo --env CartPole-v1 --seeds 0": "seeds=0 must be at least 1.",
        "compare --algos ppo --env CartPole-v1 --name .x": "is not a folder name",
        "compare --algos ppo --env CartPole-v1 --env-steps 1": "is less than one update",
        "compare --algos ppo,ppo --env CartPole-v1": "twice",
        "compare --algos ppo --env CartPole-v1 --threshold x": "--threshold",
        "compare --algos ppo --env CartPole-v1 --reference CartPole-v1=3": "--reference",
        "compare --algos ../x=ppo --env CartPole-v1": "is not a folder name",
        "compare --algos ppo": "",
        "sweep none.yaml": "cannot be read",
        "sweep": "a sweep needs a config",
        "sweep --resume nowhere": "is not a sweep",
        "sweep --resume nowhere --name x": "leave out the config",
        "train --resume nowhere": "is not a run (no folder)",
        "train --resume /dev/null": "is not a run",
        "train --from nowhere": "is not a run (no folder)",
        "train CartPole-v1 --from nowhere@best": "nowhere is not a run (no folder)",
        "train --from-parts all": "name that with --from RUN",
        "train --from-leave network.head": "name that with --from RUN",
        "train --resume nowhere --from other": "and only its budget can be changed; --from cannot",
        "train --resume nowhere --from-parts all": "--from-parts cannot",
        "train --resume nowhere --from-leave network.head": "--from-leave cannot",
        "train --resume nowhere --from-seed 1": "--from-seed cannot",
        "train --resume nowhere --no-check": "--no-check cannot",
        "train --resume nowhere --env-steps 0": "is not a run (no folder)",
        "checkpoints nothing": "is not a run (no folder)",
        "train --resume nowhere --seeds 3": "and only its budget can be changed; seeds cannot",
        "evaluate nothing": "is not a run (no folder)",
        "export nothing": "is not a run (no folder)",
        "report nothing": "is neither a run nor a comparison",
        "play nothing": "is not a replay, a run in runs",
        "watch nothing --no-browser": "is neither a run nor a directory of runs",
    }.items()
}
MISUSED = {
    text: BadInput(tuple(text.split()), reason)
    for text, reason in {
        "train --seed 1.5": "invalid int value: '1.5'",
        "train --seeds many": "invalid int value: 'many'",
        "train --name -rf": "expected one argument",
        "train --sedes 3": "--sedes is no option of elsinore train; did you mean '--seeds'?",
        "train a b": "'b' is one argument too many for elsinore train",
        "trian": "'trian' is unknown; did you mean 'train'?",
        "evaluate": "required: RUN",
        "evaluate x --episodes 1e3": "invalid int value",
        "watch --port x": "invalid int value",
    }.items()
}
RUNS = {
    "a config of garbage": command(
        "train --resume r", "is not valid YAML", r__config_yaml="\0garbage"
    ),
    "an empty config": command("train --resume r", "is empty", r__config_yaml=""),
    "a config of another version": command(
        "train --resume r", "is not a setting", r__config_yaml="env: CartPole-v1\nbrain: 3\n"
    ),
    "a config with a key twice": command(
        "evaluate r", "stands twice", r__config_yaml="env: CartPole-v1\nenv: Pendulum-v1\n"
    ),
}


def _cases() -> dict[str, BadInput]:
    settings = NUMBERS | SIZES | VALUES
    found = {f"--set {text}": train(text, reason=reason) for text, reason in settings.items()}
    groups = {
        "config": FILES,
        "--name": NAMES,
        "folders": FOLDERS,
        "code": CUSTOM_CODE,
        "elsinore": COMMANDS,
        "usage": MISUSED,
        "run": RUNS,
    }
    for group, cases in groups.items():
        found |= {f"{group} {name}": case for name, case in cases.items()}
    return found


CASES = _cases()


def write_files(folder: Path, case: BadInput) -> None:
    """Make the files of a case below a folder; `_yaml` in a name is `.yaml`."""
    for name, text in case.files.items():
        path = folder / name.replace("_yaml", ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
