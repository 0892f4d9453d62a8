"""`fastmlp.functional`: what is there, the arrays that it takes, and its random numbers."""

import inspect

import numpy as np
import pytest

from fastmlp import functional, registry
from fastmlp.optimizers import OPTIMIZERS
from functional_cases import DTYPES

# ---- what is there ----


def test_every_kernel_has_its_functions():
    for name in registry.ACTIVATIONS:
        assert {name, f"{name}_backward"} <= set(functional.__all__)
    for name in registry.LOSSES:
        assert {name, f"{name}_loss_gradient"} <= set(functional.__all__)
    for name in OPTIMIZERS:
        assert f"{name}_update" in functional.__all__


@pytest.mark.parametrize("name", sorted(functional.__all__))
def test_every_function_is_documented(name):
    function = getattr(functional, name)
    assert function.__name__ == name
    for heading in ("Parameters", "Returns", "Examples", ">>> "):
        assert heading in function.__doc__
    for parameter in inspect.signature(function).parameters:
        if parameter != "parameter":
            assert parameter in function.__doc__


def test_unknown_functions_list_the_known_ones():
    with pytest.raises(AttributeError, match="'relo', expected one of .*relu"):
        _ = functional.relo


# ---- any array ----


SHAPES = [(), (1,), (5,), (0,), (3, 4), (2, 3, 17), (0, 3)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_stay(shape, dtype, rng):
    z = rng.normal(size=shape).astype(dtype)
    a = functional.tanh(z)
    assert a.shape == shape and a.dtype == dtype
    assert functional.tanh_backward(z, a).shape == shape
    assert functional.log1p(np.abs(z)).shape == shape
    if shape and shape[-1]:
        assert functional.softmax(z).shape == shape


@pytest.mark.parametrize("name", ["gelu", "softmax", "log1p"])
def test_any_memory_is_read_and_none_written(name, rng):
    z = np.abs(rng.normal(size=(6, 8)))
    function = getattr(functional, name)
    wide = np.full((12, 16), np.nan)
    wide[::2, ::2] = z
    frozen = z.copy()
    frozen.flags.writeable = False
    expected = function(z)
    for same in (wide[::2, ::2], np.asfortranarray(z), frozen, z[::-1][::-1], z.astype(">f8"), z.tolist()):
        assert function(same).tobytes() == expected.tobytes()
    assert (z == frozen).all() and expected is not z


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (np.ones(3, np.float32), np.float32),
        (np.ones(3, np.float16), np.float32),
        (np.ones(3, np.int32), np.float64),
        ([1, 2], np.float64),
        ([True], np.float64),
        (1.5, np.float64),
    ],
)
def test_types_of_results(value, dtype):
    assert functional.relu(value).dtype == dtype


def test_types_meet_in_the_wider_one():
    a = functional.relu_backward(np.ones(3, np.float32), np.ones(3))
    assert a.dtype == np.float64


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: functional.relu(["a"]), TypeError, "z holds strings"),
        (lambda: functional.relu([1j]), TypeError, "z holds complex numbers"),
        (
            lambda: functional.relu_backward([1, 2], [1]),
            ValueError,
            r"a has shape \(1,\), expected \(2,\) as da has",
        ),
        (lambda: functional.gelu_backward([1, 2], [1]), ValueError, r"z has shape \(1,\)"),
        (lambda: functional.softmax(1.0), ValueError, r"z has shape \(\), expected rows"),
        (lambda: functional.softmax(np.ones((3, 0))), ValueError, r"z has shape \(3, 0\)"),
        (lambda: functional.erf("x"), TypeError, "x holds strings"),
    ],
)
def test_bad_arrays(call, error, message):
    with pytest.raises(error, match=message):
        call()


# ---- random numbers ----


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [  # the vectors published with the Random123 library
        ([0] * 4, (0, 0), [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, (0xFFFFFFFF, 0xFFFFFFFF), [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            (0xA4093822, 0x299F31D0),
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_vectors(counter, key, words):
    assert functional.philox(counter, key).tolist() == words
    assert functional.philox(np.array([[counter, counter]]), key).tolist() == [[words, words]]


def test_shuffled_is_the_documented_permutation():
    """Fisher-Yates from the back, each word once: the promise that lets a training be repeated anywhere."""
    seed, epoch, n = 2**40 + 7, 3, 50
    order = list(range(n))
    for t in range(n - 1):
        i = n - 1 - t
        word = int(functional.philox([t // 4, 0, epoch, 1], (seed & 0xFFFFFFFF, seed >> 32))[t % 4])
        j = word * (i + 1) >> 32
        order[i], order[j] = order[j], order[i]
    assert functional.shuffled(seed, epoch, n).tolist() == order
    assert functional.shuffled(seed, epoch + 1, n).tolist() != order
    assert functional.shuffled(seed, epoch, 0).shape == (0,)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: functional.philox([0, 0, 0], (0, 0)), ValueError, r"counter has shape \(3,\)"),
        (lambda: functional.philox([0.0] * 4, (0, 0)), ValueError, "dtype float64"),
        (lambda: functional.philox([-1, 0, 0, 0], (0, 0)), ValueError, "32-bit words"),
        (lambda: functional.philox([0] * 4, (2**32, 0)), ValueError, "key is 4294967296"),
        (lambda: functional.philox([0] * 4, (0,)), ValueError, "key has 1 words, expected 2"),
        (lambda: functional.philox([0] * 4, 5), TypeError, "key is a int, expected two words"),
        (lambda: functional.shuffled(-1, 0, 3), ValueError, "seed is -1"),
        (lambda: functional.shuffled(0, 0, 2**62), ValueError, "n is 4611686018427387904"),
        (lambda: functional.shuffled(0, 0, -3), ValueError, "n is -3"),
    ],
)
def test_bad_random_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
