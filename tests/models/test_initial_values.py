"""Initial kernels of new layers, as the code has them that each is from."""

import keras
import numpy as np
import pytest

from adl_tf.methods.build import assemble


def he_normal(shape):
    """Truncated at two deviations, which are corrected for that."""
    return np.sqrt(2 / np.prod(shape[:-1])), 2 / 0.87962566


def xavier(shape):
    places = np.prod(shape[:-2])
    deviation = np.sqrt(2 / (places * (shape[-2] + shape[-1])))
    return deviation, np.sqrt(3)


def normal(shape):
    return 0.01, None


@pytest.mark.parametrize(
    ("backbone", "method", "expected"),
    [
        # T: `new` and `linear`.
        ("vgg_gap", "cam", {"conv6": he_normal, "logits": normal}),
        # A: `cls` and `cls_erase`.
        (
            "vgg_gap",
            "acol",
            {
                f"acol_{branch}_{layer}": xavier
                for branch in "ab"
                for layer in ("conv1", "conv2", "maps")
            },
        ),
        ("small_cnn", "cam", {"logits": normal}),
        pytest.param(
            # T: `linearnew`.
            *("resnet50_se", "cam", {"logits": he_normal}),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *("resnet50", "cam", {"logits": normal}), marks=pytest.mark.slow
        ),
        pytest.param(
            # S.
            *("inception_v3", "spg"),
            dict.fromkeys(
                ("SPG_A3_1b", "SPG_A3_2b", "class_maps")
                + ("spg_b1", "spg_b2", "spg_b_shared", "spg_b_mask")
                + ("spg_c", "spg_c_mask"),
                xavier,
            ),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_initial_kernels(backbone, method, expected):
    keras.utils.set_random_seed(0)
    objective, _, _ = assemble(backbone, method, 200, None, (64, 64, 3))
    for name, published in expected.items():
        kernel, bias = objective.training_model.get_layer(name).get_weights()
        assert not bias.any()
        deviation, most = published(kernel.shape)
        # Of n values: 1 / sqrt(2 n) is the error of their deviation.
        error = 5 / np.sqrt(2 * kernel.size)
        assert np.std(kernel) == pytest.approx(deviation, rel=error), name
        largest = np.abs(kernel).max() / deviation
        if most is None:
            assert largest > 3.5, name
        else:
            assert 0.9 * most < largest <= most + 1e-4, name
