"""What `ADLLayer` and `adl_maps` refuse, in the same words.

Runs on whichever Keras backend is active.
"""

import numpy as np
import pytest

from adl_tf.layers.adl import ADLLayer, adl_maps

SHARES_REFUSED = [-0.1, 1.5, float("nan"), "0.5", True]


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        *(("drop_rate", value, "[0, 1]") for value in [*SHARES_REFUSED, None]),
        *(("gamma", value, "[0, 1]") for value in [*SHARES_REFUSED, None]),
        *(
            ("importance_rate", value, "[0, 1 - drop_rate = 0.25]")
            for value in [*SHARES_REFUSED, 0.26]
        ),
        ("selection", "pixel", "'batch' or 'sample'"),
        ("selection", None, "'batch' or 'sample'"),
        ("data_format", "NHWC", "'channels_last' or 'channels_first'"),
    ],
)
def test_wrong_argument(name, value, allowed):
    with pytest.raises(ValueError) as caught:
        ADLLayer(**{name: value})
    message = str(caught.value)
    assert f"`{name}`" in message
    assert allowed in message
    assert f"{name}={value!r}" in message


@pytest.mark.parametrize("gamma", SHARES_REFUSED)
def test_wrong_gamma_of_the_maps(gamma):
    with pytest.raises(ValueError) as caught:
        adl_maps(np.ones((2, 3, 3, 4)), gamma)
    with pytest.raises(ValueError) as expected:
        ADLLayer(gamma=gamma)
    assert str(caught.value) == str(expected.value)


@pytest.mark.parametrize("shape", [(2, 4, 8), (2, 4, 4, 4, 8)])
def test_input_must_be_4d(shape):
    features = np.zeros(shape, "float32")
    message = f"expected ndim=4, found ndim={len(shape)}"
    for training in (True, False):
        with pytest.raises(ValueError, match=message):
            ADLLayer()(features, training=training)
    with pytest.raises(ValueError, match=message):
        adl_maps(features, 0.8)
