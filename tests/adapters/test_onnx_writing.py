"""ONNX files of ours, in onnx's evaluator and in ONNX Runtime."""

import os

import numpy as np
import pytest

import fastmlp.onnx
from fastmlp import Dense, Network, Rescaling, Standardize, registry
from helpers import assert_same_bits, assert_within
from onnx_helpers import ULPS, oracle, run
from onnx_models import (
    NEWEST,
    NORMALIZING,
    both_dtypes,
    inputs,
    network,
    normalizing,
    parameterized,
    without_description,
)

RUNTIME_OPSETS = [13, 17, 18, 20, 21, 24]  # ONNX Runtime knows fewer than onnx does


def ways(net, model, X):
    """Predictions of the network, of onnx's evaluator and of ONNX Runtime."""
    from onnx.reference import ReferenceEvaluator

    X = np.asarray(X, net.dtype)
    yield net.predict(X)
    yield ReferenceEvaluator(model).run(None, {"X": X})[0]
    if model.opset_import[0].version in RUNTIME_OPSETS:
        yield run(model, X)


@both_dtypes
@pytest.mark.parametrize("name", registry.ACTIVATIONS)
@pytest.mark.parametrize("n_out", [1, 3])
def test_every_activation_is_the_same_elsewhere(name, n_out, dtype):
    net = network(name, dtype, n_out)
    model = fastmlp.onnx.to_model(net)
    for rows in (1, 7):
        exact, bound = oracle(net, inputs(rows))
        results = list(ways(net, model, inputs(rows)))
        assert len(results) == 3
        for result in results:
            assert result.dtype == dtype
            if name == "step" or (name, n_out) == ("log_softmax", 1):
                assert np.array_equal(result, exact)
            elif name in ("relu", "relu6"):  # may be zeros alone
                assert np.all(abs(result - exact) <= bound)
            else:
                assert_within(result, exact, bound)


