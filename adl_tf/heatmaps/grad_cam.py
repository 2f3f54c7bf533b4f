"""Grad-CAM (Selvaraju et al., ICCV 2017)."""

from keras import ops

from adl_tf.heatmaps.heatmap import GradientHeatmap


class GradCAM(GradientHeatmap):
    """Feature channels, weighted by how much each raises the class's logit.

    With features A and the gradient G of the class's logit at them, the
    weight of a channel is the mean over space of G:

        map(y, x) = sum over k of mean(G[k]) A[k](y, x)

    Where global average pooling and one Dense layer follow, the weight is that
    of the Dense layer divided by the number of positions: Grad-CAM and the
    class activation map then agree up to that factor. As in the code of the
    paper's authors, negative values are kept (`relu=False`).

    The arguments are described in `Heatmap`.

    Example:

    >>> model = keras.applications.MobileNet(weights=None)
    >>> heatmap = GradCAM(model)
    >>> tuple(heatmap(np.zeros((2, 224, 224, 3)), class_ids=[3, 8]).shape)
    (2, 7, 7)

    Reference:

    - [Selvaraju et al., 2017](https://arxiv.org/abs/1610.02391)
    """

    def map(self, features, gradient):
        weights = ops.mean(gradient, axis=(1, 2))
        return ops.einsum("bhwc,bc->bhw", features, weights)


def grad_cam(model, images, class_ids, layer=None):
    """Grad-CAM of a batch of images.

    `GradCAM` prepares a model for many calls; it has more options, too.

    Args:
        model: See `Heatmap`.
        images: Images `(batch, height, width, channels)` as `model` takes
            them.
        class_ids: Integers `(batch,)`, or `None` for the predicted classes.
        layer: See `Heatmap`.

    Returns:
        float32 tensor `(batch, h, w)`.

    Raises:
        ValueError: As `Heatmap`.

    Example:

    >>> model = keras.applications.MobileNet(weights=None)
    >>> maps = grad_cam(model, np.zeros((2, 224, 224, 3)), [3, 8])
    >>> tuple(maps.shape)
    (2, 7, 7)
    """
    return GradCAM(model, layer)(images, class_ids)
