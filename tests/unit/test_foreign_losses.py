"""Losses by the names of Keras and PyTorch: each is refused, or is what it is there."""

import numpy as np
import pytest

import fastmlp
from fastmlp import Heads, Network, losses
from helpers import OUTPUT_OF, outputs_of, targets
from refusals import assert_refused

ROWS = 40
# Formulas that are not here; every other name has to be what it is there.
NOT_OF_KERAS = {
    *("CTC", "Circle", "Dice", "Tversky", "CategoricalHinge", "CategoricalGeneralizedCrossEntropy"),
    *("MeanAbsolutePercentageError", "MeanSquaredLogarithmicError", "mape", "MAPE", "msle", "MSLE"),
    *("ctc", "circle", "dice", "tversky", "categorical_hinge", "categorical_generalized_cross_entropy"),
    *("mean_absolute_percentage_error", "mean_squared_logarithmic_error"),
    *("Loss", "LossFunctionWrapper"),
}
NOT_OF_TORCH = {
    *("AdaptiveLogSoftmaxWithLoss", "CTCLoss", "CosineEmbeddingLoss", "HingeEmbeddingLoss", "KLDivLoss"),
    *("LinearCrossEntropyLoss", "MarginRankingLoss", "MultiLabelMarginLoss", "MultiMarginLoss", "NLLLoss2d"),
    *("SoftMarginLoss", "TripletMarginLoss", "TripletMarginWithDistanceLoss"),
    *("cosine_embedding_loss", "ctc_loss", "hinge_embedding_loss", "kl_div", "linear_cross_entropy"),
    *("margin_ranking_loss", "multi_margin_loss", "multilabel_margin_loss", "soft_margin_loss"),
    *("triplet_margin_loss", "triplet_margin_with_distance_loss"),
}


def compared(name, rows_as_classes=False):
    """A compiled network whose weighted sums are its inputs, and rows of those and of targets."""
    loss = losses.resolve(name)
    output = "softmax" if isinstance(loss, losses.Fitting) else OUTPUT_OF[loss.link]
    if name in ("NLLLoss", "nll_loss"):
        output = "log_softmax"
    known = loss.chosen(output, labels=not rows_as_classes).name
    n_out = outputs_of(known, 3)
    rng = np.random.default_rng(5)
    Z, y = rng.normal(size=(ROWS, n_out)), targets(rng, known, ROWS, n_out, "float64")
    net = Network([n_out, n_out], output=output, dtype="float64", initializer="zeros")
    net.set_weights([np.eye(n_out), np.zeros(n_out)])
    net.compile(loss=name, metrics=[])
    return net, Z, y


def assert_unknown(name):
    """Refused by a sentence with the names of all losses."""
    net = Network([2, 2], seed=0)
    net.compile("sgd", "mae")
    expected = rf"^unknown loss '{name}', expected one of {', '.join(losses.LOSSES)}"
    assert_refused(lambda: net.compile(loss=name), ValueError, expected, net)
    assert net.loss == "mae"


def keras_names():
    keras = pytest.importorskip("keras")
    from keras.src.losses import ALL_OBJECTS_DICT

    return keras, ALL_OBJECTS_DICT


def test_losses_by_the_names_of_keras():
    keras, known = keras_names()
    assert NOT_OF_KERAS & set(losses.NAMES) == set()
    for name in known:
        if name in NOT_OF_KERAS:
            assert_unknown(name)
            continue
        net, Z, y = compared(name)
        theirs = keras.losses.get(name)(y.astype(np.float32), net.predict(Z).astype(np.float32))
        assert net.evaluate(Z, y)["loss"] == pytest.approx(float(np.mean(theirs)), rel=2e-5), name


def of_torch(torch, name, z, y):
    """The loss of PyTorch on what it takes: probabilities, their logarithms, means and variances, or z."""
    functional = torch.nn.functional
    call = getattr(torch.nn, name)() if name[0].isupper() else getattr(functional, name)
    plain = name.lower().replace("_", "").removesuffix("loss")
    if plain == "gaussiannll":
        means, log_variances = z.chunk(2, dim=1)
        return call(means, y, log_variances.exp())
    taken = {"bce": torch.sigmoid, "binarycrossentropy": torch.sigmoid}
    taken["nll"] = lambda z: functional.log_softmax(z, dim=1)
    return call(taken.get(plain, lambda z: z)(z), y)


def test_losses_by_the_names_of_torch():
    torch = pytest.importorskip("torch")
    assert NOT_OF_TORCH & {*losses.NAMES, *losses.FAMILIES} == set()
    named = [name for name in dir(torch.nn) if name.endswith("Loss") or name == "NLLLoss2d"]
    named += [name for name in dir(torch.nn.functional) if name.endswith("_loss")]
    named += ["cross_entropy", "binary_cross_entropy", "binary_cross_entropy_with_logits"]
    named += ["linear_cross_entropy", "kl_div"]
    for name in named:
        if name in NOT_OF_TORCH:
            assert_unknown(name)
            continue
        for rows_as_classes in (False, True):
            net, Z, y = compared(name, rows_as_classes)
            theirs = of_torch(torch, name, torch.tensor(Z), torch.tensor(y)).item()
            assert net.evaluate(Z, y)["loss"] == pytest.approx(theirs, rel=1e-12), name


