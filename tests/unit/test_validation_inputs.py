"""Bad input: X, out and threads; arrays of other packages."""

import numpy as np
import pytest

from fastmlp import Network, validation
from fastmlp.optimizers import SGD
from fastmlp.training.rows import FAR
from refusals import INF, NAN, assert_refused


def test_assert_refused_can_fail():
    def wrong():
        raise ValueError("X is wrong.\nVery wrong.")

    with pytest.raises(AssertionError):
        assert_refused(wrong, ValueError, "X")
    with pytest.raises(AssertionError):
        assert_refused(wrong, ValueError, "y")


class Sparse:
    def toarray(self):
        return np.ones((2, 3))


class Unreadable:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("requires grad")


BAD_X = [
    (np.ones((2, 4)), ValueError, r"X has shape \(2, 4\), expected \(rows, 3\)"),
    (np.ones((4,)), ValueError, r"X has shape \(4,\)"),
    (np.ones(()), ValueError, r"X has shape \(\)"),
    (1.5, ValueError, r"X has shape \(\)"),
    (np.ones((2, 3, 1)), ValueError, r"X has shape \(2, 3, 1\).*X.reshape\(len\(X\), -1\)"),
    (np.ones((0, 3)), ValueError, r"X is empty with shape \(0, 3\)"),
    ([], ValueError, r"X has shape \(0,\)"),
    ([[1, 2, 3], [1, 2]], ValueError, "X has rows of different lengths"),
    ([["1", "2", "3"]], TypeError, "X holds strings, expected real numbers"),
    ([[b"1", b"2", b"3"]], TypeError, "X holds bytes"),
    (np.ones((2, 3), complex), TypeError, "X holds complex numbers"),
    (np.zeros((2, 3), "M8[s]"), TypeError, "X holds dates"),
    ([[1, 2, None]], TypeError, "X holds None at row 0, column 2"),
    (np.array([[1, "2", 3]], object), TypeError, "X holds '2' at row 0, column 1"),
    (None, TypeError, "X holds None"),
    ({"a": 1}, TypeError, "X holds"),
    (Sparse(), TypeError, "X is a sparse matrix"),
    (Unreadable(), TypeError, "X cannot be read as an array: requires grad"),
    (np.ma.masked_array(np.ones((1, 3)), [[0, 1, 0]]), ValueError, "X is a masked array"),
    ([[0, 0, 0], [0, NAN, 0]], ValueError, "X contains nan at row 1, column 1"),
    ([[0, 0, 0], [0, 0, INF]], ValueError, "X contains inf at row 1, column 2"),
    ([[-INF, 0, INF]], ValueError, "X contains -inf at row 0, column 0"),
]


@pytest.mark.parametrize("method", ["predict", "predict_classes", "forward", "evaluate", "gradients", "fit"])
@pytest.mark.parametrize(("X", "error", "message"), BAD_X, ids=lambda value: None)
def test_bad_X(method, X, error, message, net):
    arguments = () if method in ("predict", "predict_classes", "forward") else ([0, 1],)
    assert_refused(lambda: getattr(net, method)(X, *arguments), error, message, net)


@pytest.mark.parametrize("row", [0, 1, 500, 999])
@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_non_finite_numbers_are_found_in_ready_arrays(value, row, net, dtype):
    X = np.ones((1000, 3), dtype)
    X[row, 1] = value
    assert_refused(lambda: net.predict(X), ValueError, f"X contains {value} at row {row}, column 1", net)
    assert_refused(lambda: net.predict(X[row]), ValueError, f"X contains {value} at row 1", net)
    assert_refused(lambda: net.fit(X, np.zeros(1000)), ValueError, f"X contains {value} at row {row}", net)


@pytest.mark.parametrize("count", [1, 7, 8, 16, 63, 64, 65, 200, 2**18 + 65])
@pytest.mark.parametrize("strided", [False, True])
def test_one_number_that_is_not_finite_is_found_wherever_it_stands(count, strided, dtype):
    array = np.full(2 * count if strided else count, np.finfo(dtype).max, dtype)[:: 2 if strided else 1]
    assert validation._all_finite(array)
    for place in {0, count // 2, count - 1}:
        for value in (NAN, INF, -INF):
            array[place] = value
            assert not validation._all_finite(array)
            array[place] = -1


@pytest.mark.parametrize("value", [NAN, INF])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("widths", [(64, 3), (64, 8, 2), (8, 4, 2)], ids=str)
def test_fit_finds_them_in_large_arrays_on_the_way_and_undoes_what_it_did(value, shuffle, widths, dtype):
    rows = 2 * FAR // (widths[0] * dtype.itemsize)
    X = np.zeros((rows, widths[0]), dtype)
    net = Network(list(widths), output="softmax", dtype=dtype, seed=0)
    net.compile(SGD(0.1, momentum=0.9))
    net.train_on_batch(np.ones((2, widths[0])), [0, 1])
    X[rows - 1, 5] = value  # most batches come before it
    for threads in (1, 2):
        assert_refused(
            lambda threads=threads: net.fit(
                X, np.arange(rows) % 2, batch_size=100, shuffle=shuffle, threads=threads, verbose=False
            ),
            ValueError,
            f"X contains {value} at row {rows - 1}, column 5",
            net,
        )
    X[rows - 1, 5] = 0
    assert net.fit(X, np.arange(rows) % 2, verbose=False).epoch == [0]


def test_large_finite_numbers_are_not_taken_for_infinite(dtype):
    largest = np.finfo(dtype).max
    X = np.full((10, 3), largest)
    assert validation.as_inputs(X, 3, dtype).tolist() == X.tolist()


def test_numbers_that_float32_cannot_hold():
    net = Network([2, 1], dtype="float32", seed=0)
    message = r"X contains 1e\+39 at row 0, column 1, which float32 cannot hold"
    assert_refused(lambda: net.predict([[1.0, 1e39]]), ValueError, message, net)


def test_one_input_needs_a_column(dtype):
    net = Network([1, 1], dtype=dtype, seed=0)
    message = r"X has shape \(5,\), expected \(rows, 1\).*X.reshape\(-1, 1\)"
    assert_refused(lambda: net.predict(np.ones(5)), ValueError, message, net)
    assert net.predict(np.ones(1)).shape == (1,)


# ---- out ----


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (lambda d: np.empty((4, 2), d), ValueError, r"out has shape \(4, 2\), expected \(5, 2\)"),
        (lambda d: np.empty((5, 3), d), ValueError, r"out has shape \(5, 3\)"),
        (lambda d: np.empty(10, d), ValueError, r"out has shape \(10,\)"),
        (lambda d: np.empty((5, 2), np.float16), TypeError, "out has dtype float16, expected"),
        (lambda d: np.empty((5, 4), d)[:, ::2], ValueError, "out is not contiguous"),
        (lambda d: np.empty((2, 5), d).T, ValueError, "out is not contiguous"),
        (lambda d: np.frombuffer(bytes(10 * d.itemsize), d).reshape(5, 2), ValueError, "out is read-only"),
        (lambda d: [[0.0] * 2] * 5, TypeError, "out is a list, expected an array"),
    ],
)
@pytest.mark.parametrize("ready", [True, False])
def test_bad_out(out, error, message, ready, net, dtype):
    X = np.ones((5, 3), dtype)
    assert_refused(lambda: net.predict(X if ready else X.tolist(), out=out(dtype)), error, message, net)


