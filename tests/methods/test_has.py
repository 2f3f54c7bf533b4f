"""HaS hides in the images, before they are preprocessed."""

import numpy as np
from keras import ops

from adl_tf.methods.build import build_model
from adl_tf.methods.has import has
from adl_tf.models.classifier import build_classifier
from adl_tf.models.preprocessing import MEAN_COLOUR


def test_a_hidden_image_is_the_mean_colour():
    plain, backbone, _ = build_classifier("small_cnn", 3, None, (32, 32, 3))
    model = has(plain, backbone, patch_size=16, hide_rate=1.0)
    assert model.count_params() == plain.count_params()
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3))
    np.testing.assert_allclose(
        ops.convert_to_numpy(model(images, training=False)),
        ops.convert_to_numpy(plain(images, training=False)),
        rtol=1e-6,
    )
    mean = np.broadcast_to(MEAN_COLOUR, images.shape)
    np.testing.assert_allclose(
        ops.convert_to_numpy(model(images, training=True)),
        ops.convert_to_numpy(plain(mean, training=True)),
        rtol=1e-4,
        atol=1e-6,
    )


def test_networks_that_reverse_the_channels():
    """Caffe's mean is that of ImageNet to half a grey level."""
    model = build_model(
        "vgg_gap", "has", 3, None, (32, 32, 3), patch_size=8, hide_rate=1.0
    )
    preprocess = model.get_layer("preprocess")
    inputs = model.get_layer("hide_and_seek")(
        np.ones((1, 32, 32, 3)), training=True
    )
    outputs = ops.convert_to_numpy(preprocess(ops.flip(inputs, axis=-1)))
    np.testing.assert_allclose(outputs, 0, atol=0.5)
