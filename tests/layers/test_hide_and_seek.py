"""`HideAndSeek` against its definition, computed by hand."""

import keras
import numpy as np
import pytest
from keras import ops

from adl_tf.layers.hide_and_seek import HideAndSeek
from tests.layers.shares import assert_share

FILL = [7.0, 8.0, 9.0]


def hide(layer, images):
    return ops.convert_to_numpy(layer(images, training=True))


def noise_images(batch=4, height=224, width=224):
    generator = np.random.default_rng(0)
    return generator.uniform(10, 20, (batch, height, width, 3)).astype(
        "float32"
    )


def cells(hidden, size):
    """The patches of a map, the last row and column as long as they are."""
    height, width = hidden.shape
    for y in range(0, height, size):
        for x in range(0, width, size):
            yield hidden[y : y + size, x : x + size]


@pytest.mark.parametrize(
    ("size", "height", "width", "count"),
    [(32, 224, 224, 49), (44, 224, 224, 36), (16, 40, 50, 12), (99, 40, 50, 1)],
)
def test_patches_are_hidden_whole(size, height, width, count):
    given = noise_images(6, height, width)
    found = hide(HideAndSeek(size, fill_value=FILL, seed=1), given)
    hidden = (found == FILL).all(axis=-1)
    np.testing.assert_array_equal(found[~hidden], given[~hidden])
    for each in hidden:
        patches = list(cells(each, size))
        assert len(patches) == count
        assert {patch.mean() for patch in patches} <= {0.0, 1.0}
    assert 0 < hidden.mean() < 1


@pytest.mark.parametrize("rate", [0.25, 0.5])
def test_share_and_independence_of_patches(rate):
    layer = HideAndSeek(4, rate, fill_value=0.0, seed=2)
    found = hide(layer, np.ones((64, 32, 32, 1), "float32"))
    hidden = found[:, ::4, ::4, 0] == 0  # a value a patch
    assert hidden.shape == (64, 8, 8)

    assert_share(hidden, rate, sigmas=4)
    both = 2 * rate * (1 - rate)
    again = hide(layer, np.ones((64, 32, 32, 1), "float32"))
    for first, second in (
        (hidden[::2], hidden[1::2]),  # images
        (hidden[:, ::2], hidden[:, 1::2]),  # neighbours
        (hidden[:, :, ::2], hidden[:, :, 1::2]),
        (hidden, again[:, ::4, ::4, 0] == 0),  # steps
    ):
        assert_share(first != second, both, sigmas=4)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_all_or_nothing(rate):
    found = hide(HideAndSeek(32, rate, fill_value=FILL), noise_images())
    expected = (
        noise_images() if rate == 0 else np.broadcast_to(FILL, found.shape)
    )
    np.testing.assert_array_equal(found, expected)


def test_sizes_are_drawn_for_each_image():
    sizes = [0, 8, 16]
    layer = HideAndSeek(sizes, 0.5, fill_value=0.0, seed=3)
    hidden = hide(layer, np.ones((300, 32, 32, 1), "float32"))[..., 0] == 0
    counts = {size: 0 for size in sizes}
    for each in hidden:
        fitting = [
            size
            for size in (16, 8)
            if {patch.mean() for patch in cells(each, size)} <= {0.0, 1.0}
        ]
        assert fitting
        counts[fitting[0] if each.any() else 0] += 1
    # An image with nothing hidden is of size 0, or of 16 with one chance in
    # 16; half, or all, of a grid of 8 that looks like one of 16 is rarer.
    assert counts[0] == pytest.approx(300 * (1 + 1 / 16) / 3, abs=33)
    assert counts[8] == pytest.approx(100, abs=33)


def test_mixed():
    layer = HideAndSeek("mixed", 1.0, fill_value=FILL, seed=4)
    hidden = (hide(layer, noise_images(100, 64, 64)) == FILL).all(
        axis=(1, 2, 3)
    )
    assert hidden.mean() == pytest.approx(0.8, abs=0.16)  # the rest is size 0


def test_identity_outside_training():
    layer = HideAndSeek(8)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(layer(noise_images(1), training=False)),
        noise_images(1),
    )
    np.testing.assert_array_equal(
        ops.convert_to_numpy(layer(noise_images(1))), noise_images(1)
    )
    assert layer.weights == []


def test_channels_first():
    layer = HideAndSeek(
        16, fill_value=FILL, seed=1, data_format="channels_first"
    )
    found = hide(layer, noise_images(2, 40, 50).transpose(0, 3, 1, 2))
    last = hide(
        HideAndSeek(16, fill_value=FILL, seed=1), noise_images(2, 40, 50)
    )
    np.testing.assert_array_equal(found.transpose(0, 2, 3, 1), last)


def test_saved_model(tmp_path):
    inputs = keras.Input((None, None, 3))
    model = keras.Model(
        inputs, HideAndSeek([8, 16], 0.3, FILL, seed=5, name="hide")(inputs)
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").get_layer("hide")
    assert loaded.get_config() == model.get_layer("hide").get_config()
    np.testing.assert_array_equal(
        hide(loaded, noise_images(2)),
        hide(model.get_layer("hide"), noise_images(2)),
    )


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs TensorFlow"
)
def test_in_a_pipeline():
    import tensorflow as tf

    layer = HideAndSeek(16, fill_value=FILL, seed=6)
    batches = tf.data.Dataset.from_tensor_slices(noise_images(8, 48, 48)).batch(
        4
    )
    seen = list(batches.map(lambda batch: layer(batch, training=True)))
    hidden = [(batch.numpy() == FILL).all(axis=-1) for batch in seen]
    assert 0 < np.mean(hidden) < 1
    assert (hidden[0] != hidden[1]).any()


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs TensorFlow"
)
def test_replicas_hide_different_patches():
    import tensorflow as tf

    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        layer = HideAndSeek(4, seed=1)
    ones = np.ones((4, 32, 32, 1), "float32")
    run = tf.function(lambda: strategy.run(lambda: layer(ones, training=True)))
    first, second = strategy.experimental_local_results(run())
    hidden = np.array(first) != np.array(second)
    assert hidden.mean() == pytest.approx(0.5, abs=0.13)


def test_images_of_whole_numbers_stay_so():
    inputs = keras.Input((8, 8, 3), dtype="uint8")
    outputs = HideAndSeek(2)(inputs)
    hidden = keras.Model(inputs, outputs)(
        np.full((1, 8, 8, 3), 200, "uint8"), training=True
    )
    for tensor in (outputs, hidden):
        assert keras.backend.standardize_dtype(tensor.dtype) == "uint8"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patch_size": 0}, "patch_size=0"),
        ({"patch_size": []}, "patch_size"),
        ({"patch_size": [16, -1]}, "patch_size"),
        ({"patch_size": "large"}, "'large'"),
        ({"hide_rate": 1.5}, "hide_rate=1.5"),
        ({"data_format": "last"}, "data_format='last'"),
        ({"fill_value": "grey"}, "fill_value='grey'"),
        ({"fill_value": []}, "fill_value"),
    ],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        HideAndSeek(**arguments)


def test_colour_of_other_images():
    with pytest.raises(ValueError, match="axis -1 .* value 2"):
        HideAndSeek(fill_value=[124, 116])(noise_images(1, 8, 8))
