"""Recipes: every number by which the networks of a tabular estimator are made and trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import validation
from ..errors import shown, unknown
from ..layers.base import ActivationName, named, short_repr

TASKS = ("classes", "numbers")
VIEWS = ("plain", "periodic", "quantiles")
SCHEDULES = ("cosine", "coslog4", "flat_cosine", "constant")
STARTS = ("data", "normal")


@dataclass(frozen=True, repr=False)
class Recipe:
    """How the networks of a tabular estimator are made and trained.

    Parameters
    ----------
    widths : tuple of int
        Units of the hidden layers.
    activation : str or (str, float)
        Of the hidden layers.
    parametric : float
        Factor of the learning rate of a share a of the activation f in every unit, x + a (f(x) - x); 0 leaves
        the share at 1.
    dropout : float
        0 <= rate < 1, behind every hidden layer.
    dropout_schedule : {"cosine", "coslog4", "flat_cosine", "constant"}
        Of this rate, over all epochs; "flat_cosine" is constant for half of the steps, then a cosine to 0.
    scale : float
        Factor of the learning rate of a `Scale` layer in front of the first; 0 leaves the layer out.
    bias : float
        Factor of the learning rate of biases.
    members : int
        Networks that share the weights of each, as in TabM: every hidden layer has factors of its inputs and
        outputs and biases for each of them, and each has a last layer of its own.  1 is a plain network.
    start : {"data", "normal"}
        "data": pre-activations begin with unit variance on the training rows, and biases as minus a random
        mean of five rows' pre-activations, those of members as 0.  "normal", not of members: W from
        N(0, 1 / n_in), b from N(0, 1), and the last layer zero.
    learning_rate : float
        The highest; weights of a layer have 1 / sqrt(n_in) of it.
    schedule : {"cosine", "coslog4", "flat_cosine", "constant"}
        Of the learning rate, over all epochs.
    beta_1, beta_2 : float
        0 <= beta < 1, of `Adam`.
    weight_decay : float
        Decoupled, of all weights but biases.
    decay_schedule : {"cosine", "coslog4", "flat_cosine", "constant"}
        Of the weight decay, over all epochs.
    label_smoothing : float
        0 <= share < 1 of each label that is spread over all classes.
    epochs, batch_size : int
        Batches are made equal, and no fewer than there are whole ones of `batch_size`.
    held_out : float
        0 <= share <= 0.5 of the rows that choose the epoch, others for every network; 0 takes the last epoch.
    views : tuple of {"plain", "periodic", "quantiles"}
        One for each network that is averaged, over again where there are more networks.  "periodic" puts a
        `PeriodicEmbedding` of numbers in front, "quantiles" adds piecewise-linear views of them.
    frequencies, sigma : int, float
        Of the `PeriodicEmbedding`.
    embedding : float
        Factor of its learning rate.
    bins : int
        Of these views, at most.
    one_hot_up_to : int
        Categories of at most so many values, the gap counted, have a column for each; larger ones a table.
    table_width : int
        Numbers that a value of a larger category becomes, an `Embedding`.

    Examples
    --------
    >>> from fastmlp.tabular import Recipe
    >>> Recipe.named("fast", "classes").replace(epochs=8).epochs
    8

    References
    ----------
    Holzmueller, Grinsztajn and Steinwart, "Better by Default", arXiv:2407.04491; Gorishniy, Rubachev and
    Babenko, "On Embeddings for Numerical Features", arXiv:2203.05556, for piecewise-linear views; Gorishniy,
    Kotelnikov and Babenko, "TabM", arXiv:2410.24210, for members.
    """

    widths: tuple[int, ...] = (256, 256, 256)
    activation: ActivationName = "selu"
    parametric: float = 0.1
    dropout: float = 0.15
    dropout_schedule: str = "flat_cosine"
    scale: float = 6.0
    bias: float = 0.1
    members: int = 1
    start: str = "data"
    learning_rate: float = 0.04
    schedule: str = "coslog4"
    beta_1: float = 0.9
    beta_2: float = 0.95
    weight_decay: float = 0.02
    decay_schedule: str = "flat_cosine"
    label_smoothing: float = 0.1
    epochs: int = 256
    batch_size: int = 256
    held_out: float = 0.2
    views: tuple[str, ...] = ("periodic",)
    frequencies: int = 16
    sigma: float = 0.1
    embedding: float = 0.1
    bins: int = 12
    one_hot_up_to: int = 9
    table_width: int = 8

    def __post_init__(self) -> None:
        self._set("widths", tuple(validation.integer(width, "widths", 1) for width in self.widths))
        self._set("activation", named(self.activation, "activation"))
        for name, least, limit in _REALS:
            self._set(name, validation.real(getattr(self, name), name, minimum=least, **limit))
        for name, least in _COUNTS:
            self._set(name, validation.integer(getattr(self, name), name, least))
        for name, known in _NAMES:
            if getattr(self, name) not in known:
                raise unknown(name, getattr(self, name), known)
        self._set("views", tuple(self.views))
        for view in self.views:
            if view not in VIEWS:
                raise unknown("view", view, VIEWS)
        if self.members > 1 and self.start != "data":
            raise ValueError(f"start is {self.start!r}, expected 'data' of a recipe with members")
        if not self.views:
            raise ValueError("views is empty, expected one for each network")

    def __repr__(self) -> str:
        return short_repr(self, ())

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @classmethod
    def named(cls, name: str, task: str) -> Recipe:
        """One of `RECIPES`, for a task of "classes" or "numbers"."""
        if name not in RECIPES:
            raise unknown("recipe", name, RECIPES)
        return RECIPES[name][task]

    def replace(self, **changes: Any) -> Recipe:
        """The recipe with other values."""
        return dataclasses.replace(self, **changes)

    def to_config(self) -> dict[str, Any]:
        """A dict that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Recipe:
        """What `to_config` wrote."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}
        return cls(**fields)


_NAMES = (
    ("start", STARTS),
    ("schedule", SCHEDULES),
    ("decay_schedule", SCHEDULES),
    ("dropout_schedule", SCHEDULES),
)
_COUNTS = (
    ("epochs", 1),
    ("batch_size", 1),
    ("bins", 2),
    ("one_hot_up_to", 2),
    ("table_width", 1),
    ("frequencies", 1),
    ("members", 1),
)
_BELOW_ONE: dict[str, Any] = {"below": 1.0}
_REALS: tuple[tuple[str, float, dict[str, Any]], ...] = (
    ("dropout", 0.0, _BELOW_ONE),
    ("beta_1", 0.0, _BELOW_ONE),
    ("beta_2", 0.0, _BELOW_ONE),
    ("label_smoothing", 0.0, _BELOW_ONE),
    ("held_out", 0.0, {"maximum": 0.5}),
    ("scale", 0.0, {}),
    ("parametric", 0.0, {}),
    ("embedding", 0.0, {}),
    ("sigma", 0.0, {}),
    ("bias", 0.0, {}),
    ("learning_rate", 0.0, {}),
    ("weight_decay", 0.0, {}),
)

_REALMLP = Recipe()
_REALMLP_NUMBERS = _REALMLP.replace(activation="mish", learning_rate=0.2)
_SMALL: dict[str, Any] = {
    "dropout": 0.0,
    "weight_decay": 0.0,
    "start": "normal",
    "parametric": 0.0,
    "views": ("plain",),
}
_DEFAULT: dict[str, Any] = {
    "epochs": 128,
    "batch_size": 64,
    "views": ("periodic", "quantiles"),
}
_FAST: dict[str, Any] = {
    "widths": (128, 128),
    "epochs": 64,
    "batch_size": 64,
    "views": ("quantiles",),
}
_TABM: dict[str, Any] = {
    "widths": (128, 128),
    "parametric": 0.0,
    "dropout": 0.0,
    "members": 8,
    "epochs": 64,
    "batch_size": 64,
    "schedule": "cosine",
    "views": ("quantiles",),
}

RECIPES: dict[str, dict[str, Recipe]] = {
    "default": {
        "classes": _REALMLP.replace(**_DEFAULT, learning_rate=0.02),
        "numbers": _REALMLP_NUMBERS.replace(**_DEFAULT, learning_rate=0.1),
    },
    "realmlp": {"classes": _REALMLP, "numbers": _REALMLP_NUMBERS},
    "realmlp-s": {
        "classes": _REALMLP.replace(**_SMALL),
        "numbers": _REALMLP_NUMBERS.replace(**_SMALL, learning_rate=0.07),
    },
    "fast": {"classes": _REALMLP.replace(**_FAST), "numbers": _REALMLP_NUMBERS.replace(**_FAST)},
    "tabm": {
        "classes": _REALMLP.replace(**_TABM, activation="relu"),
        "numbers": _REALMLP_NUMBERS.replace(**_TABM),
    },
}


def resolve(recipe: object, task: str) -> Recipe:
    """A recipe, or the name of one, for a task."""
    if isinstance(recipe, Recipe):
        return recipe
    if isinstance(recipe, str):
        return Recipe.named(recipe, task)
    raise TypeError(f"recipe is {shown(recipe)}, expected a Recipe or one of {', '.join(map(repr, RECIPES))}")
