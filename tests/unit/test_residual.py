"""Where a `Residual` may stand, and what is said where it may not."""

from __future__ import annotations

import pytest

from fastmlp import Activation, Add, BatchNormalization, Dense, Dropout, Network, Rescaling, Residual
from helpers import assert_close

BLOCK = Residual([Dense(6)])


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([BLOCK], r"layers\[1\] is Residual.*, expected a layer before it, whose output it adds"),
        ([6, Dropout(0.5), BLOCK], r"layers has Residual\(.*\) directly after Dropout\(0\.5\), expected"),
        ([Dropout(0.5), BLOCK], r"directly after Dropout\(0\.5\), expected it directly after a layer whose"),
        ([Rescaling(2.0), BLOCK], r"directly after Rescaling\(2\.0\), expected it directly after a layer"),
        ([6, Residual([Dropout(0.2), BLOCK])], r"directly after Dropout\(0\.2\), expected it directly after"),
        (
            [6, BatchNormalization(), Residual([Activation("relu"), 6])],
            "whose first layer would act on what it adds, too, expected a first layer that is no Activation",
        ),
    ],
)
def test_what_has_no_output_to_add_is_named(layers, message):
    with pytest.raises(ValueError, match=message) as caught:
        Network([6, *layers, 2])
    assert "Add(" not in str(caught.value)


@pytest.mark.parametrize(
    ("layers", "places"),
    [
        ([6, BLOCK, BLOCK], [1, 3]),
        ([6, Residual([BLOCK, 6])], [1, 1]),
        ([6, Residual([Dropout(0.2), 6])], [1]),
        ([6, Residual([6, Dropout(0.2)]), BLOCK], [1, 4]),
        ([6, BatchNormalization(), Activation("relu"), BLOCK], [3]),
    ],
)
def test_what_it_adds_is_the_output_directly_before_it(layers, places):
    net = Network([6, *layers, 2])
    assert [layer.from_layer for layer in net.layers if isinstance(layer, Add)] == places


@pytest.mark.parametrize(
    ("layers", "widths", "places"),
    [
        ([6, BatchNormalization(), Activation("relu"), BLOCK, BLOCK], [6, 6, 6], [1, 3]),
        ([6, Residual([BatchNormalization(), 6])], [6, 6], [1]),
        ([6, Residual([6, BatchNormalization()]), BatchNormalization(), BLOCK], [6] * 5, [1, 5]),
        ([Dense(6, "identity"), BatchNormalization(), Dense(6), Add(1)], [6, 6], [1]),
        ([Dense(6, "identity"), BatchNormalization(), Dense(6), Add(2)], [6, 6], [1]),
        ([Dense(6, "relu"), BatchNormalization(), Dense(6), Add(2)], [6, 6, 6], [2]),
    ],
)
def test_folding_leaves_what_is_added_as_it_is(layers, widths, places, rng):
    net = Network([6, *layers, 2], dtype="float64", seed=1)
    net.set_weights([array + rng.uniform(0.5, 1, array.shape) for array in net.get_weights()])
    flat, X = net.folded(), rng.normal(size=(5, 6))
    assert flat.layer_sizes == (6, *widths, 2)
    assert [layer.from_layer for layer in flat.layers if isinstance(layer, Add)] == places
    assert_close(flat.predict(X), net.predict(X), 1e-13)
