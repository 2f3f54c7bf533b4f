"""InceptionV3 as modified by SPG: larger maps, without the last blocks."""

import keras
import numpy as np

from adl_tf.layers.shares import check_share
from adl_tf.models.backbone import Backbone, require_one_of
from adl_tf.models.layer_names import in_order_of_making
from adl_tf.models.preprocessing import standardize

# Branches of the blocks: filters and kernel size of each convolution.
_BRANCHES_5 = {
    "branch1x1": [(64, 1)],
    "branch5x5": [(48, 1), (64, 5)],
    "branch3x3dbl": [(64, 1), (96, 3), (96, 3)],
}
_BRANCHES_6A = {
    "branch3x3": [(384, 3)],
    "branch3x3dbl": [(64, 1), (96, 3), (96, 3)],
}


def inception_v3(
    input_shape=(224, 224, 3),
    map_stride=8,
    dropout_rate=0.5,
    variant="pytorch",
):
    """InceptionV3 up to `Mixed_6e`, with the stem and the head of SPG.

    The network of SPG and of the authors' later comparison is PyTorch's.
    Keras's weights were trained in a network that differs:

    | variant | average pooling at the border | input |
    | --- | --- | --- |
    | `"pytorch"` | counts zeros | RGB, standardized |
    | `"keras"` | leaves the padding out of the mean | RGB in [-1, 1] |

    Stem and `Mixed_6a` are padded so that every multiple of 32 is a possible
    size, and `Mixed_6a` keeps the size of its input. Two 3x3 convolutions with
    1024 filters follow; the classifier is a 1x1 convolution whose mean over
    space is the logits, and class activation maps are its channels. Layers have
    the names of the authors' code, `Mixed_5b_branch5x5_1` for one.

    Args:
        input_shape: Tuple `(height, width, 3)`.
        map_stride: Pixels of the image per feature map position: 8 (28x28
            for a 224x224 image) or 16 (14x14: one more pooling layer, as in
            the authors' later comparison).
        dropout_rate: Share of the values that the dropout before each
            convolution of the head sets to 0. 0 leaves the three layers out,
            as the authors' later comparison does for ADL alone; the paper
            does not say.
        variant: One of the above. Where weights are given, they decide
            (see `adl_tf.models.variants`).

    Returns:
        `Backbone`. The paper gives no ADL positions; they are those of the
        authors' later comparison.

    Raises:
        ValueError: If an option has another value.

    Reference:

    - [Zhang et al., 2018](https://arxiv.org/abs/1807.08902)
    """
    require_one_of("map_stride", map_stride, (8, 16))
    check_share("dropout_rate", dropout_rate)
    require_one_of("variant", variant, ("pytorch", "keras"))
    network = _Network(counts_zeros=variant == "pytorch")
    inputs = keras.Input(input_shape, name="image")
    if variant == "pytorch":
        images = standardize(inputs, name="preprocess_pytorch")
    else:
        scaled = keras.layers.Rescaling(1 / 127.5, offset=-1, name="preprocess")
        images = scaled(inputs)
    features = network.stem(images)
    for name, pool_filters in (
        ("Mixed_5b", 32),
        ("Mixed_5c", 64),
        ("Mixed_5d", 64),
    ):
        features = network.mixed(features, name, _BRANCHES_5, pool_filters)
    if map_stride == 16:
        features = keras.layers.MaxPooling2D(
            3, strides=2, padding="same", name="pool_5"
        )(features)
    features = network.mixed(features, "Mixed_6a", _BRANCHES_6A)
    for name, filters in (
        ("Mixed_6b", 128),
        ("Mixed_6c", 160),
        ("Mixed_6d", 160),
        ("Mixed_6e", 192),
    ):
        features = network.mixed(features, name, _branches_6(filters), 192)
    features = _head(features, dropout_rate)
    return Backbone(
        model=keras.Model(inputs, features, name="inception_v3"),
        head="class_maps",
        new_layers=("SPG_A3_1b", "SPG_A3_2b", "class_maps"),
        initializer="glorot_uniform",
        imagenet_weights=_imagenet_weights,
        rename_weights=lambda source: _renamed(source, network.names),
        adl_positions=("Mixed_5d", "Mixed_6e", "SPG_A3_2b"),
        adl_gamma=0.8,
        spg_positions=(
            "pool_5" if map_stride == 16 else "Mixed_5d",
            "Mixed_6d",
            "dropout_3" if dropout_rate else "SPG_A3_2b",
        ),
        acol_position="Mixed_6e",
    )


