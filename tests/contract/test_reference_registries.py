"""The NumPy twin's registries, imports and examples."""

from __future__ import annotations

import ast
import doctest
import importlib
from pathlib import Path

import pytest

from fastmlp import reference
from helpers import ROWWISE

FOLDER = Path(reference.__file__).parent
FILES = [path.relative_to(FOLDER) for path in sorted(FOLDER.rglob("*.py"))]


def test_registries_have_their_names():
    assert set(reference.ACTIVATIONS) >= set(
        "identity step sigmoid tanh relu leaky_relu elu selu gelu gelu_tanh silu mish softplus softsign exp "
        "celu relu6 hard_tanh hard_sigmoid hard_swish "
        "softmax log_softmax".split()
    )
    assert set(reference.LOSSES) >= set(
        "sparse_categorical_crossentropy categorical_crossentropy binary_crossentropy mse mae huber "
        "poisson gaussian_nll".split()
    )
    assert set(reference.OPTIMIZERS) >= {"sgd", "adagrad", "rmsprop", "adam", "adamw", "amsgrad"}


def test_registry_entries_have_their_shape():
    for forward, derivative, saved, parameter, (least, most) in reference.ACTIVATIONS.values():
        assert callable(forward) and callable(derivative)
        assert saved in {"z", "a", "row"}
        assert isinstance(parameter, float) and least <= parameter <= most
    assert {n for n, a in reference.ACTIVATIONS.items() if a.parameter} >= {"leaky_relu", "elu"}
    assert set(ROWWISE) >= {"softmax", "log_softmax"}
    for name, loss in reference.LOSSES.items():
        assert loss.link in {"any", *reference.LINKS}, name
        assert loss.outputs_of(loss.parameters) >= 1
        assert loss.link == "any" or loss.link in reference.LINKS[loss.link]
    links = {name: (loss.link, loss.outputs) for name, loss in reference.LOSSES.items()}
    assert {
        "sparse_categorical_crossentropy": ("softmax", 1),
        "categorical_crossentropy": ("softmax", 1),
        "binary_crossentropy": ("sigmoid", 1),
        "mse": ("any", 1),
        "mae": ("any", 1),
        "huber": ("any", 1),
        "poisson": ("exp", 1),
        "gaussian_nll": ("any", 2),
    }.items() <= links.items()
    slots = {name: optimizer.slots for name, optimizer in reference.OPTIMIZERS.items()}
    known = {"sgd": 1, "adagrad": 1, "rmsprop": 1, "adam": 2, "adamw": 2, "amsgrad": 3}
    assert known.items() <= slots.items()
    assert [name for name, rule in reference.OPTIMIZERS.items() if rule.by_momentum] == ["sgd"]


def test_imports_are_numpy_and_the_standard_library():
    for file in FILES:
        for node in ast.walk(ast.parse((FOLDER / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level <= len(file.parts), f"{file} reaches out of the package"
                names = [node.module or ""] if node.level == 0 else []
            else:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert name.split(".")[0] in {
                    "numpy",
                    "__future__",
                    "collections",
                    "contextlib",
                    "math",
                    "time",
                    "typing",
                }, name


@pytest.mark.parametrize("file", FILES, ids=str)
def test_examples_in_docstrings(file):
    name = ".".join(["fastmlp.reference", *file.with_suffix("").parts]).removesuffix(".__init__")
    result = doctest.testmod(importlib.import_module(name))
    expected = (FOLDER / file).read_text(encoding="utf-8").count(">>>")
    assert result.attempted >= expected and result.failed == 0
