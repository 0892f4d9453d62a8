"""Bad input: single values, and what is too large for memory."""

import re

import numpy as np
import pytest

from fastmlp import Network, validation
from fastmlp.callbacks import EarlyStopping
from refusals import assert_refused

ODD_DTYPES = [
    *("(", "(01,)f4", "01f4", "(2,f4", "2f4", "f4,", "f4,f4", "(1 2)f4", "\0", "{", "M8[01s]", "f" * 100_000),
    *("(" * 1000 + "f4", "(" * 10**5, "i4", "f2", b"f4,(", 3, 1.5, [], [1], {"names": 1}, ("f4", -1)),
]  # fmt: skip


@pytest.mark.parametrize("value", ODD_DTYPES, ids=lambda value: repr(value)[:20])
def test_odd_dtypes_are_refused_in_one_sentence(value):
    with pytest.raises(ValueError, match="^unknown dtype .*, expected one of float32, float64$") as caught:
        Network([2, 1], dtype=value)
    assert len(str(caught.value)) < 150


class Exhausted:
    """What an array that does not fit into memory does when it is read."""

    def __array__(self, dtype=None, copy=None):
        raise MemoryError("no room for 8 GiB")


class ExhaustedTensor:
    def __dlpack_device__(self):
        return (1, 0)

    def __dlpack__(self, **keywords):
        raise MemoryError("no room for 8 GiB")


@pytest.mark.parametrize("X", [Exhausted(), ExhaustedTensor()], ids=["array", "dlpack"])
def test_a_lack_of_memory_is_said_as_such(X, net):
    with pytest.raises(MemoryError, match="no room for 8 GiB"):
        net.predict(X)


def test_messages_show_long_values_shortened():
    with pytest.raises(TypeError, match=re.escape("...")) as caught:
        validation.integer("x" * 1000, "units", 1)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("value", [np.int8(3), np.uint64(3), 3])
def test_all_integers_are_welcome(value):
    result = validation.integer(value, "n", 0)
    assert result == 3 and type(result) is int


@pytest.mark.parametrize("value", [np.float32(0.5), 0.5, np.float64(0.5)])
def test_all_reals_are_welcome(value):
    result = validation.real(value, "rate")
    assert result == 0.5 and type(result) is float


def test_reals_out_of_range_of_a_float():
    with pytest.raises(ValueError, match="rate is 1"):
        validation.real(10**400, "rate")


class Long:
    def __repr__(self):
        return "Long (\n    " + ",\n    ".join(f"option_{i}: {i}" for i in range(99)) + "\n)"


def test_values_are_shown_on_one_line():
    net = Network([2, 2], seed=0)
    start = r"Long \( option_0: 0, option_1: 1"
    for expected, call in {
        "optimizer": lambda: net.compile(Long()),
        "loss": lambda: net.compile(loss=Long()),
        "initializer": lambda: Network([2, 2], initializer=Long()),
        "activation": lambda: Network([2, 2, 2], activation=Long()),
        "output": lambda: Network([2, 2], output=Long()),
        "monitor": lambda: EarlyStopping(Long()),
    }.items():
        assert_refused(call, TypeError, rf"^{expected} is {start}.{{0,30}}\.\.\., expected ", net)
    with pytest.raises(
        TypeError, match=rf"^layers\[1\] is {start}.{{0,30}}\.\.\., expected a width or one of "
    ):
        Network([2, Long()])
