"""Loading and preparing data: IDX and ``.npz`` files, one-hot rows, scaling, splitting.

Everything here returns plain NumPy arrays and reads files that are on the disk; nothing is downloaded.
"""

from .arrays import one_hot, scale_images, standardize, train_test_split
from .idx import load_idx, load_idx_folder
from .npz import load_npz

__all__ = [
    "load_idx",
    "load_idx_folder",
    "load_npz",
    "one_hot",
    "scale_images",
    "standardize",
    "train_test_split",
]