class _Network:
    """The graph up to the head.

    Attributes:
        counts_zeros: Whether average pooling counts the zeros of the border.
        names: Names of the convolutions, in the order in which Keras's
            InceptionV3 makes its own.
    """

    def __init__(self, counts_zeros):
        self.counts_zeros = counts_zeros
        self.names = []

    def stem(self, features):
        """From the image to an eighth of its size."""
        # PyTorch's padding: on both sides, where Keras pads one.
        features = keras.layers.ZeroPadding2D(1, name="Conv2d_1a_pad")(features)
        features = self.convolution(
            features, "Conv2d_1a", 32, 3, strides=2, padding="valid"
        )
        features = self.convolution(
            features, "Conv2d_2a", 32, 3, padding="valid"
        )
        features = self.convolution(features, "Conv2d_2b", 64, 3)
        features = _padded_pooling(features, "pool_2")
        features = self.convolution(features, "Conv2d_3b", 80, 1)
        features = self.convolution(
            features, "Conv2d_4a", 192, 3, padding="valid"
        )
        return _padded_pooling(features, "pool_4")

    def mixed(self, features, name, branches, pool_filters=None):
        """A block of parallel branches, the last of which pools.

        Args:
            features: Keras tensor.
            name: Name of the block.
            branches: Dictionary from name to filters and kernel sizes.
            pool_filters: Filters of the 1x1 convolution after average
                pooling, or `None` for maximum pooling without one.

        Returns:
            Keras tensor of the same height and width.
        """
        outputs = []
        for branch, convolutions in branches.items():
            output = features
            for number, (filters, size) in enumerate(convolutions, start=1):
                place = f"_{number}" if len(convolutions) > 1 else ""
                output = self.convolution(
                    output, f"{name}_{branch}{place}", filters, size
                )
            outputs.append(output)
        if pool_filters:
            pooled = self.convolution(
                self.average(features, f"{name}_pool"),
                f"{name}_branch_pool",
                pool_filters,
                1,
            )
        else:
            pooled = keras.layers.MaxPooling2D(
                3, strides=1, padding="same", name=f"{name}_pool"
            )(features)
        return keras.layers.Concatenate(name=name)([*outputs, pooled])

    def average(self, features, name):
        """Average pooling over 3x3 positions with stride 1."""
        padding = "same"
        if self.counts_zeros:
            padding = "valid"
            features = keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(
                features
            )
        return keras.layers.AveragePooling2D(
            3, strides=1, padding=padding, name=name
        )(features)

    def convolution(
        self, features, name, filters, size, strides=1, padding="same"
    ):
        """A convolution with batch normalization and ReLU."""
        self.names.append(name)
        features = keras.layers.Conv2D(
            filters,
            size,
            strides=strides,
            padding=padding,
            use_bias=False,
            name=name,
        )(features)
        # As in SPG's code and the later comparison (0.1 in PyTorch's terms).
        features = keras.layers.BatchNormalization(
            momentum=0.9, epsilon=1e-3, name=f"{name}_bn"
        )(features)
        return keras.layers.ReLU(name=f"{name}_relu")(features)


def _branches_6(filters):
    return {
        "branch1x1": [(192, 1)],
        "branch7x7": [(filters, 1), (filters, (1, 7)), (192, (7, 1))],
        "branch7x7dbl": [
            (filters, 1),
            (filters, (7, 1)),
            (filters, (1, 7)),
            (filters, (7, 1)),
            (192, (1, 7)),
        ],
    }


def _padded_pooling(features, name):
    """Half the size, rounded up, and one: padding 1 and ceiling in PyTorch.

    Zeros do for padding, since no feature after ReLU is below.
    """
    padded = keras.layers.ZeroPadding2D(((1, 2), (1, 2)), name=f"{name}_pad")(
        features
    )
    return keras.layers.MaxPooling2D(3, strides=2, name=name)(padded)


def _head(features, dropout_rate):
    def dropout(features, number):
        if not dropout_rate:
            return features
        return keras.layers.Dropout(dropout_rate, name=f"dropout_{number}")(
            features
        )

    for number, name in enumerate(("SPG_A3_1b", "SPG_A3_2b"), start=1):
        features = keras.layers.Conv2D(
            1024,
            3,
            padding="same",
            activation="relu",
            kernel_initializer="glorot_uniform",
            name=name,
        )(dropout(features, number))
    return dropout(features, 3)


def _imagenet_weights():
    stock = keras.applications.InceptionV3(
        weights="imagenet", include_top=False
    )
    return {layer.name: layer.get_weights() for layer in stock.layers}


def _renamed(source, names):
    """Weights under our names, from those that Keras numbers."""
    if names[0] in source:
        return source
    renamed = {}
    for name, convolution, normalization in zip(
        names,
        in_order_of_making(source, "conv2d"),
        in_order_of_making(source, "batch_normalization"),
    ):
        renamed[name] = source[convolution]
        # Keras's network has no factors there, which is factors of 1.
        scale = [np.ones_like(source[normalization][0])]
        renamed[f"{name}_bn"] = scale + source[normalization]
    return renamed
