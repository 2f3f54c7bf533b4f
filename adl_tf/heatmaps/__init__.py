"""Heatmaps of any Keras classifier, prepared once and called often.

Public names are imported on first use, because Keras takes seconds to load.
"""

import importlib

_PUBLIC = {
    "CAM": "adl_tf.heatmaps.cam",
    "GradCAM": "adl_tf.heatmaps.grad_cam",
    "GradCAMpp": "adl_tf.heatmaps.grad_cam_pp",
    "SmoothGradCAMpp": "adl_tf.heatmaps.smooth_grad_cam_pp",
    "XGradCAM": "adl_tf.heatmaps.xgrad_cam",
    "HiResCAM": "adl_tf.heatmaps.hires_cam",
    "LayerCAM": "adl_tf.heatmaps.layer_cam",
    "EigenCAM": "adl_tf.heatmaps.eigen_cam",
    "ScoreCAM": "adl_tf.heatmaps.score_cam",
    "AblationCAM": "adl_tf.heatmaps.ablation_cam",
    "FinerCAM": "adl_tf.heatmaps.finer_cam",
    "AttentionRollout": "adl_tf.heatmaps.attention_rollout",
    "Averaged": "adl_tf.heatmaps.sharper",
}

__all__ = list(_PUBLIC)


def __getattr__(name):
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'adl_tf.heatmaps' has no attribute '{name}'")


def __dir__():
    return [*globals(), *__all__]
