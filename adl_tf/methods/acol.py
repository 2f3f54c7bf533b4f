"""ACoL, adversarial complementary learning (Zhang et al., CVPR 2018)."""

import keras
from keras import ops

from adl_tf.layers.shares import check_share
from adl_tf.methods.objective import Objective, cross_entropy
from adl_tf.models.backbone import require_one_of
from adl_tf.models.surgery import edit_layers, insert_after, remove_layers
from adl_tf.models.vgg_gap import with_overlapping_pools

_FILTERS = 1024


def acol(model, backbone, threshold=0.6, map_stride=None):
    """Gives a classifier two branches; the second sees erased features.

    Each branch is two 3x3 convolutions with 1024 filters and a 1x1 convolution
    to the maps of the classes, whose mean over space are logits. The second
    sees the features without the positions where the first branch's map of
    the class is strongest. `vgg_gap` gets ACoL's pooling, and with it maps of a
    size of their own; `inception_v3` branches after `Mixed_6e`, and all others
    after their last features.

    Logits are those of the first branch. Class maps are the larger of both
    branches' at each position, scaled to [0, 1] for each class. In training the
    true class is erased, as in evaluation (`erasing_given_class`); where it is
    not known, the one that the first branch predicts.

    Args:
        model: Keras model made of `backbone`.
        backbone: Its `Backbone`.
        threshold: Float in [0, 1]: positions where the map, scaled to [0, 1],
            is at least this strong are erased. 0.6 in the authors' scripts.
        map_stride: For `vgg_gap` alone, whatever its own: pixels of the image
            per feature map position, 8 (`None`; 28x28 for a 224x224 image, the
            authors' code) or 16 (14x14, which the later comparison has, too).

    Returns:
        `Objective`, whose loss is the sum of both branches' cross entropies.

    Raises:
        ValueError: If `threshold` or `map_stride` is invalid.

    Reference:

    - [Zhang et al., 2018](https://arxiv.org/abs/1804.06962)
    """
    name = backbone.model.name
    if map_stride is not None and not backbone.acol_pooling:
        raise ValueError(
            "`map_stride` of 'acol' is for 'vgg_gap' alone; use the option of "
            f"backbone '{name}'. Received: map_stride={map_stride!r}"
        )
    require_one_of("map_stride", map_stride, (None, 8, 16))
    if backbone.acol_position:
        trunk = model.get_layer(backbone.acol_position).output
    else:
        trunk = model.get_layer("gap").input
    trunk = keras.Model(model.input, trunk)
    if backbone.acol_pooling:
        trunk = _with_pooling_of_acol(trunk, map_stride or 8)
    features = trunk.output
    num_classes = model.output_shape[-1]
    branches = {each: _branch(each, num_classes) for each in "ab"}
    erase = EraseStrongest(threshold, name="acol_erase")

    maps_a = _apply(branches["a"], features)
    maps_b = _apply(branches["b"], erase(features, maps_a))
    fused = FusedMaps(name="class_maps")(maps_a, maps_b)
    # The maps are arguments only so that the graph contains them.
    logits = FirstMean(dtype="float32", name="logits")(maps_a, fused)
    inference = keras.Model(trunk.input, logits, name=name)

    label = keras.Input((), dtype="int32", name="label")
    maps_b = _apply(branches["b"], erase(features, maps_a, label))
    training_model = keras.Model(
        (trunk.input, label),
        tuple(
            keras.layers.GlobalAveragePooling2D(
                dtype="float32", name=f"acol_{each}_logits"
            )(maps)
            for each, maps in (("a", maps_a), ("b", maps_b))
        ),
        name=name,
    )
    return Objective(
        inference,
        training_model,
        erasing_losses,
        tuple(layer.name for each in branches.values() for layer in each),
    )


def erases_prediction(model):
    """Whether a model erases features by its first branch's prediction.

    Args:
        model: Keras model.
    """
    return any(isinstance(layer, EraseStrongest) for layer in model.layers)


def erasing_given_class(model):
    """The inference model, with the class to erase as a second input.

    Evaluation knows the true class, and the published evaluations erase it.
    The backbone still runs only once.

    Args:
        model: The `model` of the `Objective` that `acol` made.

    Returns:
        Keras model from images and integers `(batch,)` to a tuple of the
        logits and the fused maps of all classes, with the weights of `model`.
    """
    erase = model.get_layer("acol_erase")
    # Its first call is that of inference.
    features, maps_a = erase._inbound_nodes[0].input_tensors
    branch_b = [
        model.get_layer(f"acol_b_{part}") for part in ("conv1", "conv2", "maps")
    ]
    label = keras.Input((), dtype="int32", name="label")
    maps_b = _apply(branch_b, erase(features, maps_a, label))
    fused = FusedMaps(name="class_maps")(maps_a, maps_b)
    logits = model.get_layer("logits")(maps_a)
    return keras.Model((model.input, label), (logits, fused))