@both_dtypes
@pytest.mark.parametrize(
    "name",
    "elu celu selu gelu gelu_tanh silu mish softplus leaky_relu hard_swish hard_sigmoid log_sigmoid "
    "squareplus sparse_plus soft_shrink".split(),
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the evaluator
def test_large_and_small_arguments_survive(name, dtype):
    """Composed forms must not overflow, nor lose what is small, as an exp or a subtraction easily does."""
    net = Network([1, Dense(1, parameterized(name))], dtype=dtype)
    net.set_weights([[[1.0]], [0.0]])
    X = np.array([-1e4, -90, -30, -6, -1, -1e-3, -1e-9, 1e-9, 1e-3, 1, 6, 30, 90, 1e4])[:, None]
    for opset in (17, 20):
        for result in ways(net, fastmlp.onnx.to_model(net, opset=opset), X):
            exact, bound = oracle(net, X)
            small = abs(X) < 1e-2  # where float64's composed forms keep all digits
            size = abs(exact) if dtype == "float64" else 1
            assert np.isfinite(result).all()
            assert np.all(abs(result - exact) <= np.where(small, ULPS * np.finfo(dtype).eps * size, bound))


@both_dtypes
@pytest.mark.parametrize("name", ["hard_shrink", "soft_shrink", "thresholded_relu"])
def test_a_threshold_below_0_is_the_same_elsewhere(name, dtype):
    """Of soft_shrink, ONNX's Shrink is another function there."""
    net = Network([13, Dense(3, (name, -0.75))], dtype=dtype, seed=5)
    exact, bound = oracle(net, inputs())
    for result in ways(net, fastmlp.onnx.to_model(net), inputs()):
        assert_within(result, exact, bound)


@both_dtypes
@pytest.mark.parametrize("opset", range(13, NEWEST + 1))
def test_every_opset_is_valid_and_equal(opset, dtype):
    names = ["gelu", "gelu_tanh", "mish", "silu", "elu", "softplus"]
    net = Network([5, *(Dense(4, name) for name in names), Dense(3, "softmax")], dtype=dtype, seed=8)
    model = fastmlp.onnx.to_model(net, opset=opset)
    assert model.opset_import[0].version == opset
    exact, bound = oracle(net, inputs(columns=5))
    for result in ways(net, model, inputs(columns=5)):
        assert_within(result, exact, bound)
    assert_same_bits(fastmlp.onnx.from_model(model).get_weights(), net.get_weights(), zeros=True)


def test_newer_opsets_use_their_own_operators():
    net = Network([2, Dense(2, "gelu"), Dense(2, "mish")], seed=0)
    ops = {
        opset: {node.op_type for node in fastmlp.onnx.to_model(net, opset=opset).graph.node}
        for opset in (13, 20)
    }
    assert ops[20] == {"Gemm", "Gelu", "Mish"} and {"Erf", "Softplus", "Tanh"} <= ops[13]


@both_dtypes
@pytest.mark.parametrize(
    "layer",
    [Rescaling(1 / 255), Rescaling(0.5, -1.0), Standardize(np.linspace(-1, 1, 13), np.linspace(0.5, 3, 13))],
)
def test_preprocessing_is_part_of_the_graph(layer, dtype):
    net = Network([13, layer, Dense(5, "tanh"), 2], dtype=dtype, seed=1)
    model = fastmlp.onnx.to_model(net)
    X = np.random.default_rng(1).integers(0, 256, (7, 13)).astype(dtype)
    exact, bound = oracle(net, X)
    for result in ways(net, model, X):
        assert_within(result, exact, bound)
    again = fastmlp.onnx.from_model(without_description(model))
    assert_same_bits(again.predict(X), net.predict(X))


@both_dtypes
@pytest.mark.parametrize("name", NORMALIZING)
@pytest.mark.parametrize("opset", [13, 17, 18, 20, NEWEST])
def test_normalizations_are_the_same_elsewhere_and_read_again(name, opset, dtype):
    net = normalizing(name, dtype)
    model = fastmlp.onnx.to_model(net, opset=opset)
    exact, bound = oracle(net, inputs())
    for result in ways(net, model, inputs()):
        assert_within(result, exact, bound)
    again = fastmlp.onnx.from_model(model)
    assert again.layers == net.layers
    assert_same_bits(again.get_weights(), net.get_weights())


def test_the_number_of_rows_is_any_or_fixed():
    net = Network([3, 2], seed=0)
    for batch, expected in ((None, "rows"), (4, 4)):
        model = fastmlp.onnx.to_model(net, batch=batch)
        for item in (*model.graph.input, *model.graph.output):
            axis = item.type.tensor_type.shape.dim[0]
            assert (axis.dim_param or axis.dim_value) == expected
    assert run(model, np.zeros((4, 3), np.float32)).shape == (4, 2)


def test_names_and_versions_are_those_of_the_documentation():
    model = fastmlp.onnx.to_model(Network([3, 2], seed=0))
    assert [item.name for item in model.graph.input] == ["X"]
    assert [item.name for item in model.graph.output] == ["output"]
    assert (model.opset_import[0].version, model.ir_version) == (17, 8)
    assert (model.producer_name, model.producer_version) == ("fastmlp", fastmlp.__version__)


@pytest.mark.parametrize("opset", [0, 12, NEWEST + 1])
def test_other_opsets_are_refused(opset, tmp_path):
    with pytest.raises(ValueError, match=rf"opset is {opset}, expected an integer from 13 to {NEWEST}"):
        fastmlp.onnx.save(Network([2, 1]), tmp_path / "net.onnx", opset=opset)
    assert list(tmp_path.iterdir()) == []


def test_arguments_are_checked(tmp_path):
    net = Network([2, 1])
    with pytest.raises(TypeError, match="net is a list, expected a Network"):
        fastmlp.onnx.save([2, 1], tmp_path / "net.onnx")
    with pytest.raises(TypeError, match="opset is '17', expected an integer"):
        fastmlp.onnx.save(net, tmp_path / "net.onnx", opset="17")
    with pytest.raises(ValueError, match="batch is 0, expected an integer"):
        fastmlp.onnx.save(net, tmp_path / "net.onnx", batch=0)
    with pytest.raises(TypeError, match="model is a Network, expected an onnx.ModelProto"):
        fastmlp.onnx.from_model(net)
    assert list(tmp_path.iterdir()) == []


def test_what_no_file_can_hold_is_refused(monkeypatch):
    monkeypatch.setattr("fastmlp.adapters.onnx.writing._MAX_BYTES", 100)
    with pytest.raises(ValueError, match="net has more than 100 bytes of weights"):
        fastmlp.onnx.to_model(Network([5, 5]))


def test_an_older_file_survives_a_failure(tmp_path, monkeypatch):
    path = tmp_path / "net.onnx"
    fastmlp.onnx.save(Network([2, 1], seed=0), path)
    old = path.read_bytes()

    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="full"):
        fastmlp.onnx.save(Network([2, 3], seed=0), path)
    monkeypatch.undo()
    assert path.read_bytes() == old and list(tmp_path.iterdir()) == [path]
