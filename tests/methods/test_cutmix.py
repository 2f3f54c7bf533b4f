"""CutMix against its definition, computed by hand."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from adl_tf.methods.build import assemble
from adl_tf.methods.cutmix import CutMix, cut_box, mixed_losses

BATCH, HEIGHT, WIDTH = 6, 30, 40


def noise_images():
    """Each image is a number of its own, so that mixtures can be read."""
    numbers = np.arange(BATCH, dtype="float32").reshape(-1, 1, 1, 1)
    return np.broadcast_to(numbers, (BATCH, HEIGHT, WIDTH, 3)).copy()


def mix(layer):
    return [
        ops.convert_to_numpy(each)
        for each in layer(noise_images(), training=True)
    ]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.83, 1.0])
@pytest.mark.parametrize("centre", [(0.0, 0.0), (0.5, 0.5), (0.99, 0.3)])
def test_box(share, centre):
    ratio = math.sqrt(1 - share)
    sides = (int(HEIGHT * ratio), int(WIDTH * ratio))
    y, x = int(centre[0] * HEIGHT), int(centre[1] * WIDTH)
    expected = [
        max(x - sides[1] // 2, 0),
        max(y - sides[0] // 2, 0),
        min(x + sides[1] // 2, WIDTH),
        min(y + sides[0] // 2, HEIGHT),
    ]
    box = cut_box(np.float32(share), centre, HEIGHT, WIDTH)
    assert [int(ops.convert_to_numpy(each)) for each in box] == expected


def test_images_and_shares():
    layer = CutMix(seed=1)
    areas = []
    for _ in range(20):
        mixed, partners, shares = mix(layer)
        assert sorted(partners) == list(range(BATCH))
        assert len(set(shares)) == 1
        foreign = mixed != noise_images()
        for index, partner in enumerate(partners):
            if partner == index:
                continue
            inside = foreign[index].all(axis=-1)
            rows, columns = inside.any(axis=1), inside.any(axis=0)
            # A box, the partner's pixels in it, and the rest untouched.
            np.testing.assert_array_equal(inside, np.outer(rows, columns))
            assert (mixed[index][inside] == partner).all()
            assert shares[index] == pytest.approx(
                1 - inside.sum() / (HEIGHT * WIDTH), abs=1e-6
            )
            areas.append(inside.mean())
    assert max(areas) > 0.2 > min(areas)


def test_share_as_it_was_drawn():
    """Only the label differs: the boxes are those of the corrected one."""
    drawn, corrected = CutMix(area_corrected=False, seed=2), CutMix(seed=2)
    larger = 0
    for _ in range(20):
        first, _, share = mix(drawn)
        second, _, area = mix(corrected)
        np.testing.assert_array_equal(first, second)
        # What is cut off at the border makes the box smaller.
        assert area[0] >= share[0] - 1e-6
        larger += area[0] > share[0] + 0.1
    assert larger > 3


@pytest.mark.parametrize("beta", [0.04, 1.0, 5.0])
def test_distribution_of_the_share(beta):
    layer = CutMix(beta, area_corrected=False, seed=3)
    one = np.zeros((1, 4, 4, 1), "float32")
    shares = np.array(
        [
            ops.convert_to_numpy(layer(one, training=True)[2])[0]
            for _ in range(300)
        ]
    )
    assert np.isfinite(shares).all()
    variance = 1 / (4 * (2 * beta + 1))
    assert shares.mean() == pytest.approx(
        0.5, abs=4 * math.sqrt(variance / 300)
    )
    assert shares.var() == pytest.approx(variance, rel=0.35)


def test_share_of_the_steps():
    layer = CutMix(probability=0.3, seed=4)
    mixed = [mix(layer)[2][0] < 1 for _ in range(200)]
    sigma = math.sqrt(0.3 * 0.7 / 200)
    # Boxes without a pixel are rare, but there are some.
    assert np.mean(mixed) == pytest.approx(0.29, abs=4 * sigma)


def test_nothing_outside_training():
    images, partners, shares = CutMix()(noise_images(), training=False)
    np.testing.assert_array_equal(ops.convert_to_numpy(images), noise_images())
    assert ops.convert_to_numpy(partners).tolist() == list(range(BATCH))
    assert ops.convert_to_numpy(shares).tolist() == [1.0] * BATCH


def test_loss():
    random = np.random.default_rng(0)
    logits = random.normal(size=(BATCH, 3)).astype("float32")
    partners = np.array([2, 0, 1, 5, 4, 3], "int32")
    shares = np.full(BATCH, 0.7, "float32")
    labels = np.array([0, 1, 2, 2, 1, 0], "int32")
    found, answers = mixed_losses(
        lambda images, training: tuple(
            ops.convert_to_tensor(each) for each in (logits, partners, shares)
        ),
        None,
        labels,
    )
    exponentials = np.exp(logits)
    logarithms = -np.log(exponentials / exponentials.sum(1, keepdims=True))
    expected = [
        0.7 * logarithms[index, labels[index]]
        + 0.3 * logarithms[index, labels[partners[index]]]
        for index in range(BATCH)
    ]
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, rtol=1e-5)
    np.testing.assert_array_equal(ops.convert_to_numpy(answers), logits)


def test_the_model_is_the_plain_one():
    keras.utils.set_random_seed(0)
    made, _, _ = assemble("small_cnn", "cutmix", 3, None, (32, 32, 3), seed=5)
    assert made.model.count_params() == made.training_model.count_params()
    assert "cutmix" not in [layer.name for layer in made.model.layers]
    assert any(
        "seed" in variable.path for variable in made.training_model.variables
    )
    images = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3))
    logits, partners, shares = made.training_model(images, training=False)
    np.testing.assert_allclose(
        ops.convert_to_numpy(logits),
        ops.convert_to_numpy(made.model(images, training=False)),
        rtol=1e-5,
    )
    assert ops.convert_to_numpy(shares).tolist() == [1.0] * 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beta": 0.0}, "beta=0.0"),
        ({"probability": 1.1}, "probability=1.1"),
    ],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        CutMix(**arguments)