def test_cosine_is_minus_the_similarity():
    net, Z, y = compared("cosine")
    each = (Z * y).sum(axis=1) / np.linalg.norm(Z, axis=1) / np.linalg.norm(y, axis=1)
    assert net.evaluate(Z, y)["loss"] == pytest.approx(-each.mean(), rel=1e-12)


@pytest.mark.parametrize(
    ("output", "columns", "expected"),
    [
        ("sigmoid", 1, "binary_focal_crossentropy"),
        ("softmax", None, "sparse_categorical_focal_crossentropy"),
        ("softmax", 3, "categorical_focal_crossentropy"),
    ],
)
def test_focal_is_the_one_that_fits(output, columns, expected, tmp_path):
    rng = np.random.default_rng(2)
    n_out = columns or 3
    X, y = rng.normal(size=(ROWS, 4)), targets(rng, expected, ROWS, n_out, "float64")
    nets = [Network([4, n_out], output=output, dtype="float64", seed=1) for _ in range(2)]
    for net, loss in zip(nets, (("focal", {"gamma": 1.5}), (expected, {"gamma": 1.5})), strict=True):
        net.compile("adam", loss)
        net.fit(X, y, epochs=2)
    assert nets[0].loss == "focal" and nets[0].metrics == ["accuracy"]
    assert nets[0].evaluate(X, y) == nets[1].evaluate(X, y)
    assert all(map(np.array_equal, nets[0].get_weights(), nets[1].get_weights()))
    nets[0].save(tmp_path / "net.npz", include_optimizer=True)
    loaded = fastmlp.load(tmp_path / "net.npz")
    assert (loaded.loss, loaded.loss_parameter) == ("focal", {"gamma": 1.5})
    assert loaded.evaluate(X, y) == nets[1].evaluate(X, y)


def test_focal_of_a_head():
    X, y = np.ones((3, 2)), {"price": np.ones(3), "kind": [0, 2, 1], "sold": [0, 1, 1]}
    found = []
    for kind, sold in (
        ("focal", ("focal", 1.0)),
        ("sparse_categorical_focal_crossentropy", ("binary_focal_crossentropy", 1.0)),
    ):
        heads = Heads({"price": 1, "kind": (3, "softmax"), "sold": (1, "sigmoid")})
        net = Network([2, 5, heads], seed=0)
        net.compile(loss={"kind": kind, "sold": sold})
        found.append(net.evaluate(X, y))
    assert found[0] == found[1] and found[0]["kind_loss"] > 0


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("focal", "^loss 'focal' needs the output activation 'sigmoid' or 'softmax', got 'identity'$"),
        ("cross_entropy", "^loss 'cross_entropy' needs the output activation 'softmax', got 'identity'$"),
        (("focal", -1), "^gamma is -1, expected"),
        (("focal", {"gama": 1}), "^unknown option of loss 'sparse_.*' 'gama', expected"),
        (
            ("SmoothL1Loss", 0.5),
            "^loss 'SmoothL1Loss' takes no parameter, got 0.5; 'huber' has one of its own$",
        ),
        ("focl", "^unknown loss 'focl', expected .*; did you mean 'focal'"),
    ],
)
def test_bad_names(loss, message):
    net = Network([2, 2], seed=0)
    net.compile("sgd", "mse")
    assert_refused(lambda: net.compile(loss=loss), ValueError, message, net)


def foreign_losses(package):
    """Losses of a package, as object, class and function, and one that is not here."""
    module = pytest.importorskip(package)
    if package == "torch":
        known = [module.nn.MSELoss(), module.nn.CrossEntropyLoss, module.nn.functional.mse_loss]
        return known, module.nn.TripletMarginLoss()
    known = [module.losses.MeanSquaredError(), module.losses.Huber, module.losses.mean_squared_error]
    return known, module.losses.Dice()


@pytest.mark.parametrize("package", ["torch", "keras"])
def test_losses_of_other_packages_are_told_their_names(package):
    known, unknown = foreign_losses(package)
    net = Network([2, 2], seed=0)
    for loss in known:
        name = getattr(loss, "__name__", type(loss).__name__)
        expected = f"^loss is {name} of {package}, expected its name '{name}' or an object of fastmlp.losses$"
        assert_refused(lambda loss=loss: net.compile(loss=loss), TypeError, expected, net)
        assert losses.resolve(name) is not None
    expected = f"^loss is {type(unknown).__name__} of {package}, expected a name or an object"
    assert_refused(lambda: net.compile(loss=unknown), TypeError, expected, net)


def test_a_class_is_no_loss():
    class Own:
        def __call__(self, y_true, y_pred):
            raise NotImplementedError

    net = Network([2, 2], seed=0)
    expected = r"^loss is the class Own, expected an object of it, Own\(\)$"
    assert_refused(lambda: net.compile(loss=Own), TypeError, expected, net)
    net.compile(loss=Own())
