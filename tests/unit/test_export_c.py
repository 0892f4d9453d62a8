"""The exported C file: strict C99, the bits of `predict` with fma, the stated bound without."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shutil
import subprocess

import numpy as np
import pytest

from exported_networks import activation_nets, named, normalized_nets, rescaled_nets, shape_nets
from fastmlp import (
    Dense,
    Embedding,
    Network,
    Residual,
    Standardize,
    registry,
)
from fastmlp.export.c.rounding import allowed_difference
from fastmlp.export.steps import steps_of
from fastmlp.reference.storage import int8_columns
from helpers import FMA_ISAS, assert_same_bits
from residual_networks import residual_nets, residual_table_nets
from table_networks import randomized, table_nets, table_rows

_FOUND = {name: shutil.which(name) for name in (os.environ.get("CC", "gcc"), "gcc", "clang", "cc")}
COMPILERS = list({os.path.realpath(path): name for name, path in reversed(_FOUND.items()) if path}.values())
STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O2"]
X86 = platform.machine() in ("x86_64", "AMD64")
FMA = ["-mfma"] if X86 and FMA_ISAS else ["-DFASTMLP_FMA=1"]  # forced, the C library's
NO_FMA = ["-DFASTMLP_FMA=0"]
ACTIVATIONS = registry.ACTIVATIONS

pytestmark = [
    pytest.mark.skipif(not COMPILERS or os.name != "posix", reason="needs a C compiler"),
    pytest.mark.skipif(X86 and not FMA_ISAS, reason="this machine's predictions are without fma"),
]


@pytest.fixture(params=COMPILERS)
def cc(request):
    return request.param


def run(*command):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    return result.stdout


class Library:
    """Exported networks in one shared library, compiled as one text: their names do not meet."""

    def __init__(self, folder, nets, cc, *flags, **options):
        self.nets = nets
        for name, net in nets.items():
            net.export_c(folder / f"{name}.c", **options)
        text = "".join(f'#include "{name}.c"\n' for name in nets)
        (folder / "all.c").write_text(text)
        target = folder / f"all{abs(hash((cc, flags)))}.so"
        run(cc, *STRICT, *flags, "-shared", "-fPIC", folder / "all.c", "-o", target, "-lm")
        self.library = ctypes.CDLL(str(target))

    def predict(self, name, X):
        """All rows by NAME_predict_rows, the last one by NAME_predict too."""
        net = self.nets[name]
        X = np.ascontiguousarray(X, net.dtype)
        out = np.full((len(X), net.plan.n_out), np.nan, net.dtype)
        rows, one = (getattr(self.library, f"{name}_predict{end}") for end in ("_rows", ""))
        rows(pointer(X), pointer(out), ctypes.c_size_t(len(X)))
        last = np.full(net.plan.n_out, np.nan, net.dtype)
        one(pointer(X[-1]), pointer(last))
        assert np.array_equal(last, out[-1], equal_nan=True)
        return out


def pointer(array):
    return ctypes.c_void_p(array.ctypes.data)


def test_every_activation(cc, dtype, rng, tmp_path):
    nets = activation_nets(dtype, rng)
    library = Library(tmp_path, nets, cc, *FMA)
    X = rng.uniform(-1, 1, (400, 3)) * np.repeat([1e-3, 1, 4, 30], 100)[:, None]
    for name, net in nets.items():
        expected = net.predict(X)
        finite = np.isfinite(expected).all(axis=1)  # exp of exp is not
        assert finite.sum() >= 200
        assert_same_bits(library.predict(name, X)[finite], expected[finite])


def test_every_shape(dtype, rng, tmp_path):
    nets = shape_nets(dtype, rng)
    kernels = {step.segments for net in nets.values() for step in steps_of(net) if hasattr(step, "segments")}
    assert kernels == {1, 2, 4}
    library = Library(tmp_path, nets, COMPILERS[-1], *FMA, "-O1")
    for name, net in nets.items():
        X = rng.standard_normal((37, net.plan.n_in))
        assert_same_bits(library.predict(name, X), net.predict(X))


def test_softmax_of_every_width(dtype, rng, tmp_path):
    """Up to and beyond one and two cache lines."""
    nets = {
        f"{output}_{n}": randomized(Network([3, n], output=output, dtype=dtype), rng, 3.0)
        for i, n in enumerate([1, 2, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40])
        for output in [("softmax", "log_softmax")[i % 2]]
    }
    library = Library(tmp_path, nets, COMPILERS[0], *FMA, "-O1")
    X = rng.standard_normal((20, 3))
    for name, net in nets.items():
        assert_same_bits(library.predict(name, X), net.predict(X))


def test_preprocessing_and_dropout(dtype, rng, tmp_path):
    nets = rescaled_nets(dtype, rng)
    library = Library(tmp_path, nets, COMPILERS[0], *FMA)
    X = rng.integers(0, 256, (50, 13)).astype(np.uint8)
    for name, net in nets.items():
        assert_same_bits(library.predict(name, X), net.predict(X))


def test_normalization(cc, dtype, rng, tmp_path):
    nets = normalized_nets(dtype, rng)
    library = Library(tmp_path, nets, cc, *FMA)
    for name, net in nets.items():
        X = rng.uniform(-9, 9, (50, net.plan.n_in)).astype(dtype)
        assert_same_bits(library.predict(name, X), net.predict(X))
    if cc == COMPILERS[0]:
        run_main(cc, tmp_path, "batch", "last")


def test_what_tables_have(cc, dtype, rng, tmp_path):
    nets = table_nets(dtype, rng)
    library = Library(tmp_path, nets, cc, *FMA)
    for name, net in nets.items():
        X = table_rows(net, rng)
        assert_same_bits(library.predict(name, X), net.predict(X))
    run_main(cc, tmp_path, *nets)


def test_skip_connections(cc, dtype, rng, tmp_path):
    nets = residual_nets(dtype, rng) | residual_table_nets(dtype, rng)
    library = Library(tmp_path, nets, cc, *FMA)
    for name, net in nets.items():
        X = rng.uniform(-3, 3, (50, net.plan.n_in)).astype(dtype)
        assert_same_bits(library.predict(name, X), net.predict(X))


def test_rows_that_are_added_later_are_not_copied(tmp_path):
    """One more array holds such a row as long as it is read, and serves the next one."""
    net = Network([4, Dense(8), *[Residual([Dense(8), Dense(8)])] * 5, 2], seed=0)
    net.export_c(tmp_path / "net.c")
    text = (tmp_path / "net.c").read_text()
    assert re.findall(r"float (\w+)\[8\];", text) == ["a", "b", "kept0"] and "memcpy(" not in text


def test_rounded_weights_are_those_of_dense_layers(rng, tmp_path):
    nets = table_nets(np.float32, rng) | residual_nets(np.float32, rng)
    for name, net in nets.items():
        net.export_c(tmp_path / f"{name}.c", int8=True)
    run_main(COMPILERS[0], tmp_path, *nets)


def test_codes_that_there_are_not_are_refused(tmp_path):
    net = Network([2, Embedding([3], 2), 1], seed=0)
    with pytest.raises(ValueError, match="X has 3.0 in row 1, column 1, expected a whole number from 0 to 2"):
        net.export_c(tmp_path / "net.c", X=[[0.5, 2], [0.5, 3]])
    assert list(tmp_path.iterdir()) == []


def run_main(cc, folder, *names):
    """The programs of these files, one after the other, with fma and without."""
    parts = [f'#define {name.upper()}_TEST\n#define main main_of_{name}\n#include "{name}.c"\n#undef main\n'
             for name in names]  # fmt: skip
    calls = " || ".join(f"main_of_{name}()" for name in names)
    (folder / "mains.c").write_text("".join(parts) + f"int main(void) {{ return {calls}; }}\n")
    for flags in (FMA, NO_FMA):
        run(cc, *STRICT, "-O1", *flags, folder / "mains.c", "-o", folder / "main", "-lm")
        assert run(folder / "main").count("difference from Python") == len(names)


@pytest.mark.skipif(not X86, reason="the baseline of this architecture has fma")
def test_without_fma_it_has_the_bits_of_the_baseline(dtype, rng, tmp_path):
    nets = activation_nets(dtype, rng) | normalized_nets(dtype, rng) | table_nets(dtype, rng)
    nets |= residual_nets(dtype, rng) | residual_table_nets(dtype, rng)
    nets["wide"] = randomized(Network([100, 100, 17, 16, 5], dtype=dtype), rng)
    library = Library(tmp_path, nets, COMPILERS[0], *NO_FMA, "-O0")
    differ = 0
    for name, net in nets.items():
        X = table_rows(net, rng, 30)
        twin = Network([net.plan.n_in, *net.layers], dtype=dtype, isa="baseline")
        twin.set_weights(net.get_weights())
        got = library.predict(name, X)
        assert_same_bits(got, twin.predict(X))
        differ += np.any(got != net.predict(X))
    assert differ > len(nets) / 2  # rounding twice does show


def deep_nets(dtype, rng):
    """Those that rounding is carried through, some over many layers."""
    nets = normalized_nets(dtype, rng) | table_nets(dtype, rng)
    nets |= residual_nets(dtype, rng) | residual_table_nets(dtype, rng)
    for output in ("softmax", "log_softmax", "exp"):
        nets[output] = randomized(Network([100, 100, 100, 7], output=output, dtype=dtype), rng)
    return nets | {
        f"deep_{name}": randomized(Network([9, *[24] * 6, 4], activation=activation, dtype=dtype), rng)
        for name, activation in named(ACTIVATIONS).items()
        if ACTIVATIONS[name][1] != "row" and name != "exp"
    }


def test_without_fma_it_stays_within_the_bound(dtype, rng, tmp_path):
    """On other rows than those of the test vector; and the bound is no invitation to be wrong."""
    nets = deep_nets(dtype, rng)
    library = Library(tmp_path, nets, COMPILERS[0], *NO_FMA, "-O0")
    for name, net in nets.items():
        X = table_rows(net, rng, 30)
        allowed = allowed_difference(steps_of(net), X)
        expected = net.predict(X).astype(np.float64)
        difference = np.abs(library.predict(name, X) - expected).max()
        assert 0 <= difference <= allowed, name
        if name != "deep_step":  # which may jump
            assert allowed <= 2000 * np.finfo(dtype).eps * np.abs(expected).max(), name


# The file itself


@pytest.fixture(scope="module")
def policy():
    layers = [17, Dense(64, "tanh"), Dense(64, "tanh"), Dense(6, "softmax")]
    return randomized(Network(layers), np.random.default_rng(3))


def test_the_test_vector_passes_and_can_fail(cc, policy, tmp_path):
    policy.export_c(tmp_path / "policy.c")
    text = (tmp_path / "policy.c").read_text()
    wrong = re.sub(r"(b1\[64\] = \{\s*-?0x1\.)(\w)", lambda m: m[1] + ("8" if m[2] < "8" else "7"), text)
    assert wrong != text
    (tmp_path / "wrong.c").write_text(wrong)
    for flags in (FMA, NO_FMA, ["-DFASTMLP_FMA=1", "-O0"]):
        command = [cc, *STRICT, *flags, "-DPOLICY_TEST", "-lm", "-o", tmp_path / "main"]
        run(*command[:-3], tmp_path / "policy.c", *command[-2:], "-lm")
        largest, allowed = map(float, re.findall(r": ([\d.e+-]+)", run(tmp_path / "main")))
        assert largest <= allowed and (allowed > 0) == (flags == NO_FMA)
        run(*command[:-3], tmp_path / "wrong.c", *command[-2:], "-lm")
        assert subprocess.run([tmp_path / "main"], capture_output=True).returncode == 1


@pytest.mark.parametrize("flags", [[], ["-std=gnu17", "-O3"], ["-ffp-contract=fast", "-O3"]])
def test_contraction_is_off_without_any_option(cc, flags, policy, tmp_path):
    """gcc contracts unless told -std=c99, clang within expressions; clang's =fast alone beats a pragma."""
    if not FMA[0].startswith("-m"):
        pytest.skip("no option brings an fma instruction")
    if "clang" in cc:
        flags = [flag.replace("=fast", "=on") for flag in flags]
    policy.export_c(tmp_path / "policy.c")
    run(cc, *flags, *FMA, "-DPOLICY_TEST", tmp_path / "policy.c", "-o", tmp_path / "main", "-lm")
    assert "difference from Python: 0, allowed: 0" in run(tmp_path / "main")


