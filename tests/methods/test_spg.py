"""SPG against its definition, computed by hand."""

import cv2
import keras
import numpy as np
import pytest
from keras import ops

from adl_tf.methods.build import assemble
from adl_tf.methods.spg import mask_losses, targets

SIZE = 32


def numpy_of(tensor):
    return ops.convert_to_numpy(tensor)


def targets_by_hand(source, high, low):
    expected = np.full(source.shape, 255.0)
    for image, values in enumerate(source):
        foreground = values > high
        if foreground.sum() < 30:
            foreground = values > 0.7 * values.max()
        expected[image][foreground] = 1
        expected[image][values < low] = 0
    return expected


def binary_cross_entropy(logits, target):
    """Sum over pixels that are not ignored, and their number."""
    share = 1 / (1 + np.exp(-logits.astype("float64")))
    kept = target != 255
    losses = -np.where(target == 1, np.log(share), np.log(1 - share))
    return losses[kept].sum(), kept.sum()


def test_targets():
    random = np.random.default_rng(0)
    source = random.uniform(0, 1, (3, 12, 12, 1)).astype("float32")
    found = numpy_of(targets(source, 0.7, 0.1))
    assert set(np.unique(found)) == {0.0, 1.0, 255.0}
    np.testing.assert_array_equal(found, targets_by_hand(source, 0.7, 0.1))


def test_thresholds_themselves_are_ignored():
    source = np.full((1, 8, 8, 1), 1.0, "float32")
    source[0, 0, :2, 0] = 0.5, 0.25
    found = numpy_of(targets(source, 0.5, 0.25))[0, 0, :3, 0]
    assert found.tolist() == [255, 255, 1]


def test_fallback_of_small_regions_is_each_images_own():
    """The published code lowered the threshold of all images after."""
    source = np.full((3, 10, 10, 1), 0.3, "float32")
    source[0, :4, :, 0] = 0.9  # enough
    source[1, 0, :, 0] = 0.6  # 10 pixels, none above 0.7
    source[1, 1, :, 0] = 0.4
    source[2, :4, :, 0] = 0.9
    source[2, 9, :, 0] = 0.65  # above 0.7 * 0.9, and below 0.7
    found = numpy_of(targets(source, 0.7, 0.05))
    np.testing.assert_array_equal(found, targets_by_hand(source, 0.7, 0.05))
    assert (found == 1).sum(axis=(1, 2, 3)).tolist() == [40, 10, 40]


def test_background_overwrites_foreground():
    """The authors' code marks it last, and 0.7 of a small maximum is low."""
    source = np.full((1, 10, 10, 1), 0.1, "float32")
    source[0, :2, :, 0] = 0.25
    source[0, 2, :, 0] = 0.35
    found = numpy_of(targets(source, 0.7, 0.3))
    np.testing.assert_array_equal(found, targets_by_hand(source, 0.7, 0.3))
    # 0.25 is above 0.7 * 0.35, and below 0.3 all the same.
    assert found[0, :4, 0, 0].tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize(("count", "expected"), [(29, 40), (30, 30)])
def test_thirty_pixels_are_enough(count, expected):
    source = np.full((1, 10, 10, 1), 0.1, "float32")
    source[0].flat[:count] = 0.75
    source[0].flat[count:40] = 0.6  # above 0.7 * 0.75
    assert (numpy_of(targets(source, 0.7, 0.05)) == 1).sum() == expected


def test_ignored_pixels_do_not_count():
    random = np.random.default_rng(1)
    logits = random.normal(size=(3, 6, 6, 1)).astype("float32") * 5
    target = random.choice([0.0, 1.0, 255.0], (3, 6, 6, 1))
    found = numpy_of(mask_losses(logits, target.astype("float32")))
    total, count = binary_cross_entropy(logits, target)
    assert found.mean() == pytest.approx(total / count, rel=1e-5)
    for image in range(3):
        own, _ = binary_cross_entropy(logits[image], target[image])
        assert found[image] == pytest.approx(own / (count / 3), rel=1e-5)
    changed = np.where(target == 255, 9.0, logits).astype("float32")
    np.testing.assert_allclose(
        numpy_of(mask_losses(changed, target.astype("float32"))), found
    )


