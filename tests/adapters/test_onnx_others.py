"""ONNX files that PyTorch and scikit-learn (skl2onnx) write: they load, with equal predictions.

"Equal" is within the rounding that `onnx_helpers.oracle` derives from the loaded weights.
"""

import warnings

import numpy as np
import pytest

import fastmlp
from fastmlp import (
    BatchNormalization,
    Dense,
    Dropout,
    LayerNormalization,
    ModelFileError,
    Standardize,
)
from helpers import assert_same_bits, assert_within
from onnx_helpers import oracle, randomize_norms, run

onnx = pytest.importorskip("onnx")
import fastmlp.onnx  # noqa: E402


def assert_equal_predictions(net, X, expected, rounded=1):
    """Ours and theirs are both within the bound around the oracle."""
    exact, bound = oracle(net, X, rounded=rounded)
    assert_within(net.predict(X), exact, bound)
    assert_within(np.asarray(expected), exact, bound)


# ---- PyTorch ----


@pytest.fixture(scope="module")
def torch():
    module = pytest.importorskip("torch")
    module.set_num_threads(1)
    return module


def exported(torch, module, X, path, dynamo, **options):
    """The module's predictions, and its file by one of PyTorch's two exporters."""
    example = torch.from_numpy(X)
    if dynamo:
        pytest.importorskip("onnxscript")
        options = {"dynamic_shapes": ({0: "batch"},), "verbose": False, **options}
    else:
        options = {"input_names": ["x"], "dynamic_axes": {"x": {0: "batch"}}, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), (example,), path, dynamo=dynamo, **options)
    return module(example).detach().numpy()


def torch_activations(torch):
    nn = torch.nn
    return {
        "relu": nn.ReLU(), "leaky_relu": nn.LeakyReLU(0.2), "elu": nn.ELU(0.5), "selu": nn.SELU(),
        "gelu": nn.GELU(), "gelu_tanh": nn.GELU(approximate="tanh"), "silu": nn.SiLU(), "mish": nn.Mish(),
        "softplus": nn.Softplus(), "softsign": nn.Softsign(), "sigmoid": nn.Sigmoid(), "tanh": nn.Tanh(),
        "celu": nn.CELU(0.5), "relu6": nn.ReLU6(), "hard_tanh": nn.Hardtanh(),
        "hard_sigmoid": nn.Hardsigmoid(), "hard_swish": nn.Hardswish(), "log_sigmoid": nn.LogSigmoid(),
        "hard_shrink": nn.Hardshrink(0.25), "soft_shrink": nn.Softshrink(0.25),
        "tanh_shrink": nn.Tanhshrink(),
    }  # fmt: skip


