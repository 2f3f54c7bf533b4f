"""XGrad-CAM (Fu et al., BMVC 2020)."""

from keras import ops

from adl_tf.heatmaps.heatmap import GradientHeatmap

_EPSILON = 1e-7


class XGradCAM(GradientHeatmap):
    """Feature channels, weighted by their gradients where they are active.

    With features A and the gradient G of the class's logit at them:

        map(y, x) = sum over k of sum(G[k] A[k]) / sum(A[k]) A[k](y, x)

    so that, for networks that are linear piece by piece, the sum of the map
    is the logit but for biases.

    The arguments are described in `Heatmap`.

    Example:

    >>> model = keras.applications.MobileNet(weights=None)
    >>> tuple(XGradCAM(model)(np.zeros((2, 224, 224, 3))).shape)
    (2, 7, 7)

    Reference:

    - [Fu et al., 2020](https://arxiv.org/abs/2008.02312)
    """

    def map(self, features, gradient):
        weighted = ops.sum(gradient * features, axis=(1, 2))
        total = ops.sum(features, axis=(1, 2))
        # Channels may have negative values, and a sum of nothing.
        near_zero = ops.abs(total) < _EPSILON
        weights = weighted / ops.where(near_zero, _EPSILON, total)
        return ops.einsum("bhwc,bc->bhw", features, weights)
