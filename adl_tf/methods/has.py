"""Hide-and-Seek as a method: random patches of the images are hidden."""

from adl_tf.layers.hide_and_seek import HideAndSeek
from adl_tf.models.preprocessing import MEAN_COLOUR
from adl_tf.models.surgery import edit_input


def has(model, backbone, patch_size=32, hide_rate=0.5, seed=None):
    """Puts `HideAndSeek` in front of a classifier.

    Hidden pixels get ImageNet's mean colour. The preprocessing of `vgg_gap` and
    the ResNets makes it 0 (for Caffe's mean, to half a grey level).

    Args:
        model: Keras model made of `backbone`.
        backbone: Its `Backbone`.
        patch_size: See `HideAndSeek`.
        hide_rate: See `HideAndSeek`.
        seed: See `HideAndSeek`.

    Returns:
        Keras model with the same weights and `HideAndSeek` in front.

    Raises:
        ValueError: If an argument is invalid.

    Reference:

    - [Singh & Lee, 2017](https://arxiv.org/abs/1704.04232)
    """
    del backbone
    layer = HideAndSeek(
        patch_size,
        hide_rate,
        fill_value=MEAN_COLOUR,
        seed=seed,
        # Images keep their precision until they are preprocessed.
        dtype="float32",
        name="hide_and_seek",
    )
    return edit_input(model, layer)