def erasing_losses(model, images, labels):
    """The losses of `Objective`; see `plain_losses`.

    Args:
        model: Keras model that `acol` made for training.
        images: float32 tensor `(batch, height, width, 3)`.
        labels: Integer tensor `(batch,)`.

    Returns:
        Tuple of losses `(batch,)` and the first branch's logits `(batch,
        num_classes)`.
    """
    logits_a, logits_b = model((images, labels), training=True)
    losses = cross_entropy(labels, logits_a) + cross_entropy(labels, logits_b)
    return losses, logits_a


def scaled(maps):
    """Maps scaled to [0, 1], each by itself; all 0 if it is constant.

    Args:
        maps: Tensor `(batch, height, width, channels)`.

    Returns:
        float32 tensor of the same shape.
    """
    maps = ops.cast(maps, "float32")
    lowest = ops.min(maps, axis=(1, 2), keepdims=True)
    spread = ops.max(maps, axis=(1, 2), keepdims=True) - lowest
    return (maps - lowest) / ops.where(spread > 0, spread, 1.0)


@keras.saving.register_keras_serializable(package="adl_tf")
class EraseStrongest(keras.layers.Layer):
    """Sets features to 0 where the map of a class is strong.

    No gradient flows through the choice of positions.

    Args:
        threshold: See `acol`.
        **kwargs: `name`, `dtype` and the like, of `keras.layers.Layer`.

    Call arguments:
        features: Tensor `(batch, height, width, channels)`.
        maps: Maps of the classes, `(batch, height, width, num_classes)`.
        labels: Classes, integer tensor `(batch,)`, or `None` for those with
            the largest mean.

    Output shape:
        That of `features`.

    Raises:
        ValueError: If `threshold` is invalid.
    """

    def __init__(self, threshold=0.6, **kwargs):
        super().__init__(**kwargs)
        check_share("threshold", threshold)
        self.threshold = threshold
        self.built = True

    def call(self, features, maps, labels=None):
        maps = ops.cast(ops.stop_gradient(maps), "float32")
        if labels is None:
            labels = ops.argmax(ops.mean(maps, axis=(1, 2)), axis=-1)
        labels = ops.reshape(ops.cast(labels, "int32"), (-1, 1, 1, 1))
        attention = scaled(ops.take_along_axis(maps, labels, axis=-1))
        kept = ops.cast(attention < self.threshold, features.dtype)
        return features * kept

    def compute_output_shape(self, features_shape, *_, **__):
        return features_shape

    def get_config(self):
        return {**super().get_config(), "threshold": self.threshold}


@keras.saving.register_keras_serializable(package="adl_tf")
class FusedMaps(keras.layers.Layer):
    """The larger of two maps at each position, each scaled to [0, 1]."""

    def call(self, first, second):
        return ops.maximum(scaled(first), scaled(second))

    def compute_output_shape(self, first_shape, *_, **__):
        return first_shape


@keras.saving.register_keras_serializable(package="adl_tf")
class FirstMean(keras.layers.Layer):
    """The mean over space of the first of its inputs."""

    def call(self, first, *_):
        return ops.mean(ops.cast(first, self.compute_dtype), axis=(1, 2))

    def compute_output_shape(self, first_shape, *_, **__):
        return (first_shape[0], first_shape[-1])


def _branch(name, num_classes):
    """The three convolutions of a branch."""
    return [
        *(
            keras.layers.Conv2D(
                _FILTERS,
                3,
                padding="same",
                activation="relu",
                kernel_initializer="glorot_uniform",
                name=f"acol_{name}_conv{number}",
            )
            for number in (1, 2)
        ),
        keras.layers.Conv2D(
            num_classes,
            1,
            kernel_initializer="glorot_uniform",
            name=f"acol_{name}_maps",
        ),
    ]


def _apply(layers, features):
    for layer in layers:
        features = layer(features)
    return features


def _with_pooling_of_acol(trunk, map_stride):
    """VGG16 with overlapping pools, the last one or two of stride 1."""
    present = [layer.name for layer in trunk.layers]
    if "block4_conv3_pad" in present:  # of `vgg_gap`'s layers for SPG
        trunk = remove_layers(trunk, ["block4_conv3_pad"])
    if "block4_pool" not in present:
        trunk = insert_after(
            trunk,
            ["block4_conv3"],
            lambda before: keras.layers.MaxPooling2D(2, name="block4_pool"),
        )
    if map_stride == 8:
        trunk = with_overlapping_pools(trunk, (1, 2, 3))
        keeping = {"pool_size": (3, 3), "strides": (1, 1), "padding": "same"}
        trunk = edit_layers(trunk, {"block4_pool": keeping})
    else:
        trunk = with_overlapping_pools(trunk, (1, 2, 3, 4))
    features = keras.layers.MaxPooling2D(
        3, strides=1, padding="same", name="block5_pool"
    )(trunk.output)
    # PyTorch counts the zeros of the border in a mean, and Keras does not.
    features = keras.layers.ZeroPadding2D(1, name="acol_pad")(features)
    features = keras.layers.AveragePooling2D(3, strides=1, name="acol_pool")(
        features
    )
    return keras.Model(trunk.input, features)
