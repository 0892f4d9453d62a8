"""The exported JavaScript module: the predictions of Python to rounding, run in Node or in a browser."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

import javascript
from exported_networks import ACTIVATIONS, activation_nets, normalized_nets, rescaled_nets, shape_nets
from fastmlp import Dense, Maxout, Network
from fastmlp.export.c.rounding import allowed_difference
from fastmlp.export.steps import steps_of
from helpers import FMA_ISAS, assert_same_bits
from residual_networks import residual_nets, residual_table_nets
from table_networks import randomized, table_nets, table_rows


def modules(nets, folder):
    """JavaScript that imports the exported networks as an object `nets`."""
    lines = []
    for name, net in nets.items():
        net.export_js(folder / f"{name}.mjs")
        text = base64.b64encode((folder / f"{name}.mjs").read_bytes()).decode()
        lines.append(f'  {json.dumps(name)}: await import("data:text/javascript;base64,{text}"),')
    return "const nets = {\n" + "\n".join(lines) + "\n};\n"


def predictions(nets, rows, folder):
    """What the modules give for the rows of each network, of the networks' dtype."""
    given = {name: [[float(x) for x in row] for row in X] for name, X in rows.items()}
    code = (
        f"const rows = {json.dumps(given)}, found = {{}};\n"
        "const word = (value) => (Number.isFinite(value) ? value : String(value));\n"
        "for (const [name, X] of Object.entries(rows))\n"
        "  found[name] = X.map((row) => [...nets[name].predict(row)].map(word));\n"
        "print(JSON.stringify(found));"
    )
    found = json.loads(javascript.program(modules(nets, folder) + code, folder))
    return {
        name: np.array([[float(each) for each in row] for row in X], nets[name].dtype)
        for name, X in found.items()
    }


def assert_equal_to_rounding(nets, rows, folder):
    rows = {name: X.astype(nets[name].dtype) for name, X in rows.items()}
    found = predictions(nets, rows, folder)
    for name, net in nets.items():
        X, expected = rows[name], net.predict(rows[name])
        kept = np.isfinite(expected).all(axis=1)  # exp of exp is not
        assert kept.any(), name
        for x, got, wanted in zip(X[kept], found[name][kept], expected[kept], strict=True):
            # A row's own bound; rounding of the result itself where no error comes before it.
            bound = allowed_difference(steps_of(net), x[None]) + np.finfo(net.dtype).eps * np.abs(wanted)
            assert np.all(np.abs(got.astype(np.float64) - wanted) <= bound), name


def test_every_activation(dtype, rng, tmp_path):
    nets = activation_nets(dtype, rng)
    assert len(nets) == len(ACTIVATIONS)
    X = rng.uniform(-1, 1, (40, 3)) * np.repeat([1e-3, 1, 4, 30], 10)[:, None]
    assert_equal_to_rounding(nets, dict.fromkeys(nets, X), tmp_path)


def test_every_shape(dtype, rng, tmp_path):
    nets = shape_nets(dtype, rng)
    rows = {name: rng.standard_normal((9, net.plan.n_in)) for name, net in nets.items()}
    assert_equal_to_rounding(nets, rows, tmp_path)


@pytest.mark.skipif(not FMA_ISAS, reason="this machine's predictions are without fma")
def test_sums_are_in_the_order_of_predict(rng, tmp_path):
    nets = shape_nets("float32", rng)
    rows = {name: rng.standard_normal((9, net.plan.n_in)).astype("float32") for name, net in nets.items()}
    for name, found in predictions(nets, rows, tmp_path).items():
        assert_same_bits(found, nets[name].predict(rows[name]))


def test_preprocessing_and_normalization(dtype, rng, tmp_path):
    nets = {**rescaled_nets(dtype, rng), **normalized_nets(dtype, rng)}
    rows = {name: rng.uniform(-9, 9, (10, net.plan.n_in)) for name, net in nets.items()}
    assert_equal_to_rounding(nets, rows, tmp_path)


def test_what_tables_have(dtype, rng, tmp_path):
    nets = table_nets(dtype, rng)
    nets["pieces"] = randomized(Network([5, Maxout(6, 3), 2], dtype=dtype), rng)
    rows = {name: table_rows(net, rng, 10) for name, net in nets.items()}
    assert_equal_to_rounding(nets, rows, tmp_path)


def test_skip_connections(dtype, rng, tmp_path):
    nets = residual_nets(dtype, rng) | residual_table_nets(dtype, rng)
    rows = {name: rng.uniform(-3, 3, (10, net.plan.n_in)) for name, net in nets.items()}
    assert_equal_to_rounding(nets, rows, tmp_path)


def test_steps_can_be_called_one_after_another(tmp_path):
    net = Network([2, Dense(3, "sigmoid"), Dense(2, "softmax")], seed=0)
    code = (
        "const found = [];\n"
        "for (const step of nets.net.steps) {\n"
        "  const row = step(found.length ? found.at(-1) : Float32Array.of(1, 0.5));\n"
        "  found.push(row);\n"
        "}\n"
        "print(JSON.stringify({\n"
        "  kinds: nets.net.steps.map((step) => step.kind), rows: found.map((row) => [...row]),\n"
        "  W: [...nets.net.steps[0].W], units: nets.net.steps[0].units, name: nets.net.steps[1].activation,\n"
        "}));"
    )
    found = json.loads(javascript.program(modules({"net": net}, tmp_path) + code, tmp_path))
    assert found["kinds"] == ["product", "activation", "product", "activation"]
    assert (found["units"], found["name"]) == (3, "sigmoid")
    assert_same_bits(np.array(found["W"], "float32").reshape(2, 3), net.get_weights()[0])
    layers = net.forward([1, 0.5])
    np.testing.assert_allclose(found["rows"][1], layers[0], rtol=1e-6)
    np.testing.assert_allclose(found["rows"][3], layers[1], rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("[1, 2, 3]", "x has 3 numbers, expected 2"),
        ("[1, NaN]", "x[1] is NaN, expected a finite number"),
        ("[1, undefined]", "x[1] is undefined, expected a finite number"),
    ],
)
def test_wrong_inputs_are_refused(given, message, tmp_path):
    code = f"try {{ nets.net.predict({given}); }} catch (error) {{ print(error.message); }}"
    found = javascript.program(modules({"net": Network([2, 1], seed=0)}, tmp_path) + code, tmp_path)
    assert found.strip() == message


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [("net.json", ValueError, "ends with .js, .mjs"), (3, TypeError, "path is a int")],
)
def test_other_paths_are_refused(path, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        Network([2, 1]).export_js(path)
    assert not any(tmp_path.iterdir())


def test_the_text_says_what_it_is(tmp_path):
    Network([4, Dense(8, "tanh"), Dense(1)], seed=0).export_js(tmp_path / "small.js")
    head = (tmp_path / "small.js").read_text("utf-8").partition("const Reals")[0]
    assert "A network from 4 to 1 numbers, float32." in head
    assert 'import { predict } from "./small.js"' in head
    assert "tanh" in head and all(line.startswith("//") or not line for line in head.splitlines())
