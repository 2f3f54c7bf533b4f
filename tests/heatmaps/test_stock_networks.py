"""Networks of keras.applications: every path that they have."""

import keras
import numpy as np
import pytest
from keras import ops

from adl_tf.heatmaps.cam import CAM
from adl_tf.heatmaps.layer_cam import LayerCAM

# Side of the images, and of the map of the layer that is found by itself.
NETWORKS = {
    "ResNet50": (96, 3),
    "DenseNet121": (96, 3),
    "EfficientNetV2B0": (96, 3),
    "ConvNeXtTiny": (96, 3),
    "MobileNetV3Small": (96, 3),
    "InceptionV3": (96, 4),
    "VGG16": (96, 3),
}
# A normalisation or several Dense layers come after the pooling.
NOT_FOR_CAM = ("ConvNeXtTiny", "MobileNetV3Small", "VGG16")


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_maps(name):
    side, map_side = NETWORKS[name]
    model = getattr(keras.applications, name)(
        weights=None, input_shape=(side, side, 3), classes=4
    )
    images = np.random.default_rng(0).uniform(0, 255, (2, side, side, 3))
    maps = ops.convert_to_numpy(LayerCAM(model)(images, [3, 1]))
    assert maps.shape == (2, map_side, map_side)
    assert np.isfinite(maps).all()
    if name in NOT_FOR_CAM:
        with pytest.raises(ValueError, match="CAM needs a classifier"):
            CAM(model)(images, [3, 1])
    elif name == "InceptionV3":
        with pytest.raises(ValueError, match="has one place"):
            CAM(model)(images, [3, 1])
    else:
        assert CAM(model)(images, [3, 1]).shape == maps.shape
