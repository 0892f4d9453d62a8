"""Types, losses and the tolerance that the tests of `fastmlp.functional` share."""

import numpy as np

from fastmlp import registry

DTYPES = [np.float32, np.float64]

LABELS, PLAIN = sorted(registry.LABEL_LOSSES), sorted(set(registry.LOSSES) - registry.LABEL_LOSSES)


def tolerance(dtype):
    return 32 * np.finfo(dtype).eps
