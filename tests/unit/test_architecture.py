"""The house of docs/design.md: imports point down, a C file keeps to its job, the module exports one name."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastmlp
from fastmlp import _kernels, reference
from fastmlp.layers.base import LAYERS

PACKAGE = Path(fastmlp.__file__).parent
CSRC = Path(__file__).parents[2] / "src" / "fastmlp" / "csrc"

# From the bottom up; a module imports its own floor and those below.  A new module finds its place here.
FLOORS = [
    {"_kernels", "errors", "reference"},
    {"registry", "validation", "labels", "config", "thread_limits", "datasets", "functional", "metrics"}
    | {"descriptions", "notebook", "optional", "spread"}
    | {"schedules", "initializers", "losses", "optimizers", "starts", "stepper", "layers"},
    {"model"},
    {"export", "files"},
    {"training", "callbacks", "loops"},
    {"network", "autodiff"},
    {"fleet"},
    {"adapters", "dask", "keras", "mpi", "onnx", "ray", "sklearn", "spark", "tabular", "torch"}
    | {"plots", "bench", "cli", "__main__", "__init__"},
]
FLOOR = {module: floor for floor, modules in enumerate(FLOORS) for module in modules}


def imports(source, package):
    """(imported name in full, whether it is loaded with the module) of each import in a source file.

    `package` is the dotted name of the package the file stands in.  What only type checkers read is left out.
    """
    found = []

    def visit(node, at_import):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            children = node.orelse
        else:
            children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            found.extend((alias.name, at_import) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*parents, *([node.module] if node.module else [])])
            whole = node.level and not node.module  # `from . import a, b` names modules
            found.extend((f"{origin}.{alias.name}" if whole else origin, at_import) for alias in node.names)
        lazy = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in children:
            visit(child, at_import and not lazy)

    visit(ast.parse(source), True)
    return found


def all_imports():
    """(module, imported name, whether loaded with it) over the package; a subpackage counts as one module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).parts
        package = ".".join(["fastmlp", *parts[:-1]])
        for name, at_import in imports(path.read_text(encoding="utf-8"), package):
            yield parts[0].removesuffix(".py"), name, at_import


def inner(name):
    """The module of the package that an imported name belongs to, or None."""
    first, _, rest = name.partition(".")
    return (rest.split(".")[0] or "__init__") if first == "fastmlp" else None


def upward(importer, name):
    target = inner(name)
    return target is not None and FLOOR[target] > FLOOR[importer]


def test_the_parser_sees_every_form_of_import():
    source = (
        "import a.b\nfrom . import c, d\nfrom .e import f\nfrom .. import g\n"
        "def h():\n    from ..i.j import k\n"
        "if TYPE_CHECKING:\n    import unseen\nelse:\n    import seen\n"
    )
    assert imports(source, "fastmlp.sub") == [
        ("a.b", True), ("fastmlp.sub.c", True), ("fastmlp.sub.d", True), ("fastmlp.sub.e", True),
        ("fastmlp.g", True), ("fastmlp.i.j", False), ("seen", True),
    ]  # fmt: skip
    assert upward("reference", "fastmlp.network") and upward("training", "fastmlp.plots")
    assert not upward("plots", "fastmlp.network") and not upward("network", "fastmlp.training")
    assert not upward("network", "numpy")


def test_every_module_has_a_floor():
    modules = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")}
    assert modules <= set(FLOOR), f"{modules - set(FLOOR)} has no place in FLOORS"


def test_imports_point_down():
    edges = [(importer, name) for importer, name, _ in all_imports()]
    assert {("model", "fastmlp._kernels"), ("network", "fastmlp.model")} <= set(
        edges
    )  # the walk does find them
    assert [edge for edge in edges if upward(*edge)] == []


