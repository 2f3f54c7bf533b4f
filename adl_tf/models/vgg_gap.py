"""VGG-GAP: VGG16 without its fully connected layers."""

import keras

from adl_tf.models.backbone import Backbone, require_one_of
from adl_tf.models.preprocessing import standardize, subtract_mean
from adl_tf.models.surgery import edit_layers, insert_after, remove_layers


def vgg_gap(
    input_shape=(224, 224, 3), map_stride=16, variant="keras", layers="gap"
):
    """`keras.applications.VGG16` up to `block5_conv3` and new convolutions.

    The last pooling layer is gone, so that a 224x224 image gives 14x14
    features, and a 3x3 convolution with 1024 filters follows.

    Trained weights differ in the input that they expect:

    | variant | weights | input |
    | --- | --- | --- |
    | `"keras"` | Keras's, Tensorpack's `vgg16.npz`: Caffe's | BGR - mean |
    | `"pytorch"` | torchvision's, the later comparison's | RGB, standardized |
    | `"tensorpack"` | the authors' own trainings | BGR, standardized |

    Args:
        input_shape: Tuple `(height, width, 3)`.
        map_stride: Pixels of the image per feature map position: 16 (14x14
            for a 224x224 image, the paper) or 8 (28x28: without pool4, as in
            the authors' later comparison).
        variant: One of the above. Where weights are given, their file decides
            (see `adl_tf.models.variants`).
        layers: The layers after `block5_conv3`: `"gap"`, or `"spg"` for the
            network that the later comparison trains by SPG: two convolutions
            with 512 filters, whose class maps are a 1x1 convolution, and pool4
            is 3x3.

    Returns:
        `Backbone`, with the ADL positions of the paper's Table 3: after pool3,
        pool4 (conv4-3, where there is no pool4) and conv5-3.

    Raises:
        ValueError: If an option has another value.
    """
    require_one_of("map_stride", map_stride, (8, 16))
    require_one_of("variant", variant, tuple(_PREPROCESS))
    require_one_of("layers", layers, tuple(_NEW))
    of_spg = layers == "spg"
    inputs = keras.Input(input_shape, name="image")
    stock = keras.applications.VGG16(
        input_tensor=_PREPROCESS[variant](inputs),
        include_top=False,
        weights=None,
    )
    model = keras.Model(inputs, stock.get_layer("block5_conv3").output)
    fourth = "block4_pool" if map_stride == 16 else "block4_conv3"
    if map_stride == 8:
        model = remove_layers(model, ["block4_pool"])
    elif of_spg:
        model = with_overlapping_pools(model, (4,))
    features = model.output
    for name, filters in _NEW[layers].items():
        features = keras.layers.Conv2D(
            filters,
            3,
            padding="same",
            activation="relu",
            # As in the code of each source.
            kernel_initializer="glorot_uniform" if of_spg else "he_normal",
            name=name,
        )(features)
    return Backbone(
        model=keras.Model(model.input, features, name="vgg_gap"),
        head="class_maps" if of_spg else "dense",
        new_layers=(*_NEW[layers], *["class_maps"] * of_spg),
        initializer="glorot_uniform" if of_spg else None,
        imagenet_weights=_imagenet_weights,
        adl_positions=("block3_pool", fourth, "block5_conv3"),
        adl_gamma=0.8,
        spg_positions=(fourth, "block5_conv3", list(_NEW[layers])[-1]),
        acol_position="block5_conv3",
        acol_pooling=True,
        # The later comparison names these blocks as it names SPG's branches.
        fast_layers=("block4_", "block5_") if of_spg else (),
    )


def with_overlapping_pools(model, blocks):
    """VGG16 with 3x3 instead of 2x2 pools, which halve the size as before.

    Args:
        model: Keras model with layers named as `keras.applications.VGG16`'s.
        blocks: Numbers of the blocks whose pools are to change.

    Returns:
        Keras model with the same weights.
    """
    # PyTorch's padding: on both sides, where Keras pads one. Zeros do, since
    # no feature after ReLU is below.
    model = insert_after(
        model,
        [f"block{block}_conv{2 if block < 3 else 3}" for block in blocks],
        lambda before: keras.layers.ZeroPadding2D(1, name=f"{before.name}_pad"),
    )
    return edit_layers(
        model, {f"block{block}_pool": {"pool_size": (3, 3)} for block in blocks}
    )


# New convolutions and their filters.
_NEW = {"gap": {"conv6": 1024}, "spg": {"SPG_A3_1b": 512, "SPG_A3_2b": 512}}
_PREPROCESS = {
    "keras": subtract_mean,
    "pytorch": lambda images: standardize(images, name="preprocess_pytorch"),
    "tensorpack": lambda images: standardize(
        images, bgr=True, name="preprocess_tensorpack"
    ),
}


def _imagenet_weights():
    stock = keras.applications.VGG16(weights="imagenet", include_top=False)
    return {layer.name: layer.get_weights() for layer in stock.layers}
