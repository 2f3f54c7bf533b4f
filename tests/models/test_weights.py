"""Weights from files of Keras and of our own, and files that do not fit."""

import h5py
import keras
import numpy as np
import pytest

from adl_tf.errors import DataError
from adl_tf.methods.build import build_model
from adl_tf.models.classifier import build_classifier
from tests.models.networks import (
    assert_same_weights,
    noise_images,
    read_applications_file,
    softmax,
    weights_of,
    with_random_weights,
    write_applications_file,
)

SMALL = (32, 32, 3)


def small_cnn(num_classes=5, weights=None):
    return build_classifier("small_cnn", num_classes, weights, SMALL)


@pytest.mark.parametrize("suffix", ["applications.h5", "saved.h5", "keras"])
@pytest.mark.parametrize("num_classes", [5, 3])
def test_weights_from_a_file(tmp_path, suffix, num_classes):
    source = with_random_weights(small_cnn()[0])
    path = tmp_path / f"model.{suffix}"
    if suffix == "applications.h5":
        write_applications_file(path, weights_of(source))
    else:
        source.save(path)
    model, _, new_layers = small_cnn(num_classes, path)
    # The classifier is taken over when it has as many classes.
    assert new_layers == (() if num_classes == 5 else ("logits",))
    loaded, expected = weights_of(model), weights_of(source)
    assert loaded.keys() == expected.keys()
    for name in loaded.keys() - set(new_layers):
        assert_same_weights(loaded[name], expected[name])
    if new_layers:
        assert loaded["logits"][0].shape == (160, 3)


def test_weights_of_the_very_model(tmp_path):
    source = with_random_weights(small_cnn()[0])
    path = str(tmp_path / "model.weights.h5")
    source.save_weights(path)
    model, _, new_layers = small_cnn(weights=path)
    assert new_layers == ()
    for name, arrays in weights_of(source).items():
        assert_same_weights(weights_of(model)[name], arrays)


def test_weights_of_an_adl_model(tmp_path):
    source = with_random_weights(
        build_model("small_cnn", "adl", 5, None, SMALL)
    )
    path = tmp_path / "model.keras"
    source.save(path)
    model = build_model("small_cnn", "cam", 5, path, SMALL)
    for name, arrays in weights_of(model).items():
        assert_same_weights(arrays, weights_of(source)[name])


@pytest.mark.parametrize("num_classes", [7, 5])
def test_mobilenet_takes_over_the_convolution_that_classifies(
    tmp_path, num_classes
):
    source, _, _ = build_classifier("mobilenet_v1", 7, None, SMALL)
    layers = weights_of(with_random_weights(source))
    kernel, bias = layers.pop("logits")
    layers["conv_preds"] = [kernel[None, None], bias]
    path = tmp_path / "mobilenet.h5"
    write_applications_file(path, layers)
    model, _, new_layers = build_classifier(
        "mobilenet_v1", num_classes, path, SMALL
    )
    if num_classes == 7:
        assert new_layers == ()
        assert_same_weights(
            model.get_layer("logits").get_weights(), [kernel, bias]
        )
    else:
        assert new_layers == ("logits",)
    assert_same_weights(
        model.get_layer("conv_dw_12").get_weights(), layers["conv_dw_12"]
    )


def test_vgg_keeps_its_new_convolution(tmp_path):
    source, _, new_layers = build_classifier("vgg_gap", 5, None, SMALL)
    assert {"conv6", "logits", "block1_conv1"} <= set(new_layers)
    layers = weights_of(source)
    del layers["conv6"], layers["logits"]
    path = tmp_path / "vgg.h5"
    write_applications_file(path, layers)
    model, _, new_layers = build_classifier("vgg_gap", 5, path, SMALL)
    assert new_layers == ("conv6", "logits")
    assert_same_weights(
        model.get_layer("block5_conv3").get_weights(), layers["block5_conv3"]
    )


def save(model, path):
    write = model.save_weights if ".weights" in path.name else model.save
    write(path)


def garbage(path):
    path.write_bytes(b"not weights" * 100)


