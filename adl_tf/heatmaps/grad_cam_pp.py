"""Grad-CAM++ (Chattopadhay et al., WACV 2018)."""

from keras import ops

from adl_tf.heatmaps.heatmap import GradientHeatmap

_EPSILON = 1e-6


class GradCAMpp(GradientHeatmap):
    """Feature channels, weighted by the positive gradients at each position.

    With features A and the gradient G of the class's logit, whose powers
    stand for its derivatives (equation 19 of the paper, for the exponential of
    the logit):

        alpha[k] = G[k]^2 / (2 G[k]^2 + sum(A[k]) G[k]^3 + 1e-6)
        map(y, x) = sum over k of sum(alpha[k] relu(G[k])) A[k](y, x)

    Several objects of different size count equally, where Grad-CAM prefers
    large ones.

    The arguments are described in `Heatmap`.

    Example:

    >>> model = keras.applications.MobileNet(weights=None)
    >>> tuple(GradCAMpp(model)(np.zeros((2, 224, 224, 3))).shape)
    (2, 7, 7)

    Reference:

    - [Chattopadhay et al., 2018](https://arxiv.org/abs/1710.11063)
    """

    def map(self, features, gradient):
        weights = weights_of(features, gradient, gradient**2, gradient**3)
        return ops.einsum("bhwc,bc->bhw", features, weights)


def weights_of(features, gradient, square, cube):
    """Weights of the channels.

    Args:
        features: float32 tensor `(batch, h, w, channels)`.
        gradient: Gradient there, of the same shape.
        square: Its square, or another estimate of the second derivative.
        cube: Its third power, or another estimate of the third derivative.

    Returns:
        float32 tensor `(batch, channels)`.
    """
    total = ops.sum(features, axis=(1, 2), keepdims=True)
    below = 2 * square + total * cube + _EPSILON
    # Negative features may make the denominator 0.
    below = ops.where(ops.abs(below) > _EPSILON / 2, below, _EPSILON)
    return ops.sum(square / below * ops.relu(gradient), axis=(1, 2))