def asked_classes(source):
    """The names of classes that a source asks about with isinstance."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
            for part in ast.walk(node.args[1]):
                if isinstance(part, (ast.Name, ast.Attribute)):
                    yield part.id if isinstance(part, ast.Name) else part.attr


def test_no_code_but_that_of_layers_asks_what_class_a_layer_is():
    """Tables from classes to functions answer that."""
    found = set(asked_classes("isinstance(a, Dense) or isinstance(b, (ours.Scale, int))"))
    assert {"Dense", "Scale", "int"} <= found
    asked = {
        (path.name, name)
        for path in PACKAGE.rglob("*.py")
        if path.parent.name != "layers"
        for name in asked_classes(path.read_text(encoding="utf-8"))
    }
    assert ("fit.py", "str") in asked  # the walk does find them
    assert not {(file, name) for file, name in asked if name in LAYERS}


def test_reference_imports_numpy_only():
    names = {name for importer, name, _ in all_imports() if importer == "reference"}
    allowed = {"numpy", *sys.stdlib_module_names}
    assert "numpy" in names
    assert all(inner(name) == "reference" or name.split(".")[0] in allowed for name in names), names


def test_other_packages_are_imported_when_used():
    allowed = {"numpy", "fastmlp", *sys.stdlib_module_names}
    eager = {name for _, name, at_import in all_imports() if at_import}
    assert {name.split(".")[0] for name in eager} <= allowed


def test_import_loads_nothing_it_does_not_need():
    command = [sys.executable, "-c", "import sys, fastmlp; print(*sys.modules)"]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "fastmlp.network" in loaded
    heavy = {"matplotlib", "sklearn", "scipy", "pandas", "tqdm", "torch", "zipfile", "argparse"}
    assert not heavy & set(loaded)


def test_import_loads_ours_and_little_else():
    """What comes on top of numpy; a new name here is time that every script waits."""
    known = "__future__, copy, dataclasses, errno, numpy, threading"  # with what these load in this Python
    code = f"import sys, {known}; old = set(sys.modules); import fastmlp; print(*set(sys.modules) - old)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    ours = {name for name in loaded if name.split(".")[0] == "fastmlp" or "cython" in name}
    assert "fastmlp._kernels" in ours
    assert set(loaded) == ours
    assert (
        not {"fastmlp.cli", "fastmlp.datasets", "fastmlp.functional", "fastmlp.plots", "fastmlp.reference"}
        & ours
    )


ALONE = """
import importlib.util, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "fastmlp":
            raise ImportError("the twin reached for " + name)
sys.meta_path.insert(0, Blocked())
spec = importlib.util.spec_from_file_location("twin", sys.argv[1], submodule_search_locations=[sys.argv[2]])
twin = sys.modules["twin"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(twin)
import numpy as np
hidden = {"kind": "dense", "units": 3, "activation": "tanh", "dropout": 0.2}
plan = twin.Plan(2, [hidden, {"kind": "dense", "activation": "softmax"}])
plan.initialize(0, "normal", 1.0, 0)
adam = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}
plan.compile("sparse_categorical_crossentropy", 0.0, "adam", adam)
run = twin.Run(plan, np.ones((4, 2)), np.arange(4) % 2, batch_size=2, seed=0, shuffle=True)
run.begin(np.ones((1, 2)))
run.advance()
assert plan.step == 2
try:
    import fastmlp
except ImportError:
    print("alone")
