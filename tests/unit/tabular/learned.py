"""Small tables to learn, and recipes that do so quickly."""

import numpy as np

from fastmlp.tabular import Recipe

QUICK = Recipe(widths=(32,), views=("plain",), epochs=30, batch_size=32, schedule="cosine")
QUICK_NUMBERS = QUICK.replace(activation="mish", learning_rate=0.2)


def table(rows=160, seed=0):
    """Words, numbers with gaps, a flag; labels and numbers that follow from them."""
    rng = np.random.default_rng(seed)
    size, colour = rng.normal(size=rows), rng.choice(["red", "green", "blue"], rows)
    flag = rng.random(rows) < 0.5
    score = size + 2 * (colour == "red") - flag
    gaps = np.where(rng.random(rows) < 0.05, np.nan, size)
    X = {"size": gaps, "colour": colour, "flag": flag}
    return X, np.where(score > 0.3, "big", "small"), score * 10 + 100


def part(X, rows):
    return {name: values[rows] for name, values in X.items()}