def test_all_ignored():
    target = np.full((2, 4, 4, 1), 255.0, "float32")
    found = numpy_of(mask_losses(np.ones_like(target), target))
    assert found.tolist() == [0, 0]


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(0)
    made, _, new_layers = assemble("small_cnn", "spg", 3, None, (SIZE, SIZE, 3))
    return made, new_layers


def test_loss(small):
    made, _ = small
    images = np.random.default_rng(2).uniform(0, 255, (4, SIZE, SIZE, 3))
    images = images.astype("float32")
    labels = np.array([0, 1, 2, 1], "int32")
    found, answers = made.losses(made.training_model, images, labels)
    logits, features, b1, b2, c = (
        numpy_of(each) for each in made.training_model(images, training=True)
    )

    def enlarged(maps):
        return np.stack([cv2.resize(each, (SIZE, SIZE)) for each in maps])

    kernel = made.model.get_layer("logits").get_weights()[0]
    attention = enlarged(
        np.stack(
            [each @ kernel[:, label] for each, label in zip(features, labels)]
        )
    )
    attention -= attention.min(axis=(1, 2), keepdims=True)
    attention /= attention.max(axis=(1, 2), keepdims=True)
    b1, b2, c = (enlarged(each) for each in (b1, b2, c))

    def sigmoid(values):
        return 1 / (1 + np.exp(-values))

    exponentials = np.exp(logits)
    shares = exponentials / exponentials.sum(axis=-1, keepdims=True)
    expected = -np.log(shares[np.arange(4), labels]).mean()
    for logit, source, high, low in (
        (b2, attention, 0.7, 0.05),
        (b1, sigmoid(b2), 0.5, 0.05),
        (c, (sigmoid(b1) + sigmoid(b2)) / 2, 0.7, 0.1),
    ):
        total, count = binary_cross_entropy(
            logit, targets_by_hand(source, high, low)
        )
        expected += total / count
    assert numpy_of(found).shape == (4,)
    assert numpy_of(found).mean() == pytest.approx(expected, rel=1e-3)
    np.testing.assert_allclose(numpy_of(answers), logits, rtol=1e-3, atol=1e-6)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs TensorFlow"
)
def test_targets_have_no_gradient():
    """B1's and C's losses do not move B2's own convolution."""
    import tensorflow as tf

    source = tf.random.uniform((1, 8, 8, 1))
    logits = tf.random.normal((1, 8, 8, 1))
    with tf.GradientTape() as tape:
        tape.watch([source, logits])
        loss = tf.reduce_sum(mask_losses(logits, targets(source, 0.5, 0.2)))
    by_source, by_logits = tape.gradient(loss, [source, logits])
    assert by_source is None
    assert np.any(by_logits)


def test_branches_are_not_there_at_inference(small):
    made, new_layers = small
    branches = [name for name in new_layers if name.startswith("spg_")]
    assert len(branches) == 6
    names = [layer.name for layer in made.model.layers]
    assert not set(branches) & set(names)
    trained = {v.path for v in made.training_model.trainable_variables}
    assert {f"{name}/kernel" for name in branches} <= trained


@pytest.mark.slow
@pytest.mark.parametrize(
    ("num_classes", "parameters", "plain"),
    [(1000, 38_454_986, 26_507_976), (200, 37_634_986, 25_687_976)],
)
def test_parameters_of_inception(num_classes, parameters, plain):
    made, _, _ = assemble(
        "inception_v3", "spg", num_classes, None, (224, 224, 3)
    )

    def trainable(model):
        return sum(np.prod(v.shape) for v in model.trainable_variables)

    assert trainable(made.training_model) == parameters
    assert trainable(made.model) == plain


