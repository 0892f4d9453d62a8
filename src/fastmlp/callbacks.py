"""What `Network.fit` calls between epochs and batches: stopping, checkpoints, logs, your own functions."""

from .training.callbacks.base import Callback
from .training.callbacks.checkpoint import ModelCheckpoint
from .training.callbacks.csv_logger import CSVLogger
from .training.callbacks.early_stopping import EarlyStopping
from .training.callbacks.history import History
from .training.callbacks.lambda_callback import LambdaCallback
from .training.callbacks.layer_monitor import LayerMonitor
from .training.callbacks.optuna import OptunaPruning
from .training.callbacks.plateau import ReduceLROnPlateau
from .training.callbacks.rate_scheduler import LearningRateScheduler
from .training.callbacks.tensorboard import TensorBoard
from .training.callbacks.terminate_on_nan import TerminateOnNaN

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LayerMonitor",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "OptunaPruning",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TerminateOnNaN",
]
