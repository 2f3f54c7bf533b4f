"""Preprocessing that trained weights expect, as the first layers of a model.

All take images in RGB with values in [0, 255]. The mean is subtracted here
and not folded into the first convolution, because that convolution pads its
input with zeros: the border has to be the mean colour, as it was in training.
"""

import keras
from keras import ops

# Mean of ImageNet in the order BGR, for values in [0, 255].
_CAFFE_MEAN = (103.939, 116.779, 123.68)
# Mean and standard deviation of ImageNet in RGB, for values in [0, 1].
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
# The mean colour in the models' input range: RGB in [0, 255].
MEAN_COLOUR = tuple(255.0 * each for each in _MEAN)


def subtract_mean(images, name="preprocess"):
    """Caffe's preprocessing: BGR order, mean subtracted, not scaled.

    Args:
        images: RGB tensor `(batch, height, width, 3)` in [0, 255].
        name: Name of the layer.

    Returns:
        BGR tensor of the same shape.
    """
    offset = [-mean for mean in _CAFFE_MEAN]
    return keras.layers.Rescaling(1.0, offset=offset, name=name)(
        ops.flip(images, axis=-1)
    )


def standardize(images, bgr=False, name="preprocess"):
    """Subtracts ImageNet's mean and divides by its standard deviation.

    Args:
        images: RGB tensor `(batch, height, width, 3)` in [0, 255].
        bgr: Whether the network wants the order BGR (Tensorpack) rather than
            RGB (PyTorch).
        name: Name of the layer.

    Returns:
        Tensor of the same shape.
    """
    mean, deviation = _MEAN, _DEVIATION
    if bgr:
        images = ops.flip(images, axis=-1)
        mean, deviation = mean[::-1], deviation[::-1]
    return keras.layers.Rescaling(
        [1.0 / (255.0 * each) for each in deviation],
        offset=[-m / d for m, d in zip(mean, deviation)],
        name=name,
    )(images)
