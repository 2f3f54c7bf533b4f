"""Eigen-CAM (Muhammad & Yeasin, IJCNN 2020)."""

from keras import ops

from adl_tf.heatmaps.heatmap import Heatmap


class EigenCAM(Heatmap):
    """The first principal component of the features, whatever the class.

    With the features of an image as a matrix O of positions by channels, and V
    the right singular vector of its largest singular value:

        map = O V

    with the sign for which its sum is not negative: the sign of V is arbitrary.

    Args:
        model: See `Heatmap`.
        layer: See `Heatmap`.
        output: See `Heatmap`.
        relu: See `Heatmap`.
        centred: Whether the mean of each channel is subtracted first, as in
            pytorch-grad-cam and not in the paper. The sum of the map is 0
            then; its sign makes the largest value positive.

    Example:

    >>> model = keras.applications.MobileNet(weights=None)
    >>> tuple(EigenCAM(model)(np.zeros((2, 224, 224, 3))).shape)
    (2, 7, 7)

    Reference:

    - [Muhammad & Yeasin, 2020](https://arxiv.org/abs/2008.00299)
    """

    def __init__(
        self, model, layer=None, output=None, relu=False, centred=False
    ):
        super().__init__(model, layer, output, relu)
        self.centred = centred

    def logits_and_maps(self, probe, inputs, class_ids):
        features, logits = probe.features(inputs)
        maps = [first_component(each, self.centred) for each in features]
        return logits, self.finish(maps)


def first_component(features, centred):
    """The projection of every position on the first principal component.

    Args:
        features: float32 tensor `(batch, h, w, channels)`.
        centred: Whether the mean of each channel is subtracted first.

    Returns:
        float32 tensor `(batch, h, w)`.
    """
    _, height, width, channels = features.shape
    matrix = ops.reshape(features, (-1, height * width, channels))
    if centred:
        matrix = matrix - ops.mean(matrix, axis=1, keepdims=True)
    across = ops.transpose(matrix, (0, 2, 1))
    # Eigenvectors of the smaller product, in ascending order.
    if height * width <= channels:
        values, vectors = ops.eigh(ops.matmul(matrix, across))
        length = ops.sqrt(ops.relu(values[:, -1:]))
        projection = vectors[:, :, -1] * length
    else:
        _, vectors = ops.eigh(ops.matmul(across, matrix))
        projection = ops.matmul(matrix, vectors[:, :, -1:])[..., 0]
    if centred:
        direction = ops.max(projection, 1) + ops.min(projection, 1)
    else:
        direction = ops.sum(projection, axis=1)
    sign = ops.where(direction < 0, -1.0, 1.0)
    return ops.reshape(sign[:, None] * projection, (-1, height, width))
