"""ResNet50 with a 14x14 feature map."""

import keras

from adl_tf.models.backbone import Backbone, require_one_of
from adl_tf.models.bottlenecks import MOMENTUM, bottleneck_features
from adl_tf.models.preprocessing import standardize, subtract_mean
from adl_tf.models.surgery import edit_layers
from adl_tf.models.weights import read_layers

# The file that `keras.applications.ResNet50` downloads, read by itself here:
# building that network for its weights alone takes longer than reading them.
IMAGENET_FILE = "resnet50_weights_tf_dim_ordering_tf_kernels.h5"
IMAGENET_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/resnet/"
    + IMAGENET_FILE
)
IMAGENET_MD5 = "2cb95161c43110f7111970584f804107"

# After conv4_1, after conv5_1 and at the end.
ADL_POSITIONS = ("conv4_block1_out", "conv5_block1_out", "conv5_block3_out")
ADL_GAMMA = 0.9
# As in the later comparison.
FAST_LAYERS = ("conv5_",)
SPG_POSITIONS = ("conv4_block1_out", "conv4_block6_out", "conv5_block3_out")
SPG_FILTERS = 1024


def resnet50(
    input_shape=(224, 224, 3), last_stride=1, variant="keras", map_stride=None
):
    """ResNet50 whose last stage is not strided.

    Trained weights come from networks that also differ in their layers:

    | variant | stride in the | strided layers padded | input |
    | --- | --- | --- | --- |
    | `"keras"` | first 1x1 convolution (v1) | on all sides | BGR - mean |
    | `"pytorch"` | 3x3 convolution (v1.5) | on all sides | RGB, standardized |
    | `"tensorpack"` | 3x3 convolution (v1.5) | as "same" | BGR, standardized |

    Convolutions of `"keras"`, which is `keras.applications.ResNet50`, have
    biases: 26,560 parameters more than the others. Its batch normalization has
    the others' momentum of 0.9 rather than Keras's 0.99: it decides how the
    network is trained on, not what the weights compute.

    Args:
        input_shape: Tuple `(height, width, 3)`; multiples of 32.
        last_stride: 1 (the paper: 14x14 features for a 224x224 image) or 2
            (the stock network: 7x7). The weights fit both.
        variant: One of the above. Where weights are given, their file decides
            (see `adl_tf.models.variants`).
        map_stride: Pixels of the image per feature map position, instead of
            `last_stride`: 8 (28x28: the large maps of the later comparison,
            where neither of the last two stages is strided), 16 or 32.

    Returns:
        `Backbone`, with the ADL positions of the authors' code. The layers
        have Keras's names in all variants.

    Raises:
        ValueError: If an option has another value.
    """
    strides = last_strides(last_stride, map_stride)
    require_one_of("variant", variant, ("keras", "pytorch", "tensorpack"))
    inputs = keras.Input(input_shape, name="image")
    if variant == "keras":
        model = _keras_model(inputs, strides)
    else:
        model = v1_5_model(inputs, variant, strides, name="resnet50")
    return Backbone(
        model=model,
        imagenet_weights=_imagenet_weights if variant == "keras" else None,
        imagenet_classifier="predictions",
        adl_positions=ADL_POSITIONS,
        adl_gamma=ADL_GAMMA,
        spg_positions=SPG_POSITIONS,
        spg_filters=SPG_FILTERS,
        fast_layers=FAST_LAYERS,
        # The later comparison multiplies the rates of the last stage and the
        # classifier, and of no other layer.
        method_layers_fast=False,
    )


def last_strides(last_stride, map_stride):
    """Strides of the last two stages.

    Args:
        last_stride: See `resnet50`.
        map_stride: See `resnet50`.

    Returns:
        Tuple of two integers.

    Raises:
        ValueError: If an option has another value.
    """
    require_one_of("last_stride", last_stride, (1, 2))
    require_one_of("map_stride", map_stride, (None, 8, 16, 32))
    if map_stride is None:
        return 2, last_stride
    return (2 if map_stride > 8 else 1), (2 if map_stride > 16 else 1)


def v1_5_model(inputs, variant, strides, name, reduction=None):
    """The network of PyTorch or Tensorpack, with or without SE.

    Args:
        inputs: `keras.Input` of RGB images in [0, 255].
        variant: `"pytorch"` or `"tensorpack"`.
        strides: As `last_strides` of `bottleneck_features`.
        name: Name of the model.
        reduction: See `bottleneck_features`.

    Returns:
        Keras model from images to features.
    """
    images = standardize(
        inputs, bgr=variant == "tensorpack", name=f"preprocess_{variant}"
    )
    padding = "symmetric" if variant == "pytorch" else "same"
    features = bottleneck_features(images, padding, strides, reduction)
    return keras.Model(inputs, features, name=name)


def _keras_model(inputs, strides):
    stock = keras.applications.ResNet50(
        input_tensor=subtract_mean(inputs), include_top=False, weights=None
    )
    model = keras.Model(inputs, stock.output, name="resnet50")
    changes = {
        layer.name: {"momentum": MOMENTUM}
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    }
    for stage, stride in zip((4, 5), strides):
        for branch in (0, 1):
            changes[f"conv{stage}_block1_{branch}_conv"] = {
                "strides": (stride, stride)
            }
    return edit_layers(model, changes)


def _imagenet_weights():
    return read_layers(
        keras.utils.get_file(
            IMAGENET_FILE,
            IMAGENET_URL,
            cache_subdir="models",
            file_hash=IMAGENET_MD5,
        )
    )