def truncated(path):
    whole = path.with_name(f"whole_{path.name}")
    save(small_cnn()[0], whole)
    path.write_bytes(whole.read_bytes()[:-2000])


def of_another_shape(path):
    """The same layer names, the first convolution with other filters."""
    wider = keras.layers.Conv2D(7, 5, use_bias=False, name="conv1")
    layers = [
        wider
        if layer.name == "conv1"
        else layer.__class__.from_config(layer.get_config())
        for layer in small_cnn()[0].layers[1:]
    ]
    save(keras.Sequential([keras.Input(SMALL), *layers]), path)


def without_a_layer(path):
    convolution = keras.layers.Conv2D(4, 3, name="other")
    save(keras.Sequential([keras.Input(SMALL), convolution]), path)


def of_an_unknown_class(path):
    class Unknown(keras.layers.Layer):
        pass

    save(keras.Sequential([keras.Input(SMALL), Unknown()]), path)


@pytest.mark.filterwarnings("ignore:Skipping nested container")
@pytest.mark.parametrize("name", ["a.h5", "a.keras", "a.weights.h5"])
@pytest.mark.parametrize(
    "write",
    [
        garbage,
        truncated,
        of_another_shape,
        without_a_layer,
        of_an_unknown_class,
    ],
)
def test_unusable_file(tmp_path, name, write):
    path = tmp_path / name
    write(path)
    with pytest.raises(DataError) as caught:
        small_cnn(weights=str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.h5", "a.keras", "a.weights.h5"])
def test_missing_file(tmp_path, name):
    # Python's argument and the command's flag are not written alike.
    words = f"no weight file .*{name}.*`weights=None` .--weights=none"
    with pytest.raises(DataError, match=words):
        small_cnn(weights=str(tmp_path / name))


@pytest.mark.filterwarnings("ignore:Skipping nested container")
@pytest.mark.parametrize("name", ["a.h5", "a.weights.h5"])
def test_h5_of_another_kind(tmp_path, name):
    with h5py.File(tmp_path / name, "w") as file:
        file["images"] = np.zeros(3)
    with pytest.raises(DataError, match=name):
        small_cnn(weights=tmp_path / name)


@pytest.mark.parametrize("name", ["a.h5", "a.keras"])
def test_unfit_file_names_the_layer_and_shapes(tmp_path, name):
    path = tmp_path / name
    without_a_layer(path)
    with pytest.raises(DataError, match="for layer 'conv1'"):
        small_cnn(weights=path)
    of_another_shape(path)
    with pytest.raises(DataError, match=r"\(5, 5, 3, 7\).*\(5, 5, 3, 24\)"):
        small_cnn(weights=path)


def test_no_imagenet_weights_for_small_cnn():
    with pytest.raises(DataError, match="small_cnn.*no ImageNet weights"):
        small_cnn(weights="imagenet")


@pytest.mark.real_data
def test_real_vgg_weights(test_weights):
    name = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    model, _, new_layers = build_classifier(
        "vgg_gap", 5, test_weights / name, SMALL
    )
    assert new_layers == ("conv6", "logits")
    expected = read_applications_file(test_weights / name)
    loaded = weights_of(model)
    assert len(loaded) == 15
    for name in loaded.keys() - set(new_layers):
        assert_same_weights(loaded[name], expected[name])


@pytest.mark.real_data
def test_real_mobilenet_weights(test_weights):
    path = test_weights / "mobilenet_1_0_224_tf.h5"
    shape = (96, 96, 3)
    model, _, new_layers = build_classifier(
        "mobilenet_v1", 1000, path, shape, last_stride=2
    )
    assert new_layers == ()
    expected = read_applications_file(path)
    for name, arrays in weights_of(model).items():
        if name != "logits":
            assert_same_weights(arrays, expected[name])
    stock = keras.applications.MobileNet(input_shape=shape, weights=str(path))
    scaled = keras.applications.mobilenet.preprocess_input(noise_images(96))
    np.testing.assert_allclose(
        softmax(np.array(model(noise_images(96), training=False))),
        stock(scaled, training=False),
        atol=1e-4,
    )
