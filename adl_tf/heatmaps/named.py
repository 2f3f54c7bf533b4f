"""Heatmaps by name."""

from adl_tf.heatmaps.cam import CAM
from adl_tf.heatmaps.grad_cam import GradCAM

HEATMAPS = {
    "cam": CAM,
    "grad_cam": GradCAM,
}


def make_heatmap(name, model, **options):
    """Prepares the heatmap of a name.

    Args:
        name: Key of `HEATMAPS`, such as `"grad_cam"`.
        model: Keras classifier.
        **options: Further arguments of its class.

    Returns:
        `Heatmap`.

    Raises:
        ValueError: If there is none of that name.
    """
    if name not in HEATMAPS:
        raise ValueError(
            f"`name` must be one of {', '.join(HEATMAPS)}. "
            f"Received: name={name!r}"
        )
    return HEATMAPS[name](model, **options)