@pytest.mark.parametrize(
    ("flag", "message"), [("-ffast-math", "-ffast-math"), ("-D__FLT_EVAL_METHOD__=2", "-mfpmath=sse")]
)
def test_other_arithmetic_is_refused(flag, message, cc, policy, tmp_path):
    policy.export_c(tmp_path / "policy.c")
    command = [cc, flag, "-fsyntax-only", tmp_path / "policy.c"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode and '#error "this file' in result.stderr and message in result.stderr


def test_another_architecture_has_the_same_bits(dtype, rng, tmp_path):
    compiler, emulator = map(shutil.which, ("aarch64-linux-gnu-gcc", "qemu-aarch64"))
    if not compiler or not emulator:
        pytest.skip("needs a cross compiler and an emulator")
    for name, net in {**normalized_nets(dtype, rng), "deep": Network([100, 100, 16, 3], dtype=dtype)}.items():
        net.export_c(tmp_path / f"{name}.c", X=rng.standard_normal((3, net.plan.n_in)))
    for name in ("wide", "deep"):
        flags = [*STRICT, "-static", f"-D{name.upper()}_TEST", "-o", tmp_path / "main"]
        run(compiler, *flags, tmp_path / f"{name}.c", "-lm")
        assert "difference from Python: 0, allowed: 0" in run(emulator, tmp_path / "main")


@pytest.mark.parametrize(("dtype", "int8"), [("float32", False), ("float64", False), ("float32", True)])
def test_no_undefined_behaviour(int8, dtype, rng, tmp_path):
    layers = [37, Standardize(np.arange(37), np.arange(1, 38)), Dense(40, "gelu"), Dense(20, "mish"),
              Dense(8, "softplus", use_bias=False), Dense(3, "log_softmax")]  # fmt: skip
    randomized(Network(layers, dtype=dtype), rng).export_c(tmp_path / "net.c", int8=int8)
    flags = ["-fsanitize=undefined", "-fno-sanitize-recover=all", "-DNET_TEST", "-DFASTMLP_FMA=1"]
    target = tmp_path / "main"
    command = [COMPILERS[0], *STRICT, *flags, tmp_path / "net.c", "-o", target, "-lm"]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("the compiler has no sanitizer")
    run(target)


def strictest(cc):
    words = ["-Wconversion", "-Wshadow", "-Wdouble-promotion", "-Wmissing-prototypes", "-Wundef"]
    return [*STRICT, *words, *(["-Wno-sign-conversion"] if "clang" in cc else [])]


def test_more_warnings_have_nothing_to_say(cc, dtype, rng, tmp_path):
    for name, net in activation_nets(dtype, rng).items():
        net.export_c(tmp_path / f"{name}.c")
    for name, net in (table_nets(dtype, rng) | residual_nets(dtype, rng)).items():
        net.export_c(tmp_path / f"{name}.c")
    wide = Network([64, 40, 20, 3], dtype=dtype)
    wide.export_c(tmp_path / "wide.c")
    if dtype == np.float32:
        wide.export_c(tmp_path / "wide_int8.c", int8=True)
    run(cc, *strictest(cc), "-fsyntax-only", *tmp_path.glob("*.c"))


def numbers_of(text, name):
    """The elements of a C array, read back by Python."""
    body = re.search(rf"\b{name}\[[\d* ]+\] = \{{(.*?)\}};", text, re.S)[1]
    return [
        float.fromhex(word.removesuffix("f")) if "x" in word else int(word)
        for word in re.findall(r"[^\s,]+", body)
    ]


def test_weights_are_exact_and_the_text_is_the_same_every_time(dtype, rng, tmp_path):
    net = randomized(Network([13, 5, 1], dtype=dtype), rng)
    weights = net.get_weights()
    weights[0].flat[:4] = 0, -0.0, np.finfo(dtype).max / 1e9, np.finfo(dtype).smallest_subnormal
    net.set_weights(weights)
    net.export_c(tmp_path / "net.c")
    text = (tmp_path / "net.c").read_text()
    for name, array in zip(["net_W0", "net_b0", "net_W1", "net_b1"], weights, strict=True):
        assert_same_bits(np.array(numbers_of(text, name), dtype).reshape(array.shape), array)
    net.export_c(tmp_path / "other.c", name="net")
    assert (tmp_path / "other.c").read_text() == text


def test_the_header_says_what_it_takes(policy, tmp_path):
    """ROM as the linker counts it, RAM as gcc does."""
    if "gcc" not in COMPILERS or not shutil.which("nm"):
        pytest.skip("needs gcc and nm")
    for int8 in (False, True):
        policy.export_c(tmp_path / "p.c", int8=int8)
        text = (tmp_path / "p.c").read_text()
        rom, tables = map(int, re.search(r"ROM +(\d+) bytes of .*; (\d+) bytes of tables", text).groups())
        run("gcc", *STRICT, *FMA, "-c", "-fstack-usage", tmp_path / "p.c", "-o", tmp_path / "p.o")
        run("gcc", *STRICT, "-O0", "-c", tmp_path / "p.c", "-o", tmp_path / "all.o")  # nothing optimized away
        sizes = {}
        for line in run("nm", "-S", tmp_path / "all.o").splitlines():
            *size, kind, name = line.split()
            if kind == "r" and size:
                sizes[name] = int(size[-1], 16)
        weights = sum(size for name, size in sizes.items() if re.fullmatch(r"p_(W|b|scale)\d", name))
        assert rom == weights
        assert tables == sum(sizes.values()) - weights
        ram = int(re.search(r"RAM +(\d+) bytes", text)[1])
        stack = re.search(r"p_predict\t(\d+)", (tmp_path / "p.su").read_text())
        assert ram <= int(stack[1]) <= ram + 512
        expected = 17 * 64 + 64 * 64 + 64 * 6 + (134 if not int8 else 0)
        assert rom == expected * (1 if int8 else 4) + (4 * 2 * 134 if int8 else 0)


def test_only_what_is_needed_is_in_the_file(tmp_path):
    Network([4, 8, 1]).export_c(tmp_path / "net.c")
    text = (tmp_path / "net.c").read_text()
    assert "net_relu_forward" in text and "exp" not in text and "softmax" not in text
    code = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    assert not re.search(r"_derivative|\b(vec|uivec|vmask|real|INLINE|UNROLL|NULL)\b|FN\(|RC\(", code)


# int8


def test_int8_is_the_quantized_network(cc, rng, tmp_path):
    """The same bits as its `predict`, and the error that the header states."""
    net = randomized(Network([40, 48, 20, 3], activation="silu"), rng)
    weights = net.get_weights()
    weights[0][:, 7] = 0  # a column without a largest element
    net.set_weights(weights)
    X = rng.standard_normal((50, 40)).astype(np.float32)
    library = Library(tmp_path, {"net": net}, cc, *FMA, int8=True, X=X)
    twin = net.quantized("int8")
    assert_same_bits(library.predict("net", X), twin.predict(X))
    text = (tmp_path / "net.c").read_text()
    assert re.search(r"static const int8_t net_W0\[40 \* 48\]", text)
    error = np.abs(twin.predict(X).astype(np.float64) - net.predict(X))
    stated = re.search(r"on 50 rows.*?at most ([\d.e+-]+) and by ([\d.e+-]+)", text, re.S)
    assert [float(word) for word in stated.groups()] == pytest.approx([error.max(), error.mean()], rel=5e-3)
    assert 0 < error.max() < 0.1 * np.abs(net.predict(X)).max()
    for w, q in zip(weights, twin.get_weights(), strict=True):
        assert np.all(np.abs(w - q) <= np.abs(w).max(axis=0) / 127 * 0.502)
    written = np.array(numbers_of(text, "net_W0")).reshape(40, 48)
    assert np.array_equal(written, int8_columns(weights[0])[0])


def test_int8_of_float64_is_refused(tmp_path):
    with pytest.raises(ValueError, match="dtype is float64, expected a network of float32"):
        Network([4, 2], dtype="float64").export_c(tmp_path / "net.c", int8=True)
    assert not list(tmp_path.iterdir())


def test_int8_takes_rows_of_its_own(tmp_path):
    """Standard normal behind the preprocessing, and the same on every machine."""
    net = Network([3, Standardize([100, 200, 300], [1, 10, 100]), Dense(2)], seed=0)
    net.export_c(tmp_path / "net.c", int8=True)
    text = (tmp_path / "net.c").read_text()
    assert "on 1000 standard normal rows" in text
    X = np.array(numbers_of(text, "net_test_x")).reshape(3, 3)
    z = (X - [100, 200, 300]) / [1, 10, 100]
    assert np.all(np.abs(z) < 5) and np.abs(z).max() > 0.5


# Arguments


@pytest.mark.parametrize(
    ("path", "options", "error", "message"),
    [
        ("net.h", {}, ValueError, "path is '.*net.h', expected a name that ends with .c"),
        (
            "my-net.c",
            {},
            ValueError,
            "the file's name is 'my-net' and no name is given, expected a C identifier",
        ),
        ("3d.c", {}, ValueError, "expected a C identifier"),
        ("net.c", {"name": "a b"}, ValueError, "name is 'a b', expected a C identifier"),
        ("net.c", {"name": "é"}, ValueError, "expected a C identifier"),
        ("net.c", {"name": "x\n"}, ValueError, "expected a C identifier"),
        ("net.c", {"name": 3}, TypeError, "name is a int, expected a str"),
        ("net.c", {"int8": "yes"}, TypeError, "int8"),
        ("net.c", {"X": np.zeros((5, 3))}, ValueError, r"X has shape \(5, 3\), expected \(rows, 4\)"),
        ("net.c", {"X": np.full((5, 4), np.nan)}, ValueError, "X contains nan"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_written(path, options, error, message, tmp_path):
    (tmp_path / path).write_text("old")
    with pytest.raises(error, match=message):
        Network([4, 2], seed=0).export_c(str(tmp_path / path), **options)
    assert [item.name for item in tmp_path.iterdir()] == [path]
    assert (tmp_path / path).read_text() == "old"


def test_path_is_a_path():
    with pytest.raises(TypeError, match="path is a int, expected a str or a path"):
        Network([4, 2]).export_c(3)


def test_a_name_may_be_another_than_the_files(tmp_path):
    Network([4, 2], seed=0).export_c(tmp_path / "my-net.c", name="Net2")
    text = (tmp_path / "my-net.c").read_text()
    assert "void Net2_predict(" in text and "#ifdef NET2_TEST" in text
    run(COMPILERS[0], *STRICT, "-fsyntax-only", tmp_path / "my-net.c")
