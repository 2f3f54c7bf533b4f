"""Weakly supervised object localisation with attention-based dropout.

Public names are found on first use, so that importing `adl_tf` or
`adl_tf.localization` loads neither TensorFlow nor Keras.
"""

import importlib

__version__ = "0.1.0"

_PUBLIC = {
    "ADLLayer": "adl_tf.layers.adl",
    "adl_maps": "adl_tf.layers.adl",
    "HideAndSeek": "adl_tf.layers.hide_and_seek",
    "SqueezeExcite": "adl_tf.layers.squeeze_excite",
    "insert_adl": "adl_tf.methods.adl",
    "build_model": "adl_tf.methods.build",
    "class_maps": "adl_tf.heatmaps.class_maps",
    "grad_cam": "adl_tf.heatmaps.grad_cam",
}

__all__ = list(_PUBLIC)


def __getattr__(name):
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'adl_tf' has no attribute '{name}'")


def __dir__():
    return [*globals(), *__all__]
