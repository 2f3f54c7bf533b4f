"""HiResCAM (Draelos & Carin, 2020)."""

from keras import ops

from adl_tf.heatmaps.heatmap import GradientHeatmap


class HiResCAM(GradientHeatmap):
    """Features times their gradients, at each position.

    With features A and the gradient G of the class's logit at them:

        map(y, x) = sum over k of G[k](y, x) A[k](y, x)

    Where one fully connected layer follows, the map adds up to the logit
    without the bias. With global average pooling before it, it is Grad-CAM's.

    The arguments are described in `Heatmap`.

    Example:

    >>> model = keras.applications.MobileNet(weights=None)
    >>> tuple(HiResCAM(model)(np.zeros((2, 224, 224, 3))).shape)
    (2, 7, 7)

    Reference:

    - [Draelos & Carin, 2020](https://arxiv.org/abs/2011.08891)
    """

    def map(self, features, gradient):
        return ops.sum(gradient * features, axis=-1)
