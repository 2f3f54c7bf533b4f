"""LayerCAM (Jiang et al., TIP 2021)."""

from keras import ops

from adl_tf.heatmaps.heatmap import GradientHeatmap


class LayerCAM(GradientHeatmap):
    """Features times their positive gradients, at each position.

    With features A and the gradient G of the class's logit at them:

        map(y, x) = sum over k of relu(G[k](y, x)) A[k](y, x)

    Made for shallow layers, too: `layer` may be a list of several.

    The arguments are described in `Heatmap`.

    Example:

    >>> model = keras.applications.MobileNet(weights=None)
    >>> fine = ["conv_pw_5_relu", "conv_pw_11_relu", "conv_pw_13_relu"]
    >>> maps = LayerCAM(model, layer=fine)(np.zeros((2, 224, 224, 3)))
    >>> tuple(maps.shape)
    (2, 28, 28)

    Reference:

    - [Jiang et al., 2021](https://ieeexplore.ieee.org/document/9462463)
    """

    def map(self, features, gradient):
        return ops.sum(ops.relu(gradient) * features, axis=-1)
