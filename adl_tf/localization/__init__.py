"""Boxes from heatmaps and their accuracy, on NumPy arrays alone.

Public names are imported on first use, because Numba takes a second to load.
"""

import importlib

_PUBLIC = {
    "box_iou": "adl_tf.localization.boxes",
    "boxes_at_thresholds": "adl_tf.localization.boxes",
    "max_box_acc": "adl_tf.localization.metrics",
    "pixel_average_precision": "adl_tf.localization.pixels",
}

__all__ = list(_PUBLIC)


def __getattr__(name):
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(
        f"module 'adl_tf.localization' has no attribute '{name}'"
    )


def __dir__():
    return [*globals(), *__all__]
