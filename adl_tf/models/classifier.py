"""A backbone with global average pooling and one Dense layer: CAM's network.

Class activation maps read the layers `gap` and `logits` by name.
"""

import inspect

import keras

from adl_tf.models.mobilenet_v1 import mobilenet_v1
from adl_tf.models.resnet50 import resnet50
from adl_tf.models.resnet50_se import resnet50_se
from adl_tf.models.small_cnn import small_cnn
from adl_tf.models.variants import with_variant
from adl_tf.models.vgg_gap import vgg_gap
from adl_tf.models.weights import load_pretrained

BACKBONES = {
    "vgg_gap": vgg_gap,
    "mobilenet_v1": mobilenet_v1,
    "resnet50": resnet50,
    "resnet50_se": resnet50_se,
    "small_cnn": small_cnn,
}


def build_classifier(
    backbone,
    num_classes=1000,
    weights="imagenet",
    input_shape=(224, 224, 3),
    **backbone_arguments,
):
    """Builds the plain classifier that every method starts from.

    Args:
        backbone: Name of a backbone, a key of `BACKBONES`.
        num_classes: Number of classes.
        weights: `"imagenet"`, `None` for random ones, or the path of a file
            (see `load_pretrained`).
        input_shape: Tuple `(height, width, 3)`.
        **backbone_arguments: Further arguments of the backbone.

    Returns:
        Tuple `(model, backbone, new_layers)`: a Keras model from pictures
        `(batch, height, width, 3)`, RGB in [0, 255], to logits `(batch,
        num_classes)`; the `Backbone`; and the names of the layers that
        `weights` did not set (all of them without any).

    Raises:
        ValueError: If there is no such backbone or it lacks an argument.
        DataError: If the weights cannot be read or do not fit.
    """
    if backbone not in BACKBONES:
        raise ValueError(
            f"`backbone` must be one of {', '.join(BACKBONES)}. "
            f"Received: backbone={backbone!r}"
        )
    _, *known = inspect.signature(BACKBONES[backbone]).parameters
    for name in backbone_arguments:
        if name not in known:
            raise ValueError(
                f"Backbone '{backbone}' has no option `{name}`. "
                f"It has: {', '.join(known) or 'none'}"
            )
    if "variant" in known:
        backbone_arguments = with_variant(backbone_arguments, weights)
    built = BACKBONES[backbone](input_shape, **backbone_arguments)
    pooled = keras.layers.GlobalAveragePooling2D(name="gap")(built.model.output)
    # float32 under mixed precision too: the softmax needs it.
    logits = keras.layers.Dense(
        num_classes,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        dtype="float32",
        name="logits",
    )(pooled)
    model = keras.Model(built.model.input, logits, name=built.model.name)
    if weights is None:
        new_layers = tuple(layer.name for layer in model.layers)
    else:
        new_layers = load_pretrained(model, built, weights, num_classes)
    return model, built, new_layers
