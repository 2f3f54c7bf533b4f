"""Ablation-CAM (Desai & Ramaswamy, WACV 2020)."""

from keras import ops

from adl_tf.heatmaps.heatmap import Heatmap, chosen
from adl_tf.heatmaps.masked_images import in_batches
from adl_tf.heatmaps.probe import of_classes, one_of, repeated


class AblationCAM(Heatmap):
    """Feature channels, weighted by the drop of the logit without them.

    With the class's logit z, and z[k] where channel A[k] is set to 0:

        map(y, x) = sum over k of (z - z[k]) / |z| A[k](y, x)

    The paper divides by z itself, which inverts the map where the logit is
    negative. It takes no gradient, but one pass per channel through the layers
    that follow; where every path goes through the layer, the layers before it
    are computed once for a batch of channels.

    Args:
        model: See `Heatmap`.
        layer: See `Heatmap`.
        output: See `Heatmap`.
        relu: See `Heatmap`.
        batch_size: The largest number of channels at a time.

    Example:

    >>> model = keras.applications.MobileNet(weights=None, alpha=0.25)
    >>> tuple(AblationCAM(model)(np.zeros((1, 224, 224, 3))).shape)
    (1, 7, 7)

    Reference:

    - [Desai & Ramaswamy, 2020](
      https://openaccess.thecvf.com/content_WACV_2020/html/Desai_Ablation-CAM_Visual_Explanations_for_Deep_Convolutional_Network_via_Gradient-free_Localization_WACV_2020_paper.html)
    """

    def __init__(
        self, model, layer=None, output=None, relu=False, batch_size=128
    ):
        super().__init__(model, layer, output, relu)
        self.batch_size = batch_size

    def logits_and_maps(self, probe, inputs, class_ids):
        features, logits = probe.features(inputs)
        class_ids = chosen(logits, class_ids)
        before = of_classes(logits, class_ids)[:, None]
        divisor = ops.where(before == 0, 1.0, ops.abs(before))
        maps = []
        for place, those in zip(probe.places, features):
            without = self._without(probe, place, inputs, those, class_ids)
            weights = (before - without) / divisor
            maps.append(ops.einsum("bhwc,bc->bhw", those, weights))
        return logits, self.finish(maps)

    def _without(self, probe, place, inputs, features, class_ids):
        """The class's logit without each channel, `(batch, channels)`."""
        count = features.shape[-1]
        # The layers before this one are the same for every channel.
        once = probe.is_passed_by_all(place)

        def of_channels(image, channels):
            those = one_of(inputs, image)
            if not once:
                those = repeated(those, channels.shape[0])
            kept = 1 - ops.one_hot(channels, count, dtype="float32")

            def ablate(tensor):
                axis = place.channel_axis(tensor)
                shape = [1] * len(tensor.shape)
                shape[0], shape[axis] = channels.shape[0], count
                return tensor * ops.cast(ops.reshape(kept, shape), tensor.dtype)

            logits = probe.run(
                those, [(place.operation, place.number, place.action(ablate))]
            )
            classes = repeated(one_of(class_ids, image), channels.shape[0])
            return of_classes(logits, classes)

        return in_batches(
            of_channels, ops.shape(features)[0], count, self.batch_size
        )