"""


def test_the_twin_works_without_the_engine():
    folder = PACKAGE / "reference"
    command = [sys.executable, "-c", ALONE, str(folder / "__init__.py"), str(folder)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "alone\n", "")


def test_both_registries_say_the_same():
    """The names, and what is known of each."""
    activations = {
        name: (entry.parameter, entry.saved, entry.bounds) for name, entry in reference.ACTIVATIONS.items()
    }
    losses = {
        name: (loss.parameters, loss.link, loss.labels, loss.outputs)
        for name, loss in reference.LOSSES.items()
    }
    optimizers = {name: optimizer.slots for name, optimizer in reference.OPTIMIZERS.items()}
    assert _kernels.activation_names() == activations and len(activations) >= 17
    assert _kernels.loss_names() == losses and len(losses) >= 7
    assert _kernels.optimizer_names() == optimizers and len(optimizers) >= 5
    kinds = {name: (kind.traits, kind.settings) for name, kind in reference.KINDS.items()}
    assert _kernels.layer_kinds() == kinds and len(kinds) >= 5


def public(cls):
    return {name for name in vars(cls) if not name.startswith("_")}


def test_both_plans_and_runs_have_the_same_methods():
    plan = reference.Plan(1, [{"kind": "dense"}])  # some attributes are the instance's
    plan.compile("mse", 0.0, "sgd", {})
    rows = np.ones((1, 1))
    run = reference.Run(plan, rows, rows, batch_size=1, seed=0, shuffle=False)
    assert {"predict", "gradients", "changing"} <= public(_kernels.Plan)
    assert {"begin", "advance", "finished"} <= public(_kernels.Run)
    for twin, ours in ((plan, _kernels.Plan), (run, _kernels.Run)):
        assert public(ours) <= set(dir(twin))
        assert public(type(twin)) <= set(dir(ours))


# What people read

MODULES = [
    module.name
    for module in pkgutil.walk_packages([str(PACKAGE)], "fastmlp.")
    if not module.name.endswith("__main__")
]


TABLES = {"tabular", "tables", "reading", "numbers", "estimators"}  # names of modules that need scikit-learn


@pytest.mark.parametrize("name", ["fastmlp", *MODULES])
def test_every_module_says_what_it_is_and_its_examples_run(name):
    if "plots" in name.split("."):
        pytest.importorskip("matplotlib").use("agg")
        pytest.importorskip("sklearn")
    named = {"dask", "keras", "onnx", "optuna", "sklearn", "spark", "tensorboard", "torch", *TABLES}
    for package in named & {*name.split(".")}:
        pytest.importorskip("sklearn" if package in TABLES else {"spark": "pyspark"}.get(package, package))
    module = importlib.import_module(name)
    assert module.__doc__ and len(module.__doc__.splitlines()[0]) > 20
    before = fastmlp.get_num_threads()
    try:
        assert doctest.testmod(module).failed == 0
    finally:
        fastmlp.set_num_threads(before)  # an example sets it
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")


def public_things():
    """Every function and class for users, and the methods of Network, by name."""
    found = {name: getattr(fastmlp, name) for name in fastmlp.__all__}
    for name, thing in [*found.items()]:
        if inspect.ismodule(thing):
            del found[name]
            names = getattr(thing, "__all__", [key for key in vars(thing) if not key.startswith("_")])
            for key in names:
                item = getattr(thing, key)
                if "__all__" in vars(thing) or (inspect.isclass(item) and item.__module__ == thing.__name__):
                    found[f"{name}.{key}"] = item
    for name in public(fastmlp.Network):
        if callable(getattr(fastmlp.Network, name)):
            found[f"Network.{name}"] = getattr(fastmlp.Network, name)
    found["Network.predict"] = fastmlp.Network.predict
    return {
        name: thing for name, thing in found.items() if inspect.isroutine(thing) or inspect.isclass(thing)
    }


# Bases, results and entries of registries, which nobody makes; exceptions.
WITHOUT_EXAMPLE = {
    "layers.Layer", "losses.Loss", "optimizers.Optimizer", "schedules.Schedule",
    "reference.LayerKind", "reference.Activation", "reference.Loss", "reference.Optimizer",
}  # fmt: skip


def test_everything_public_has_an_example():
    things = public_things()
    assert {
        "Network",
        "Network.fit",
        "Network.predict",
        "load",
        "optimizers.Adam",
        "functional.softmax",
    } <= set(things)
    for name, thing in things.items():
        text = inspect.getdoc(thing) or ""
        assert len(text) > 30, f"{name} has no docstring"
        if name not in WITHOUT_EXAMPLE and not (inspect.isclass(thing) and issubclass(thing, Exception)):
            assert ">>>" in text, f"{name} has no example"


# The C sources


def c_sources():
    if not CSRC.is_dir():
        pytest.skip("the C sources are not beside the tests")
    comment = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
    return {path.name: comment.sub("", path.read_text(encoding="utf-8")) for path in CSRC.rglob("*.*")}


@pytest.mark.parametrize(
    ("what", "pattern", "files"),
    [
        ("the environment", r"\bgetenv\b", {"cpu.c"}),
        ("the processor", r"cpuid|xgetbv|cgroup|sysconf", {"cpu.c"}),
        ("the floating-point control word", r"mxcsr|fpcr", {"cpu.h"}),
        ("threads", r"\bpthread_\w+|_beginthreadex", {"pool.c"}),
        ("fused multiply-add", r"_mm\d*_\w+|vfmaq|MM\(", {"vec.h"}),
        (
            "memory",
            r"\b([mc]alloc|realloc|free|posix_memalign|aligned_alloc|_aligned_\w+)\s*\(",
            {"system.c"},
        ),
        ("the clock", r"\b(clock\w*|timespec_get|gettimeofday|time|QueryPerformance\w+)\s*\(", {"system.c"}),
    ],
)
def test_one_file_alone_knows(what, pattern, files):
    assert {name for name, text in c_sources().items() if re.search(pattern, text)} == files, what


def test_every_helper_of_the_vector_type_is_used():
    sources = c_sources()
    definition = re.compile(r"^INLINE \w+ (\w+)\(", re.M)
    helpers = set(definition.findall(sources["vec.h"]))
    sources["vec.h"] = definition.sub("", sources["vec.h"])
    used = set(re.findall(r"\w+", " ".join(sources.values())))
    assert {"vfma", "vload"} <= helpers
    assert helpers - used == set()


def symbols(*options):
    command = ["nm", "-D", *options, _kernels.__file__]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs nm of an ELF system")
    return {line.split()[-1].split("@")[0] for line in result.stdout.splitlines()}


def test_the_module_exports_its_entry_alone():
    assert symbols("--defined-only") == {"PyInit__kernels"}


def test_importing_leaves_denormals_alone():
    code = "import numpy, fastmlp; print(fastmlp.__name__, numpy.float64(5e-324) * numpy.float64(1))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.split() == ["fastmlp", "5e-324"]


def test_no_result_comes_from_the_platforms_libm():
    wanted = symbols("--undefined-only")
    assert "memcpy" in wanted or "memset" in wanted
    libm = {"exp", "exp2", "expm1", "log", "log2", "log1p", "pow", "tanh", "erf", "sin", "cos", "fma", "rint"}
    assert not (libm | {name + "f" for name in libm}) & wanted