@pytest.mark.parametrize(
    "dynamo, opset, dtype",
    [(False, 13, "float32"), (False, 20, "float64"), (True, 18, "float64"), (True, 20, "float32")],
)
def test_every_activation_of_pytorch(torch, dynamo, opset, dtype, tmp_path):
    torch.manual_seed(0)
    activations = torch_activations(torch)
    parts = [m for a in activations.values() for m in (torch.nn.Linear(5, 5), a)]
    module = torch.nn.Sequential(*parts, torch.nn.Linear(5, 3), torch.nn.LogSoftmax(-1)).to(
        getattr(torch, dtype)
    )
    X = np.random.default_rng(0).normal(size=(7, 5)).astype(dtype)
    expected = exported(torch, module, X, tmp_path / "net.onnx", dynamo, opset_version=opset)
    net = fastmlp.onnx.load(tmp_path / "net.onnx")
    names = [
        layer.activation if isinstance(layer.activation, str) else layer.activation[0] for layer in net.layers
    ]
    assert names == [*activations, "log_softmax"] and net.dtype == dtype
    assert_same_bits(net.weights[0], module[0].weight.detach().numpy().T)
    assert_equal_predictions(net, X, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("dynamo", [False, True])
def test_activations_of_pytorch_between_factors(torch, dynamo, dtype, tmp_path):
    """Hardtanh to other bounds and Softplus of another beta, as `from_torch` reads them.

    The numbers are whole in float32, to which the newer exporter rounds them.
    """
    nn = torch.nn
    torch.manual_seed(0)
    acting = [nn.Hardtanh(-2, 2), nn.Hardtanh(-0.75, 0.75), nn.Hardtanh(0, 3), nn.Hardtanh(0, 1)]
    acting += [nn.Softplus(beta=2), nn.Softplus(beta=2.5), nn.Softplus(beta=0.375, threshold=30)]
    parts = [m for a in acting for m in (nn.Linear(5, 5), a)]
    module = nn.Sequential(*parts, nn.Linear(5, 3), nn.Hardtanh(-0.1875, 0.1875)).to(getattr(torch, dtype))
    X = np.random.default_rng(0).normal(size=(7, 5)).astype(dtype)
    expected = exported(torch, module, X, tmp_path / "net.onnx", dynamo, opset_version=18)
    net = fastmlp.onnx.load(tmp_path / "net.onnx")
    assert_equal_predictions(net, X, expected, rounded=3)
    exact, bound = oracle(fastmlp.torch.from_torch(module), X, rounded=3)
    assert_within(net.predict(X), exact, bound)


@pytest.mark.parametrize("dynamo", [False, True])
def test_a_classifier_of_images_from_pytorch(torch, dynamo, tmp_path):
    """Flatten, no bias, dropout, softmax, and weights in a second file, as PyTorch does by default."""
    nn = torch.nn
    torch.manual_seed(1)
    hidden = nn.Sequential(nn.Linear(48, 37, bias=False), nn.ReLU(), nn.Dropout(0.3))
    module = nn.Sequential(nn.Flatten(), hidden, nn.Linear(37, 10), nn.Softmax(1))
    X = np.random.default_rng(1).normal(size=(7, 6, 8)).astype("float32")
    expected = exported(torch, module, X, tmp_path / "net.onnx", dynamo)
    assert (tmp_path / "net.onnx.data").exists() == dynamo
    net = fastmlp.onnx.load(tmp_path / "net.onnx")
    assert net.layers == (
        Dense(37, "relu", use_bias=False, initializer="glorot_uniform"),
        Dense(10, "softmax", initializer="glorot_uniform"),
    )
    assert_equal_predictions(net, X.reshape(7, -1), expected)


def normalized_module(nn):
    """Both normalisations, the statistics not those they begin with, and a scaling after an activation."""
    hidden = nn.Sequential(nn.Linear(6, 13, bias=False), nn.BatchNorm1d(13), nn.ReLU(), nn.LayerNorm(13))
    module = nn.Sequential(hidden, nn.Linear(13, 5), nn.Tanh(), nn.BatchNorm1d(5), nn.Linear(5, 3))
    return randomize_norms(nn, module)


@pytest.mark.parametrize(
    "dynamo, opset, fold",
    [(False, 13, True), (False, 13, False), (False, 20, True), (False, 20, False), (True, 20, True)],
)
def test_normalizations_of_pytorch(torch, dynamo, opset, fold, tmp_path):
    torch.manual_seed(2)
    module = normalized_module(torch.nn)
    X = np.random.default_rng(2).normal(size=(7, 6)).astype("float32")
    options = {} if dynamo else {"do_constant_folding": fold}
    if not dynamo and not fold:
        options["training"] = torch.onnx.TrainingMode.PRESERVE  # or it folds what follows a product
    expected = exported(torch, module, X, tmp_path / "net.onnx", dynamo, opset_version=opset, **options)
    net = fastmlp.onnx.load(tmp_path / "net.onnx")
    assert LayerNormalization(1e-5) in net.layers
    assert BatchNormalization(0.9, 1e-5) in net.layers
    assert_equal_predictions(net, X, expected, rounded=2)


@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("dynamo", [False, True])
def test_weights_in_directions_and_lengths(torch, dim, dynamo, tmp_path):
    """weight_norm: v times g over the norms of v's rows or columns, which the older exporter leaves so."""
    nn = torch.nn
    torch.manual_seed(3)
    first, last = (
        torch.nn.utils.parametrizations.weight_norm(nn.Linear(*n), dim=dim) for n in ((9, 20), (20, 3))
    )
    module = nn.Sequential(first, nn.Tanh(), last).eval()
    X = np.random.default_rng(5).normal(size=(7, 9)).astype(np.float32)
    expected = exported(torch, module, X, tmp_path / "net.onnx", dynamo)
    assert_equal_predictions(fastmlp.onnx.load(tmp_path / "net.onnx"), X, expected, rounded=30)


def test_dropout_that_was_exported_stays(torch, tmp_path):
    nn = torch.nn
    module = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Dropout(0.25), nn.Linear(4, 2))
    X = np.ones((2, 4), np.float32)
    options = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
    exported(torch, module, X, tmp_path / "net.onnx", False, **options)
    model = onnx.load(tmp_path / "net.onnx")
    # In evaluation PyTorch leaves dropout out; it is put in as its exporter for training does.
    at = [node.op_type for node in model.graph.node].index("Tanh") + 1
    before, after = model.graph.node[at - 1], model.graph.node[at]
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(0.25, np.float32), "ratio"))
    model.graph.node.insert(at, onnx.helper.make_node("Dropout", [before.output[0], "ratio"], ["dropped"]))
    after = model.graph.node[at + 1]
    after.input[0] = "dropped"
    net = fastmlp.onnx.from_model(model)
    assert net.layers[1] == Dropout(0.25) and net.layer_sizes == (4, 4, 2)


