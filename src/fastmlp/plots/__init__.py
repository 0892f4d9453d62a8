"""Pictures of training, of networks and of how well they do; needs matplotlib.

Each function draws into ``ax=`` if it is given and into a new figure of pyplot if not, and returns the axes:
one, or an array of them where the picture has several panels.  ``path=`` saves the picture; the suffix
decides the format: ``.png``, ``.svg``, ``.pdf``.  A notebook shows it below the cell, a script by
``plt.show()``.
"""

from .activations import plot_activations
from .boundary import plot_decision_boundary
from .classification import plot_calibration, plot_confusion_matrix, plot_precision_recall, plot_roc
from .diagram import plot_network
from .film import Film
from .gradients import plot_gradient_norms
from .histograms import plot_histograms
from .history import plot_history
from .importances import plot_importances
from .layers import plot_layers
from .learning_rates import plot_learning_rates
from .regression import plot_residuals
from .weights import plot_weights

__all__ = [
    "Film",
    "plot_activations",
    "plot_calibration",
    "plot_confusion_matrix",
    "plot_decision_boundary",
    "plot_gradient_norms",
    "plot_histograms",
    "plot_history",
    "plot_importances",
    "plot_layers",
    "plot_learning_rates",
    "plot_network",
    "plot_precision_recall",
    "plot_residuals",
    "plot_roc",
    "plot_weights",
]
