"""The folder tree is the architecture: imports go one way, and only the host touches the world."""

import ast
from graphlib import CycleError, TopologicalSorter

import pytest

import elsinore
from tests.sources import (
    FILES,
    ROOT,
    SOURCE,
    broken,
    folder_of,
    name_of,
    nodes_of,
    tree_of,
)

# A file may import from its own layer's folder and from every layer above it in this list.
LAYERS = [
    {"errors", "deferred", "interrupts"},
    {"types", "config_records", "hyperparameters", "imports", "validation"},
    {"arguments", "jaxtools"},
    {"ops", "gymnax_import"},
    {"envs", "nets"},
    {"experience"},
    {"contract"},
    {"checks", "algos"},
    {"training"},
    {"config"},
    {"runs"},
    {"analysis", "view"},
    {"page", "integrations"},
    {"cli"},
    {"__main__"},  # `python -m elsinore`
    {"toolkit"},  # names for custom algorithms and environments; nothing imports it
    {"worlds"},  # plug-ins: nothing imports them but their own entry points
]
FOLDERS = set.union(*LAYERS)


def layer_of(folder):
    return next(i for i, layer in enumerate(LAYERS) if folder in layer)


# `Run.play`, and the scene of the terminal's dashboard, call what draws by its public name.
CALLS_UP = {"runs/run.py": {"view"}, "runs/sinks/dashboard.py": {"view"}}


def imported_modules(path):
    """Every module that is imported anywhere in a file, at its top or inside a function."""
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def folders_imported(path):
    """The folders that a file imports from; a name of the package itself, such as `elsinore.play`,
    is of the folder that has it."""
    modules = imported_modules(path)
    homes = (elsinore._HOMES.get(module.removeprefix("elsinore."), module) for module in modules)
    parts = (module.split(".") for module in homes)
    return {p[1] for p in parts if p[0] == "elsinore" and len(p) > 1} & FOLDERS


def test_every_folder_has_its_place_in_the_order():
    assert {folder_of(path) for path in FILES} - {"__init__"} == FOLDERS


def imported_upwards(path):
    """The folders of its own layer or a later one that a file imports from."""
    mine = folder_of(path)
    return {other for other in folders_imported(path) - {mine} if layer_of(other) >= layer_of(mine)}


def test_nothing_imports_from_what_comes_after_it():
    assert broken(imported_upwards, [p for p in FILES if folder_of(p) != "__init__"]) == CALLS_UP


# No imports make a circle, also not inside functions or for types: a lazy import may save time, and
# follows the order as any.


def module_of(path):
    return ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")


def modules_used(code, modules):
    """Those of `modules` that code imports, at its top or inside a function."""
    used = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            used |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            named = [f"{node.module}.{alias.name}" for alias in node.names]
            homes = {elsinore._HOMES.get(name.removeprefix("elsinore."), name) for name in named}
            used |= {home if home in modules else home.rpartition(".")[0] for home in homes}
    return used & modules


def graph_of(sources):
    """The modules that each module uses, from the code of all."""
    return {module: modules_used(code, set(sources)) for module, code in sources.items()}


