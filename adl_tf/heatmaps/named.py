"""Heatmaps by name."""

from adl_tf.heatmaps.ablation_cam import AblationCAM
from adl_tf.heatmaps.attention_rollout import AttentionRollout
from adl_tf.heatmaps.cam import CAM
from adl_tf.heatmaps.eigen_cam import EigenCAM
from adl_tf.heatmaps.finer_cam import FinerCAM
from adl_tf.heatmaps.grad_cam import GradCAM
from adl_tf.heatmaps.grad_cam_pp import GradCAMpp
from adl_tf.heatmaps.hires_cam import HiResCAM
from adl_tf.heatmaps.layer_cam import LayerCAM
from adl_tf.heatmaps.score_cam import ScoreCAM
from adl_tf.heatmaps.sharper import Averaged
from adl_tf.heatmaps.smooth_grad_cam_pp import SmoothGradCAMpp
from adl_tf.heatmaps.xgrad_cam import XGradCAM

HEATMAPS = {
    "cam": CAM,
    "grad_cam": GradCAM,
    "grad_cam_pp": GradCAMpp,
    "smooth_grad_cam_pp": SmoothGradCAMpp,
    "xgrad_cam": XGradCAM,
    "hires_cam": HiResCAM,
    "layer_cam": LayerCAM,
    "eigen_cam": EigenCAM,
    "score_cam": ScoreCAM,
    "ablation_cam": AblationCAM,
    "finer_cam": FinerCAM,
    "attention_rollout": AttentionRollout,
}


def make_heatmap(name, model, flip=False, scales=(1.0,), **options):
    """Prepares the heatmap of a name.

    Args:
        name: Key of `HEATMAPS`, such as `"grad_cam"`.
        model: Keras classifier.
        flip: As of `Averaged`.
        scales: As of `Averaged`.
        **options: Further arguments of its class.

    Returns:
        `Heatmap`, or `Averaged` if it is averaged over several images.

    Raises:
        ValueError: If there is none of that name.
    """
    if name not in HEATMAPS:
        raise ValueError(
            f"`name` must be one of {', '.join(HEATMAPS)}. "
            f"Received: name={name!r}"
        )
    heatmap = HEATMAPS[name](model, **options)
    if flip or tuple(scales) != (1.0,):
        return Averaged(heatmap, flip, scales)
    return heatmap