def test_what_has_no_layer_here_is_named(torch, tmp_path):
    class Round(torch.nn.Module):
        def forward(self, x):
            return torch.round(x)

    module = torch.nn.Sequential(torch.nn.Linear(4, 4), Round(), torch.nn.Linear(4, 2))
    exported(torch, module, np.zeros((2, 4), np.float32), tmp_path / "net.onnx", False)
    with pytest.raises(ModelFileError, match=r"node 1, '.*' \(Round\), takes '.*': expected one of"):
        fastmlp.onnx.load(tmp_path / "net.onnx")


def test_a_residual_connection_of_the_input_is_refused(torch, tmp_path):
    class Residual(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Linear(4, 4)

        def forward(self, x):
            return x + torch.tanh(self.inner(x))

    exported(torch, Residual(), np.zeros((2, 4), np.float32), tmp_path / "net.onnx", False)
    with pytest.raises(ModelFileError, match=r"\(Add\), takes 'x': it adds 'x', the network's input,"):
        fastmlp.onnx.load(tmp_path / "net.onnx")


# ---- scikit-learn ----


@pytest.fixture(scope="module")
def sklearn():
    pytest.importorskip("skl2onnx")
    return pytest.importorskip("sklearn")


def fitted(estimator, kind, X):
    """The estimator after a few epochs on targets of a kind."""
    rng = np.random.default_rng(3)
    y = {
        "three": rng.integers(0, 3, len(X)),
        "two": rng.integers(0, 2, len(X)),
        "words": np.array(["a", "b", "c"])[rng.integers(0, 3, len(X))],
        "labels": rng.integers(0, 2, (len(X), 3)),
        "one": rng.normal(size=len(X)),
        "columns": rng.normal(size=(len(X), 2)),
    }[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged
        return estimator.fit(X, y)


def pipelines(kind, activation):
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    regression = kind in ("one", "columns")
    options = {"hidden_layer_sizes": (13, 5), "activation": activation, "max_iter": 5, "random_state": 0}
    mlp = (MLPRegressor if regression else MLPClassifier)(**options)
    return {
        "alone": mlp,
        "standard": make_pipeline(StandardScaler(), mlp),
        "minmax": make_pipeline(MinMaxScaler((-1, 1)), mlp),
        "scale": make_pipeline(StandardScaler(with_mean=False), mlp),
    }


KINDS = ["three", "two", "words", "labels", "one", "columns"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "pipeline, dtype",
    [  # Scaler of ai.onnx.ml, of the other two, gives float32 whatever it is given
        *((pipeline, "float32") for pipeline in ("alone", "standard", "minmax", "scale")),
        *((pipeline, "float64") for pipeline in ("alone", "minmax")),
    ],
)
def test_scikit_learn(sklearn, kind, pipeline, dtype):
    from skl2onnx import to_onnx

    X = (np.random.default_rng(4).normal(size=(60, 4)) * [1, 10, 0.1, 1] + [0, 5, 1, -2]).astype(dtype)
    estimator = fitted(pipelines(kind, "tanh" if pipeline == "alone" else "logistic")[pipeline], kind, X)
    regression = kind in ("one", "columns")
    model = to_onnx(estimator, X[:1], options=None if regression else {"zipmap": False})
    net = fastmlp.onnx.from_model(model)
    last = {"three": "softmax", "words": "softmax", "two": "sigmoid", "labels": "sigmoid"}.get(
        kind, "identity"
    )
    assert net.layers[-1].activation == last and net.dtype == dtype
    assert isinstance(net.layers[0], Dense if pipeline == "alone" else Standardize)
    results = [estimator.predict(X[:7]) if regression else estimator.predict_proba(X[:7])]
    if (kind, dtype) != ("labels", "float64"):  # ONNX Runtime has no Binarizer of float64
        results.append(run(model, X[:7], None if regression else "probabilities"))
    exact, bound = oracle(net, X[:7], rounded=2)
    assert_within(net.predict(X[:7]), exact, bound)
    for theirs in results:
        if kind == "two":  # 1 - p, p
            assert net.layer_sizes[-1] == 1 and theirs.shape == (7, 2)
            theirs = theirs[:, 1:]
        assert_within(theirs.reshape(exact.shape), exact, bound)


@pytest.mark.parametrize("kind", ["three", "two", "words", "labels"])
def test_tables_of_probabilities_and_labels_are_left_out(sklearn, kind):
    from skl2onnx import to_onnx

    X = np.random.default_rng(5).normal(size=(40, 4)).astype(np.float32)
    estimator = fitted(pipelines(kind, "relu")["standard"], kind, X)
    plain = fastmlp.onnx.from_model(to_onnx(estimator, X[:1], options={"zipmap": False}))
    if kind != "labels":  # skl2onnx has none of several labels
        table = fastmlp.onnx.from_model(to_onnx(estimator, X[:1]))
        assert_same_bits(table.predict(X), plain.predict(X))
    labels = to_onnx(estimator, X[:1], options={"zipmap": False})
    del labels.graph.output[1]
    assert_same_bits(fastmlp.onnx.from_model(labels).predict(X), plain.predict(X))
    if kind in ("three", "two"):
        assert np.array_equal(plain.predict_classes(X), estimator.predict(X))


def test_what_a_scaler_clips(sklearn):
    from skl2onnx import to_onnx
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    X = np.random.default_rng(5).normal(size=(40, 4)).astype(np.float32)
    for bounds in ((0, 1), (-2, 2), (-1, 3)):
        mlp = pipelines("one", "relu")["alone"]
        scaler = MinMaxScaler(bounds, clip=True)
        model = to_onnx(fitted(make_pipeline(scaler, mlp), "one", X), X[:1])
        if bounds == (-1, 3):
            with pytest.raises(ModelFileError, match=r"\(Clip\), takes .*, or Clip from -c to c, 0 to c or"):
                fastmlp.onnx.from_model(model)
            continue
        far = np.concatenate([X, 3 * X])
        assert_equal_predictions(fastmlp.onnx.from_model(model), far, run(model, far), rounded=3)


def test_whole_numbers_go_in_as_they_are(sklearn):
    from skl2onnx import to_onnx

    X = np.random.default_rng(5).integers(0, 9, (40, 4))
    estimator = fitted(pipelines("one", "relu")["standard"], "one", X)
    model = to_onnx(estimator, X[:1])
    net = fastmlp.onnx.from_model(model)
    assert_equal_predictions(net, X, run(model, X), rounded=2)