def places(made):
    """Names of the layers before the branches' first convolutions."""
    layers = [
        made.training_model.get_layer(name)
        for name in ("spg_b1", "spg_b2", "spg_c")
    ]
    return [layer.input._keras_history.operation.name for layer in layers]


def test_places_in_inception_are_the_authors():
    """C sees what the classifier sees, after the dropout; B1 after a pool."""
    for map_stride, first in ((8, "Mixed_5d"), (16, "pool_5")):
        made, _, _ = assemble(
            "inception_v3",
            "spg",
            3,
            None,
            (SIZE, SIZE, 3),
            {"map_stride": map_stride},
        )
        assert places(made) == [first, "Mixed_6d", "dropout_3"]
        _, _, b1, b2, c = made.training_model.output_shape
        side = SIZE // map_stride
        assert {b1, b2, c} == {(None, side, side, 1)}


@pytest.mark.parametrize("map_stride", [8, 16])
def test_branches_in_resnet_are_the_later_comparisons(map_stride):
    made, _, _ = assemble(
        "resnet50", "spg", 3, None, (SIZE, SIZE, 3), {"map_stride": map_stride}
    )
    assert places(made) == [
        "conv4_block1_out",
        "conv4_block6_out",
        "conv5_block3_out",
    ]
    kernels = {
        name: made.training_model.get_layer(name).kernel.shape
        for name in ("spg_b1", "spg_b2", "spg_b_shared", "spg_b_mask", "spg_c")
    }
    assert kernels == {
        "spg_b1": (3, 3, 1024, 1024),
        "spg_b2": (3, 3, 1024, 1024),
        "spg_b_shared": (3, 3, 1024, 1024),
        "spg_b_mask": (1, 1, 1024, 1),
        "spg_c": (3, 3, 2048, 512),
    }


def test_vgg_of_the_later_comparison(tmp_path):
    """Its network and branches, in PyTorch."""
    torch = pytest.importorskip("torch")
    from tests.models import torch_vgg
    from tests.models.torch_resnet import with_random_weights

    theirs = with_random_weights(torch_vgg.VggSpg(3))
    torch.save(theirs.state_dict(), tmp_path / "a.pth")
    made, _, _ = assemble(
        "vgg_gap",
        "spg",
        3,
        tmp_path / "a.pth",
        (SIZE, SIZE, 3),
        {"layers": "spg"},
    )
    assert places(made) == ["block4_pool", "block5_conv3", "SPG_A3_2b"]
    for name, module in (
        ("spg_b1", theirs.SPG_B_1a[0]),
        ("spg_b2", theirs.SPG_B_2a[0]),
        ("spg_b_shared", theirs.SPG_B_shared[0]),
        ("spg_b_mask", theirs.SPG_B_shared[2]),
        ("spg_c", theirs.SPG_C[0]),
        ("spg_c_mask", theirs.SPG_C[2]),
    ):
        kernel, bias = (each.detach() for each in module.parameters())
        made.training_model.get_layer(name).set_weights(
            [kernel.permute(2, 3, 1, 0), bias]
        )
    images = np.random.default_rng(0).uniform(0, 255, (2, SIZE, SIZE, 3))
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    standardized = (images / 255 - mean) / deviation
    with torch.no_grad():
        _, class_maps, masks = theirs.places(
            torch.tensor(standardized.transpose(0, 3, 1, 2)).float()
        )
    _, *found = made.training_model(images.astype("float32"), training=False)
    for ours, wanted in zip(found, (class_maps, *masks), strict=True):
        assert wanted.std() > 1e-4
        np.testing.assert_allclose(
            numpy_of(ours),
            wanted.permute(0, 2, 3, 1),
            rtol=1e-3,
            atol=1e-4 * float(wanted.abs().max()),
        )


def test_networks_without_positions():
    with pytest.raises(ValueError, match="no positions for the branches"):
        assemble("keras:MobileNet", "spg", 3, None, (32, 32, 3))
