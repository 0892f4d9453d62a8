"""What tables have (codes, waves, members), and skip connections, in ONNX files of ours."""

import numpy as np
import pytest

import fastmlp.onnx
from fastmlp.errors import ModelFileError
from helpers import assert_close, assert_same_bits
from onnx_helpers import run
from onnx_models import NEWEST, both_dtypes, onnx, without_description
from residual_networks import residual_nets, residual_table_nets
from table_networks import table_nets, table_rows


def nets(dtype, rng):
    dtype = np.dtype(dtype)
    return table_nets(dtype, rng) | residual_nets(dtype, rng) | residual_table_nets(dtype, rng)


NETS = list(nets("float32", np.random.default_rng(0)))


@both_dtypes
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("opset", [13, 17, 18, 24])
def test_it_is_the_same_elsewhere(name, opset, dtype, rng):
    from onnx.reference import ReferenceEvaluator

    net = nets(dtype, rng)[name]
    model = fastmlp.onnx.to_model(net, opset=opset)
    X = table_rows(net, rng)
    evaluated = ReferenceEvaluator(model).run(None, {"X": X})[0]
    bound = 40 * np.finfo(dtype).eps
    for found in (run(model, X), evaluated):
        assert found.dtype == dtype
        assert_close(found, net.predict(X), bound)


@both_dtypes
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("opset", [13, 17, NEWEST])
def test_every_layer_is_read_again(name, opset, dtype, rng, tmp_path):
    net = nets(dtype, rng)[name]
    fastmlp.onnx.save(net, tmp_path / "net.onnx", opset=opset)
    again = fastmlp.onnx.load(tmp_path / "net.onnx")
    assert again.layers == net.layers
    assert_same_bits(again.get_weights(), net.get_weights())
    X = table_rows(net, rng)
    assert_same_bits(again.predict(X), net.predict(X))


def test_a_graph_alone_is_no_chain_that_is_known(rng):
    for name in ("codes", "waves", "headed"):
        net = table_nets(np.dtype("float32"), rng)[name]
        with pytest.raises(ModelFileError, match=r"node \d+, .*expected"):
            fastmlp.onnx.from_model(without_description(fastmlp.onnx.to_model(net)))


@pytest.mark.parametrize("damage", ["node", "shape", "dtype", "name", "layers"])
def test_a_changed_graph_is_not_taken_for_ours(damage, rng):
    """The metadata says what was saved, the graph what is computed."""
    net = table_nets(np.dtype("float32"), rng)["codes"]
    model = fastmlp.onnx.to_model(net)
    tables = next(each for each in model.graph.initializer if each.name == "layers.1.tables")
    if damage == "node":
        node = next(each for each in model.graph.node if each.op_type == "Cos")
        node.op_type = "Sin"
    elif damage == "shape":
        tables.dims[:] = [2, 72]
    elif damage == "dtype":
        tables.CopyFrom(onnx.numpy_helper.from_array(np.zeros(144), "layers.1.tables"))
    elif damage == "name":
        tables.name = "other"
    else:
        [told] = model.metadata_props
        told.value = told.value.replace('"units": 40', '"units": 400000000')
    with pytest.raises(ModelFileError, match="node"):
        fastmlp.onnx.from_model(model)
