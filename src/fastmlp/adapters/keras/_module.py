"""Keras itself, which needs a backend beside it."""

from __future__ import annotations

from typing import Any

from ...optional import require


def keras_module() -> Any:
    """The module keras; ImportError says whether it or its backend is missing."""
    try:
        return require("keras", "keras")
    except ImportError as error:
        missing = getattr(error.__cause__, "name", None) or "keras"
        if missing.partition(".")[0] == "keras":
            raise
        raise ImportError(
            f"keras is installed but its backend {missing} is not, expected the environment variable "
            'KERAS_BACKEND to name one that is, as "jax"'
        ) from error
