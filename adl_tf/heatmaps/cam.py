"""Class activation maps (Zhou et al., CVPR 2016)."""

import keras
from keras import layers, ops

from adl_tf.heatmaps.class_maps import class_activation_maps
from adl_tf.heatmaps.errors import HeatmapError
from adl_tf.heatmaps.heatmap import Heatmap, chosen
from adl_tf.heatmaps.places import Place

# Between pooling and the classifier these do not change the map.
_IDLE = (layers.Dropout, layers.Flatten, layers.Identity, layers.Reshape)


class CAM(Heatmap):
    """Feature channels, weighted as the classifier weights them.

    With features A that are averaged over space, and the weights W of the one
    Dense layer (or 1x1 convolution) that follows:

        map(y, x) = sum over k of W[k, class] A[k](y, x)

    without its bias. Where the features are the maps of the classes already,
    and only averaged, the map is one of them. It takes one forward pass and
    no gradient.

    Args:
        model: See `Heatmap`. It needs such a head; all models of
            `build_model` have one.
        layer: `None`: the features are those that are averaged.
        output: See `Heatmap`.
        relu: See `Heatmap`.

    Example:

    >>> model = keras.applications.MobileNet(weights=None)
    >>> tuple(CAM(model)(np.zeros((2, 224, 224, 3))).shape)
    (2, 7, 7)

    Reference:

    - [Zhou et al., 2016](https://arxiv.org/abs/1512.04150)
    """

    def __init__(self, model, layer=None, output=None, relu=False):
        if layer is not None:
            raise HeatmapError(
                "CAM is made of the features that are averaged; `GradCAM` "
                f"takes any layer. Received: layer={layer!r}"
            )
        super().__init__(model, layer, output, relu)
        self._heads = {}

    def logits_and_maps(self, probe, inputs, class_ids):
        if probe not in self._heads:
            self._heads[probe] = _head(probe)
        place, classifier = self._heads[probe]
        (features,), logits = probe.at([place]).features(inputs)
        kernel = None if classifier is None else _kernel(classifier)
        maps = class_activation_maps(
            features, kernel, chosen(logits, class_ids)
        )
        return logits, self.finish([maps])


def _head(probe):
    """The averaged features, and the layer that weights them or `None`."""
    graph = probe.graph
    # Models of `build_model`, whose maps may come from several branches.
    if {"class_maps", "logits"} <= graph.names.keys():
        return _place(graph.calls[graph.names["class_maps"]]), None
    classifier, tensor = None, probe.target
    while (call := graph.maker(tensor)) is not None:
        operation, tensor = call.operation, call.inputs[0]
        if isinstance(operation, layers.GlobalAveragePooling2D):
            before = graph.maker(tensor)
            if before is not None:
                return _place(before), classifier
            break
        if isinstance(operation, _IDLE):
            continue
        if classifier is not None or not _is_linear(operation, probe.logits):
            break
        classifier = operation
    raise HeatmapError(
        "CAM needs a classifier that ends in `GlobalAveragePooling2D` and one "
        "Dense layer or 1x1 convolution, as those of `build_model`; `GradCAM` "
        f"takes any. Received: model={probe.model!r}"
    )


def _is_linear(operation, logits):
    weighted = isinstance(operation, layers.Dense) or (
        isinstance(operation, layers.Conv2D)
        and operation.kernel_size == (1, 1)
        and operation.groups == 1
    )
    # That of the logits is left out.
    return weighted and (
        operation.activation is keras.activations.linear
        or (logits.has_activation and logits.operation is operation)
    )


def _kernel(layer):
    kernel = ops.convert_to_tensor(layer.kernel)
    kernel = ops.reshape(kernel, kernel.shape[-2:])
    if kernel.shape[-1] == 1:
        return ops.concatenate([-kernel, kernel], axis=-1)
    return kernel


def _place(call):
    return Place(call.operation, call.number, False, call.data_format)
