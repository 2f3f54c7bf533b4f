"""Finer-CAM (Zhang et al., CVPR 2025)."""

from keras import ops

from adl_tf.heatmaps.errors import HeatmapError
from adl_tf.heatmaps.grad_cam import GradCAM
from adl_tf.heatmaps.heatmap import chosen
from adl_tf.heatmaps.probe import of_classes


class FinerCAM(GradCAM):
    """Grad-CAM of the difference between a class and the most similar ones.

    Instead of the logit z of the class, the gradient is taken of

        sum over similar classes d of p[d] (z - strength z[d]) / sum of p[d]

    where d are the classes whose logits are nearest to z, and p their
    probabilities, through which the gradient goes, too.

    Args:
        model: See `Heatmap`.
        layer: See `Heatmap`.
        output: See `Heatmap`.
        relu: See `Heatmap`.
        strength: Weight of the similar classes' logits in the difference: 1
            is the authors' and pytorch-grad-cam's default, 0 gives Grad-CAM.
        similar: Number of similar classes.

    Example:

    >>> model = keras.applications.MobileNet(weights=None)
    >>> tuple(FinerCAM(model)(np.zeros((2, 224, 224, 3))).shape)
    (2, 7, 7)

    Reference:

    - [Zhang et al., 2025](https://arxiv.org/abs/2501.11309)
    """

    def __init__(
        self,
        model,
        layer=None,
        output=None,
        relu=False,
        strength=1.0,
        similar=3,
    ):
        super().__init__(model, layer, output, relu)
        if similar < 1:
            raise HeatmapError(
                f"`similar` must be 1 or more. Received: similar={similar}"
            )
        self.strength, self.similar = strength, similar

    def score(self, logits, class_ids):
        class_ids = chosen(logits, class_ids)
        of_class = of_classes(logits, class_ids)[:, None]
        count = min(self.similar, logits.shape[-1] - 1)
        distances = ops.abs(ops.stop_gradient(logits - of_class))
        # The class itself is excluded, even if others have the same logit.
        own = ops.one_hot(class_ids, logits.shape[-1], dtype=logits.dtype)
        _, similar = ops.top_k(-distances - 1e30 * own, count)
        weights = ops.take_along_axis(ops.softmax(logits), similar, axis=-1)
        others = ops.take_along_axis(logits, similar, axis=-1)
        differences = of_class - self.strength * others
        weighted = ops.sum(weights * differences, axis=-1)
        return ops.sum(weighted / (ops.sum(weights, axis=-1) + 1e-9))
