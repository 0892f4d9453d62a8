"""Networks whose bits are compared, and what runs on every instruction set."""

from __future__ import annotations

import numpy as np

from helpers import (
    HYPER,
    LINKS,
    OUTPUT_OF,
    OUTPUTS,
    RATES,
    assert_trained,
    layers_of,
    loss_parameters,
    make_plan,
    random_weights,
    targets,
    train,
)

# Odd widths; one chain, four segments, two segments, many panels; 32-bit and 64-bit lines differ.
NETWORKS = {
    "narrow": (37, [33, 17, 5]),
    "one panel": (784, [16, 16, 10]),
    "two panels": (65, [19, 27]),
    "wide": (50, [131, 259, 40]),
    "tiny": (2, [3, 2]),
    "single": (33, [1]),
}
LAYER_ACTIVATIONS = ["tanh", "gelu", "mish"]


def network(name, dtype, isa, output="softmax", dropout=0.0, outputs=1):
    """A plan of NETWORKS, with as many outputs for each of its targets."""
    n_in, widths = NETWORKS[name]
    widths = [*widths[:-1], outputs * widths[-1]]
    layers = layers_of(widths, LAYER_ACTIVATIONS[: len(widths) - 1], output, dropout)
    return make_plan(n_in, layers, random_weights(np.random.default_rng(1), n_in, layers, dtype), dtype, isa)


def compiled(name, dtype, isa, loss="categorical_crossentropy", optimizer="adam", dropout=0.0, **hyper):
    plan = network(name, dtype, isa, OUTPUT_OF[LINKS[loss]], dropout, OUTPUTS[loss])
    plan.compile(loss, loss_parameters(loss), optimizer, {**HYPER[optimizer], **hyper})
    return plan


def data(plan, rows, loss=None, seed=2):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((rows, plan.n_in)).astype(plan.dtype)
    return (X, targets(rng, loss, rows, plan.n_out, plan.dtype)) if loss else X


def trained(
    isa,
    dtype,
    optimizer,
    epochs=3,
    threads=1,
    seconds=np.inf,
    dropout=0.3,
    name="narrow",
    batch_size=16,
    **hyper,
):
    """Weights, predictions, state and sums of the losses of a training run."""
    loss = "sparse_categorical_crossentropy"
    plan = compiled(name, dtype, isa, loss, optimizer, dropout, **hyper)
    X, y = data(plan, 150, loss)
    before = plan.get_weights()
    sums = train(
        plan, X, y, RATES[optimizer], epochs, batch_size=batch_size, threads=threads, seconds=seconds
    )
    assert_trained(plan.get_weights(), before)
    state = plan.get_state()
    assert state["step"] == plan.step == epochs * -(-150 // batch_size)
    powers = np.array(state["beta_powers"])
    results = [*plan.get_weights(), plan.predict(X), powers, *(a for slot in state["slots"] for a in slot)]
    return [array for array in results if array.any()], sums  # without momentum, say, powers of beta are 0
