"""What `Network.fit` calls between epochs and batches: early stopping, checkpoints, your own functions."""

from .training.callbacks.base import Callback, LambdaCallback
from .training.callbacks.checkpoint import ModelCheckpoint
from .training.callbacks.early_stopping import EarlyStopping
from .training.callbacks.history import History
from .training.callbacks.plateau import ReduceLROnPlateau

__all__ = [
    "Callback",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
]
