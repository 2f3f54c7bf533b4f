"""Heatmaps by name."""

from adl_tf.heatmaps.sharper import Averaged
from adl_tf.registry import HEATMAPS


def make_heatmap(name, model, flip=False, scales=(1.0,), **options):
    """Prepares the heatmap with a given name.

    Args:
        name: Name in `adl_tf.registry.HEATMAPS`, such as `"grad_cam"`.
        model: Keras classifier.
        flip: See `Averaged`.
        scales: See `Averaged`.
        **options: Further arguments of its class.

    Returns:
        `Heatmap`, or `Averaged` if it is averaged over several images.

    Raises:
        ValueError: If there is none of that name.
    """
    heatmap = HEATMAPS.find(name)(model, **options)
    if flip or tuple(scales) != (1.0,):
        return Averaged(heatmap, flip, scales)
    return heatmap
