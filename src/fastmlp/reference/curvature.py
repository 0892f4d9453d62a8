"""Second derivatives of a plan's loss: its gradient, computed with dual numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .duals import Dual, tangent
from .functions import Array
from .plan import Chosen, Plan


def hessian_vector_product(
    plan: Plan,
    X: Any,
    y: Array,
    vector: Sequence[Array],
    sample_weight: Array | None = None,
    *,
    loss: Chosen | None = None,
) -> list[Array]:
    """H v: how `Plan.gradients` changes as the parameters move along a vector like `get_weights`.

    Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6, 1994.  What training does
    not move by a gradient, moving statistics, has no part in it.

    >>> plan = Plan(1, [{"kind": "dense"}], dtype="float64")
    >>> X, y, v = np.array([[3.0]]), np.array([[1.0]]), [np.array([[1.0]]), np.array([0.0])]
    >>> dW, db = hessian_vector_product(plan, X, y, v, loss=("mse", 0.0))  # of (3 w + b - 1)^2
    >>> dW, db
    (array([[18.]]), array([6.]))
    """
    along, arrays, x = iter(vector), plan._arrays, plan._repeated(np.atleast_2d(plan._input(X)))
    duals: Any = [
        [Dual(w, next(along) * kind.moves) for w, kind in zip(own, kinds.values(), strict=True)]
        for own, kinds in zip(arrays, plan._kinds, strict=True)
    ]
    dual_x: Any = Dual(x, np.zeros_like(x))
    try:
        plan._arrays = duals
        traces = plan._layers(dual_x, None, 1.0, False)
        _, dz, _ = plan._loss(plan._fitting(loss), traces[-1], y, sample_weight)
        gradients, _ = plan._backward(traces, dz)
    finally:
        plan._arrays = arrays
    parts = zip(gradients, plan._parameters(), strict=True)
    return [np.broadcast_to(tangent(gradient), w.shape).copy() for gradient, w in parts]