def circle(graph):
    """Modules each of which is used by the one before it, from a module to itself; none: []."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1][::-1]
    return []


def test_no_imports_make_a_circle_through_functions_either():
    # The package itself imports its names where they are first used, from their homes.
    graph = graph_of({module_of(p): p.read_text() for p in FILES if folder_of(p) != "__init__"})
    for file, folders in CALLS_UP.items():
        graph[module_of(SOURCE / file)] -= {m for m in graph if m.split(".")[1] in folders}
    assert circle(graph) == []


@pytest.mark.parametrize(
    "code",
    [
        "import elsinore.runs.run",
        "from elsinore.runs import run",
        "from elsinore.runs.run import Run",
        "from elsinore import Run",
    ],
)
def test_a_circle_through_a_function_is_found(code):
    sources = {
        "elsinore.runs.run": "from elsinore.runs import policy",
        "elsinore.runs.policy": "from elsinore.runs.export.export import write_jax",
        "elsinore.runs.export.export": f"def write_jax():\n    {code}",
    }
    found = circle(graph_of(sources))
    assert found[0] == found[-1]
    assert set(found) == set(sources)


def test_a_lazy_import_that_follows_the_order_makes_no_circle():
    lazy = "def export():\n    import mlflow\n    from elsinore.runs.policy import Policy"
    assert circle(graph_of({"elsinore.runs.export.export": lazy, "elsinore.runs.policy": ""})) == []


# Outside these folders there are no files, clocks, threads, sockets or signals, and no prints.
HOST = ("runs", "analysis", "view", "page", "integrations", "cli")

WORLDLY_MODULES = {
    "asyncio",
    "atexit",
    "datetime",
    "fcntl",
    "http",
    "io",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "random",
    "shutil",
    "signal",
    "socket",
    "sqlite3",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "uuid",
    "concurrent",
    "mlflow",
    "orbax",
    "tensorboard",
    "matplotlib",
    "pandas",
}
WORLDLY_CALLS = {"open", "print", "input"}
WORLDLY_METHODS = {"read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "unlink"}

EXCEPTIONS = {
    "arguments.py": {"os"},  # the home folder, for which a path has a ~
    "errors.py": {"os"},  # the current folder, from which a message names paths
    "imports.py": {"os", "sys"},  # a file of this name, and the standard library's modules
    "deferred.py": {"sys"},  # the modules of this process
    "gymnax_import.py": {"sys"},
    "interrupts.py": {"signal", "sys", "threading"},  # a signal that Python dropped is sent again
    # the cores this process may use, and jax's request for as many devices
    "__init__.py": {"os", "sys"},
    "envs/host_objects.py": {"logging"},  # an environment that cannot be closed ends no run
    "envs/picture.py": {"io"},  # packs an image in memory
    "envs/suites/__init__.py": {"io", "sys"},  # hides what a library prints while it is imported
    # a process whose peers are gone ends, and says why
    "jaxtools/processes.py": {"logging", "os", "sys"},
    "config/load.py": {"pathlib"},  # a curriculum's file is beside the experiment's
    "config/yaml_files.py": {"pathlib"},
    # reads /proc and cgroups: an experiment that does not fit is refused
    "config/memory.py": {"os", "pathlib", "read_text"},
    "worlds/cache/trace/recording.py": {"os"},  # a pipe is no trace
    "worlds/hamlet/load.py": {"pathlib"},  # names the YAML file of a profile
    "worlds/hamlet/day_figure.py": {"matplotlib", "pathlib"},  # draws an episode into a file
}
# The trace tools of the caches (`elsinore cache`) read and write files, as analysis/ does.
EXCEPT_BELOW = ("worlds/cache/traces/", "worlds/cache/command.py")


def touches(path):
    """What of the world a file touches: modules it imports, functions and methods it calls."""
    found = {module.split(".")[0] for module in imported_modules(path)} & WORLDLY_MODULES
    for node in nodes_of(path):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found |= {node.func.id} & WORLDLY_CALLS
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found |= {node.func.attr} & WORLDLY_METHODS
    return found


PURE = [
    path
    for path in FILES
    if folder_of(path) not in HOST and not name_of(path).startswith(EXCEPT_BELOW)
]


def test_only_the_host_layers_use_files_clocks_and_threads():
    assert broken(touches, PURE) == EXCEPTIONS


CORE = [
    path
    for path in PURE
    if folder_of(path) in ("jaxtools", "ops", "nets", "experience", "algos", "training")
]
CALLBACKS = {"pure_callback", "io_callback", "host_callback"}


def test_the_pure_core_never_calls_back_into_python():
    assert broken(lambda path: calls_back(nodes_of(path)), CORE) == {}


@pytest.mark.parametrize(
    "code",
    [
        "from jax import pure_callback as f",
        "jax.experimental.io_callback(f)",
        "jax.debug.print('x')",
        "from jax import debug",
    ],
)
def test_each_form_of_a_callback_is_found(code):
    assert calls_back(ast.walk(ast.parse(code)))


# Code that is named by text has one way in


IMPORTING = {"import_module", "__import__", "exec", "eval", "import_object", "import_callable"}


def names_in(nodes):
    """The names that code uses, imports or reads from a module."""
    for node in nodes:
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)


def calls_back(nodes):
    """The names by which code would leave a compiled program for Python."""
    return set(names_in(nodes)) & (CALLBACKS | {"debug"})


def users_of(names):
    """Those of `names` that each file of the package uses."""
    return broken(lambda path: set(names_in(nodes_of(path))) & names)


def test_text_becomes_code_in_one_place():
    """A name that can come from a run's files goes through `import_object`, which refuses an
    `UntrustedName`; the others import constants, or modules that an installed plug-in declares."""
    by_text, one_of_ours = {"import_object"}, {"import_module"}
    called = {"import_callable"}
    assert users_of(IMPORTING) == {
        "__init__.py": one_of_ours,
        "cli/__init__.py": one_of_ours,  # the commands of plug-ins
        "deferred.py": one_of_ours,  # what gymnax draws with
        "envs/views.py": one_of_ours,  # the module `view` beside an env that has been made
        "worlds/cache/traces/simulator.py": one_of_ours,
        "worlds/cache/make.py": by_text,
        "config/presets/__init__.py": by_text,
        "imports.py": {"import_module", *by_text},
        "envs/registry.py": called | by_text,
        "envs/wrappers/wrap.py": called,
        "envs/suites/__init__.py": by_text,  # the adapter of a library
        "algos/registry.py": called,
        "config/imitation.py": called,
        "nets/config.py": by_text,  # an object that is not called until its type is known
    }


def takers_of(file, function):
    """The functions that are called with what a function gives, in one file."""
    return {
        ast.unparse(node.func)
        for node in nodes_of(SOURCE / file)
        if isinstance(node, ast.Call)
        for given in node.args
        if isinstance(given, ast.Call) and ast.unparse(given.func) == function
    }


def test_what_a_runs_files_name_is_marked_where_it_is_read():
    assert set(users_of({"whole_experiment"})) == {
        "config/load.py",
        "runs/run_dir.py",
        "analysis/cluster_worker.py",  # the settings of the driver's own command
        "page/changed_settings.py",
    }
    assert takers_of("page/changed_settings.py", "marked") == {"whole_experiment"}
    assert takers_of("runs/run_dir.py", "read_yaml") == {"marked", "confirmed"}
    assert set(users_of({"with_defaults"})) == {"runs/checkpoints/match.py"}
    assert takers_of("runs/checkpoints/match.py", "marked") == {"with_defaults"}
    assert set(users_of({"load_sweep"})) == {
        "analysis/sweep/api.py",  # the user's own command
        "analysis/sweep/sweep_dir.py",
    }
    # `comparable`: a comparison of the two texts
    assert takers_of("analysis/sweep/sweep_dir.py", "read_yaml") == {"in_groups", "comparable"}
    assert takers_of("analysis/sweep/sweep_dir.py", "in_groups") == {"confirmed"}
    assert takers_of("runs/replays/files.py", "_about_in") == {"confirmed_header", "marked"}


# Scripts add nothing to the command line


OLD_FLAGS = ROOT / "scripts" / "old_flags.py"  # the flags of the old DQN trainer


@pytest.mark.parametrize(
    "path", sorted(set((ROOT / "scripts").glob("*.py")) - {OLD_FLAGS}), ids=lambda p: p.name
)
def test_a_script_is_one_command_by_another_name(path):
    assert len(path.read_text().splitlines()) < 15
    assert set(imported_modules(path)) <= {
        "sys",
        "elsinore.cli",
        "elsinore.cli.main",
        "old_flags",
        "old_flags.parser",
    }
    assert "main" in {
        ast.unparse(node.func) for node in nodes_of(path) if isinstance(node, ast.Call)
    }


def test_a_file_says_what_it_is_for():
    assert broken(lambda path: not ast.get_docstring(tree_of(path))) == {}


def without_encoding(path):
    """Lines that read or write text in the encoding of the user's locale."""
    return [
        call.lineno
        for call in nodes_of(path)
        if isinstance(call, ast.Call)
        and not any(x.arg == "encoding" for x in call.keywords)
        and "devnull" not in ast.unparse(call)
        and opens_text(call)
    ]


def opens_text(call):
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    modes = {x.value for x in call.args if isinstance(x, ast.Constant)} & {"r", "w", "a"}
    by_mode = name in ("open", "fdopen", "NamedTemporaryFile") and modes
    return name in ("read_text", "write_text") or bool(by_mode)


def test_text_is_in_utf_8_under_any_locale():
    assert not broken(without_encoding)