def test_an_overlapping_out_is_refused(dtype):
    net = Network([3, 3], dtype=dtype, seed=0)
    memory = np.ones((6, 3), dtype)
    for out in (memory[:5], memory[1:]):
        before = memory.copy()
        assert_refused(lambda out=out: net.predict(memory[:5], out=out), ValueError, "out overlaps X", net)
        assert (memory == before).all()
    assert net.predict(memory[:3], out=memory[3:]) is not None


@pytest.mark.parametrize(
    ("threads", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("2", TypeError)]
)
def test_bad_threads(threads, error, net, dtype):
    assert_refused(lambda: net.predict(np.ones((2, 3), dtype), threads=threads), error, "threads is", net)


# Arrays of other packages, read where they lie


class Exported:
    """An object that exports its memory in one way alone."""

    def __init__(self, array, device=None):
        self.array, self.device_pair = array, device

    def __dlpack_device__(self):
        return self.device_pair or self.array.__dlpack_device__()

    def __dlpack__(self, **arguments):
        if self.device_pair:
            raise BufferError("no kernel can be launched")
        return self.array.__dlpack__(**arguments)


class Interface:
    def __init__(self, array):
        self.array = array  # keeps the memory that the interface's address leads to
        self.__array_interface__ = array.__array_interface__


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("export", [Exported, Interface])
@pytest.mark.parametrize("ready", [lambda a: a, read_only], ids=["writable", "read-only"])
def test_exported_memory_is_read_where_it_lies(export, ready, net, dtype, rng):
    array = ready(rng.standard_normal((5, 3)).astype(dtype))
    X = export(array)
    assert np.shares_memory(validation.as_inputs(X, 3, dtype), array)
    assert not np.shares_memory(validation.as_inputs(X, 3, dtype), array.copy())
    y = np.array([0, 1, 1, 0, 1])
    assert (net.predict(X) == net.predict(array)).all()
    assert (net.predict(export(array[0])) == net.predict(array[0])).all()
    assert (net.predict_classes(X) == net.predict_classes(array)).all()
    assert net.evaluate(X, export(y)) == net.evaluate(array, y)
    assert net.fit(X, export(y), sample_weight=export(np.ones(5))).history["loss"][0] > 0


class ManyDevices:
    """What a tensor shows to those who do not know its package."""

    def __init__(self, dtype="float32", device="cpu", requires_grad=False):
        self.dtype, self.requires_grad = dtype, requires_grad
        self.device = type("device", (), {"type": device})()

    def __array__(self, dtype=None, copy=None):
        raise ValueError("no.")


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (ManyDevices(), "X cannot be read as an array: no"),
        (ManyDevices(requires_grad=True), r"requires grad, expected what X.detach\(\) gives"),
        (ManyDevices(device="cuda"), r"ManyDevices that lies on device cuda, expected what X.cpu\(\) gives"),
        (ManyDevices("package.bfloat16"), r"holds package.bfloat16.*expected what X.float\(\) gives"),
        (ManyDevices("x.bfloat16", "cuda", True), r"lies .* holds .*X.detach\(\).cpu\(\).float\(\) gives"),
        (Exported(np.ones((2, 3)), device=(2, 0)), r"device 2:0 of DLPack, expected what X.cpu\(\) gives"),
        (np.zeros((2, 3), "V2"), r"X holds \|V2, expected real numbers"),
    ],
    ids=lambda value: None,
)
def test_unreadable_tensors(X, message, net):
    assert_refused(lambda: net.predict(X), TypeError, message, net)


def test_a_subclass_prepares_its_input_once(net):
    class Halving(Network):
        def predict(self, X, out=None, threads=None):
            return super().predict([[x / 2 for x in row] for row in X], out, threads)

    halving = Halving([3, 4, 2], output="softmax", dtype=net.dtype, seed=1)
    halving.set_weights(net.get_weights())
    X = [[1.0, 2.0, 3.0]]
    assert (halving.predict(X) == net.predict([[0.5, 1.0, 1.5]])).all()
