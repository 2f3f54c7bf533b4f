"""Heatmaps averaged over mirrored and resized images."""

from keras import ops

from adl_tf.heatmaps.errors import HeatmapError
from adl_tf.heatmaps.heatmap import chosen, resized, scaled
from adl_tf.heatmaps.taps import compiled


class Averaged:
    """A heatmap averaged over variants of the image.

    The map of each variant is stretched to [0, 1] and resized to the size of
    the largest one, the map that `heatmap` gives for the largest image.

    Args:
        heatmap: `Heatmap`.
        flip: Whether the mirrored image counts, too.
        scales: Factors of the side of the images. Other sizes than that of
            the images need a model that takes them, with an input of `(None,
            None, 3)`.

    Call arguments:
        images: See `heatmap`.
        class_ids: As for `heatmap`; `None` for the classes predicted of the
            images as they are.

    Returns:
        float32 tensor `(batch, h, w)` in [0, 1].

    Example:

    >>> model = keras.applications.MobileNet(weights=None)
    >>> heatmap = Averaged(GradCAM(model))
    >>> tuple(heatmap(np.zeros((2, 224, 224, 3))).shape)
    (2, 7, 7)
    """

    def __init__(self, heatmap, flip=True, scales=(1.0,)):
        self.heatmap, self.flip, self.scales = heatmap, flip, tuple(scales)
        model = heatmap.model
        if (
            any(each != 1 for each in self.scales)
            and None not in (model.inputs[0].shape[1:])
        ):
            raise HeatmapError(
                "`scales` need a model that takes images of any size; this one "
                f"takes {tuple(model.inputs[0].shape)}. "
                f"Received: scales={self.scales}"
            )
        self._compiled = compiled(model, self.probabilities_and_maps)

    def __call__(self, images, class_ids=None):
        inputs = self.heatmap.inputs(images)
        class_ids = self.heatmap.classes(inputs, class_ids)
        _, maps = self._compiled(inputs, class_ids)
        return ops.stop_gradient(maps)

    def probe(self, inputs):
        """The `Probe` for inputs of these shapes."""
        return self.heatmap.probe(inputs)

    def probabilities_and_maps(self, inputs, class_ids=None):
        """As `Heatmap.probabilities_and_maps`; of the images as they are."""
        probe = self.probe(inputs)
        images, put = probe.images(inputs)
        axes = (1, 2) if probe.channel_axis == 3 else (2, 3)
        probabilities, maps = None, []
        if class_ids is None:
            class_ids = chosen(probe.features(inputs)[1], None)
        for scale in self.scales:
            variant = _of_scale(images, scale, axes)
            for mirrored in (False, True)[: 1 + self.flip]:
                if mirrored:
                    variant = ops.flip(variant, axis=axes[1])
                found, one = self.heatmap.probabilities_and_maps(
                    put(variant), class_ids
                )
                if scale == 1 and not mirrored:
                    probabilities = found
                maps.append(ops.flip(one, axis=2) if mirrored else one)
        if probabilities is None:
            probabilities, _ = self.heatmap.probabilities_and_maps(
                inputs, class_ids
            )
        size = max(tuple(each.shape[1:]) for each in maps)
        total = sum(scaled(resized(each, size)) for each in maps)
        return probabilities, total / len(maps)


def _of_scale(images, scale, axes):
    if scale == 1:
        return images
    return ops.image.resize(
        ops.cast(images, "float32"),
        [round(scale * images.shape[axis]) for axis in axes],
        interpolation="bilinear",
        data_format="channels_last" if axes == (1, 2) else "channels_first",
    )
