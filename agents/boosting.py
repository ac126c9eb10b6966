"""Gradient boosting as the learned policies use it: small trees, one thread, nothing random."""

from contextlib import AbstractContextManager
from typing import Any

from cardarena.agents.base import one_thread


def one_thread_learning() -> AbstractContextManager[Any]:
    """Return `one_thread` with scikit-learn loaded first, so that its OpenMP library is held too."""
    import sklearn.ensemble  # noqa: F401  # pyright: ignore[reportUnusedImport]

    return one_thread()


def boosted(classify: bool, trees: int, leaves: int, least: int) -> Any:
    """Return an unfitted gradient boosting of small trees, deterministic and without early stopping.

    Args:
        classify: a classifier, else a regressor.
        trees: number of trees.
        leaves: leaves a tree at most.
        least: rows a leaf at least.
    """
    # A second's import, and not every run needs it.
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    settings: dict[str, Any] = {
        "max_iter": trees,
        "max_leaf_nodes": leaves,
        "min_samples_leaf": least,
        "learning_rate": 0.12,
        "l2_regularization": 1.0,
        "max_bins": 63,
        "early_stopping": False,
        "random_state": 0,
    }
    if classify:
        return HistGradientBoostingClassifier(**settings)
    return HistGradientBoostingRegressor(**settings)
