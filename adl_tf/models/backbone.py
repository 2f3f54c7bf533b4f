"""Backbone metadata."""

import dataclasses
from collections.abc import Callable

import keras


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A feature extractor and what training and the methods need to know.

    Attributes:
        model: Keras model from RGB images with values in [0, 255] to a
            feature map; the preprocessing that the weights expect is its
            first step.
        head: Kind of classifier. `"dense"`: average pooling, layer `gap`, and
            a Dense layer `logits`; class activation maps weight the channels
            with its kernel. `"class_maps"`: a 1x1 convolution `class_maps`
            whose mean over space, layer `logits`, is the output.
        new_layers: Names of its layers that ImageNet weights do not cover.
        initializer: Initial kernels of the classifier, for Keras; `None` for
            normally distributed with a deviation of 0.01.
        imagenet_weights: Function that downloads (or finds in Keras's cache)
            the ImageNet weights and returns a dictionary from layer name to
            the list of its weights; `None` where there are none.
        rename_weights: Function from such a dictionary, or that of a file of
            Keras, to one with the layer names of `model`; `None` where they
            are the same.
        imagenet_classifier: Name under which those weights hold the 1000-way
            classifier, or `None`.
        adl_positions: Names of the layers after which ADL goes by default.
        adl_gamma: The paper's gamma for this backbone.
        spg_positions: Names of the layers that SPG's branches B1, B2 and C
            start from; empty where SPG cannot be used. Those of InceptionV3
            are the authors', those of VGG16 and ResNet50 of the later
            comparison, the others ours: the middle and the end of the blocks
            before the last features, and these features.
        spg_filters: Filters of the 3x3 convolutions of B1 and B2.
        acol_position: Name of the layer that ACoL's branches start from;
            `None` for the last features.
        acol_pooling: Whether ACoL replaces the pooling layers of VGG16 by
            overlapping ones.
        application: Name in `keras.applications` of a backbone that is one of
            these networks without changes.
        fast_layers: Prefixes of the names of further layers that learn at
            `--head_learning_rate_ratio`, beside `logits`, `new_layers` and
            the layers that the method adds.
        method_layers_fast: Whether the layers that a method adds learn at that
            rate, too.
    """

    model: keras.Model
    head: str = "dense"
    new_layers: tuple[str, ...] = ()
    initializer: str | None = None
    imagenet_weights: Callable | None = None
    rename_weights: Callable | None = None
    imagenet_classifier: str | None = None
    adl_positions: tuple[str, ...] = ()
    adl_gamma: float = 0.8
    spg_positions: tuple[str, ...] = ()
    spg_filters: int = 512
    acol_position: str | None = None
    acol_pooling: bool = False
    application: str | None = None
    fast_layers: tuple[str, ...] = ()
    method_layers_fast: bool = True


def require_one_of(name, value, allowed):
    """Raises an error for an invalid value of a backbone's option.

    Args:
        name: Name of the option.
        value: The value.
        allowed: Tuple of the allowed values.

    Raises:
        ValueError: If `value` is none of them.
    """
    if value not in allowed:
        *others, last = map(repr, allowed)
        raise ValueError(
            f"`{name}` must be {', '.join(others)} or {last}. "
            f"Received: {name}={value!r}"
        )
