"""Score-CAM (Wang et al., CVPR workshops 2020)."""

from keras import ops

from adl_tf.heatmaps.heatmap import Heatmap, chosen, resized, scaled
from adl_tf.heatmaps.masked_images import in_batches, masked_by
from adl_tf.heatmaps.probe import of_classes, one_of, repeated


class ScoreCAM(Heatmap):
    """Feature channels, weighted by the logit of the image that they mask.

    Each channel A[k] is enlarged to the size of the image and stretched to
    [0, 1]; the image is multiplied by it, and z[k] is the class's logit then:

        map(y, x) = sum over k of softmax(z)[k] A[k](y, x)

    It takes no gradient, but one forward pass per channel.

    Args:
        model: See `Heatmap`.
        layer: See `Heatmap`.
        output: See `Heatmap`.
        relu: See `Heatmap`.
        background: Value of masked pixels: a number, or one per channel, in the
            units of the images. 0 suits images that are normalised
            outside the model.
        batch_size: The largest number of masked images at a time.

    Example:

    >>> model = keras.applications.MobileNet(weights=None, alpha=0.25)
    >>> tuple(ScoreCAM(model)(np.zeros((1, 224, 224, 3))).shape)
    (1, 7, 7)

    Reference:

    - [Wang et al., 2020](https://arxiv.org/abs/1910.01279)
    """

    def __init__(
        self,
        model,
        layer=None,
        output=None,
        relu=False,
        background=0.0,
        batch_size=32,
    ):
        super().__init__(model, layer, output, relu)
        self.background, self.batch_size = background, batch_size

    def logits_and_maps(self, probe, inputs, class_ids):
        features, logits = probe.features(inputs)
        class_ids = chosen(logits, class_ids)
        maps = []
        for those in features:
            scores = self._scores(probe, inputs, those, class_ids)
            weights = ops.softmax(scores, axis=-1)
            maps.append(ops.einsum("bhwc,bc->bhw", those, weights))
        return logits, self.finish(maps)

    def _scores(self, probe, inputs, features, class_ids):
        """The class's logit of every masked image, `(batch, channels)`."""
        by_channel = ops.transpose(features, (0, 3, 1, 2))

        def of_channels(image, channels):
            masks = ops.take(ops.take(by_channel, image, axis=0), channels, 0)
            masks = scaled(resized(masks, probe.image_size))
            same = repeated(one_of(inputs, image), channels.shape[0])
            images, put = probe.images(same)
            masked = masked_by(masks, images, self.background, probe)
            classes = repeated(one_of(class_ids, image), channels.shape[0])
            return of_classes(probe.run(put(masked)), classes)

        return in_batches(
            of_channels,
            ops.shape(features)[0],
            features.shape[-1],
            self.batch_size,
        )
