"""Bad input: targets and sample weights."""

import numpy as np
import pytest

from fastmlp import Network, losses, validation
from refusals import INF, NAN, assert_refused

# ---- targets ----


SPARSE, ROWS, BINARY = "sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy"
BAD_Y = [
    (SPARSE, [0, 1], ValueError, "y has 2 rows, expected 3, one for each row of X"),
    (SPARSE, 1, ValueError, "y is a single number"),
    (SPARSE, [0, 1, 2], ValueError, "y contains 2 at row 2, expected classes 0 to 1"),
    (SPARSE, [0, -1, 1], ValueError, "y contains -1 at row 1"),
    (SPARSE, [0, 0.5, 1], ValueError, "y contains 0.5 at row 1, expected whole class indices"),
    (SPARSE, [0, NAN, 1], ValueError, "y contains nan at row 1"),
    (SPARSE, ["a", 1, "b"], TypeError, "y holds 1 at row 1, expected a word as elsewhere"),
    (ROWS, [["a", "b"]] * 3, TypeError, "y holds strings, expected numbers"),
    ("mse", ["a", "b", "a"], TypeError, "y holds strings"),
    (SPARSE, [0, 1, None], TypeError, "y holds None at row 2"),
    (SPARSE, [[1, 0], [0, 1], [1, 0]], ValueError, r"y has shape \(3, 2\).*'categorical_crossentropy'"),
    (SPARSE, [[[1]], [[0]], [[1]]], ValueError, r"y has shape \(3, 1, 1\)"),
    (ROWS, [0, 1, 1], ValueError, r"y has shape \(3,\).*'sparse_categorical_crossentropy'"),
    (ROWS, [[1, 0, 0]] * 3, ValueError, r"y has shape \(3, 3\), expected \(3, 2\)"),
    (ROWS, [[1, 0], [0.5, 0.49], [1, 0]], ValueError, "y row 1 sums to 0.99"),
    (ROWS, [[1, 0], [0, 0], [1, 0]], ValueError, "y row 1 sums to 0"),
    (
        ROWS,
        [[1, 0], [1.5, -0.5], [1, 0]],
        ValueError,
        "y contains -0.5 at row 1, column 1, expected 0 or more",
    ),
    (ROWS, [[1, 0], [NAN, 0], [1, 0]], ValueError, "y contains nan at row 1, column 0"),
    (BINARY, [[0, 1], [0, 2], [0, 0]], ValueError, "y contains 2 at row 1, column 1, expected 0 to 1"),
    (BINARY, [0, 1, 1], ValueError, r"y has shape \(3,\), expected \(3, 2\) for loss 'binary_crossentropy'"),
    (
        "poisson",
        [[0, 1], [0, -2], [0, 0]],
        ValueError,
        "y contains -2 at row 1, column 1, expected 0 or more",
    ),
    ("mse", [0, 1, 2], ValueError, r"y has shape \(3,\)"),
    ("mse", [[0], [1], [2]], ValueError, r"y has shape \(3, 1\), expected \(3, 2\)"),
    ("mse", [[0, 1], [INF, 1], [0, 0]], ValueError, "y contains inf at row 1, column 0"),
    ("mse", [[0, 1j], [0, 1], [0, 0]], TypeError, "y holds complex numbers"),
]
OUTPUTS = {SPARSE: "softmax", ROWS: "softmax", BINARY: "sigmoid", "poisson": "exp", "mse": "identity"}


@pytest.mark.parametrize("method", ["fit", "evaluate", "gradients", "train_on_batch"])
@pytest.mark.parametrize(("loss", "y", "error", "message"), BAD_Y, ids=lambda value: None)
def test_bad_y(method, loss, y, error, message, dtype):
    net = Network([3, 2], output=OUTPUTS[loss], dtype=dtype, seed=0)
    net.compile(loss=loss)
    assert_refused(lambda: getattr(net, method)(np.ones((3, 3)), y), error, message, net)


@pytest.mark.parametrize(
    ("y", "labels"),
    [
        ([0, 1, 2], [0, 1, 2]),
        ([0.0, 1.0, 2.0], [0, 1, 2]),
        (np.array([2, 0, 1], np.uint8), [2, 0, 1]),
        ([[1], [2], [0]], [1, 2, 0]),
        ([True, False, True], [1, 0, 1]),
        (np.array([2, 9, 1, 9, 0, 9])[::2], [2, 1, 0]),
    ],
)
def test_labels_become_int64(y, labels, dtype):
    targets = losses.resolve(SPARSE).as_targets(y, 3, dtype, 3)
    assert targets.tolist() == labels
    assert targets.dtype == np.int64 and targets.flags.c_contiguous


def test_rows_of_one_number_are_the_same_flat_or_not(dtype):
    flat = losses.MSE().as_targets([1, 2, 3], 1, dtype, 3)
    column = losses.MSE().as_targets([[1], [2], [3]], 1, dtype, 3)
    assert flat.shape == column.shape == (3, 1)
    assert flat.dtype == column.dtype == dtype
    assert flat.tolist() == column.tolist()
    assert losses.resolve(max).as_targets([1, 2, 3], 1, dtype, 3).shape == (3, 1)


def test_soft_rows_may_sum_to_nearly_one(dtype):
    rows = [[0.5, 0.5005], [0.9995, 0.0]]
    assert losses.resolve(ROWS).as_targets(rows, 2, dtype, 2).shape == (2, 2)
    with pytest.raises(ValueError, match="row 0 sums to 1.002"):
        losses.resolve(ROWS).as_targets([[0.5, 0.502], [1, 0]], 2, dtype, 2)


def test_ready_targets_are_not_copied(dtype):
    y = np.ones((4, 2), dtype)
    assert losses.MSE().as_targets(y, 2, dtype, 4) is y
    X = np.ones((4, 3), dtype)
    assert validation.as_inputs(X, 3, dtype) is X
    X = np.ones((4, 3), np.uint8)
    assert validation.as_inputs(X, 3, dtype) is X


# ---- sample weights ----


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1, 2], ValueError, r"sample_weight has shape \(2,\), expected \(3,\)"),
        (2.0, ValueError, r"sample_weight has shape \(\)"),
        ([[1, 1, 1]], ValueError, r"sample_weight has shape \(1, 3\)"),
        ([1, -1, 1], ValueError, "sample_weight contains -1 at row 1, expected weights of 0 or more"),
        ([1, NAN, 1], ValueError, "sample_weight contains nan at row 1"),
        (["1", "1", "1"], TypeError, "sample_weight holds strings"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "evaluate", "gradients", "train_on_batch"])
def test_bad_sample_weights(method, weights, error, message, net):
    call = getattr(net, method)
    assert_refused(lambda: call(np.ones((3, 3)), [0, 1, 0], sample_weight=weights), error, message, net)


def test_good_sample_weights(dtype):
    assert validation.as_sample_weight(None, 3, dtype) is None
    assert validation.as_sample_weight([[1], [0], [2]], 3, dtype).tolist() == [1, 0, 2]
    assert validation.as_sample_weight([True, False, True], 3, dtype).dtype == dtype
