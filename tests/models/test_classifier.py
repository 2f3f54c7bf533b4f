"""The classifiers: sizes, preprocessing, weights from files."""

import h5py
import keras
import numpy as np
import pytest

from adl_tf.errors import DataError
from adl_tf.methods.build import assemble, build_model
from adl_tf.models.classifier import build_classifier

SMALL = (32, 32, 3)


def small_cnn(num_classes=5, weights=None):
    return build_classifier("small_cnn", num_classes, weights, SMALL)


def with_random_weights(model):
    """All weights random, those of normalization and biases too."""
    generator = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights(
            [
                weight + generator.uniform(0.0, 0.2, weight.shape)
                for weight in layer.get_weights()
            ]
        )
    return model


def copy_weights(source, target):
    for layer in target.layers:
        if layer.weights:
            layer.set_weights(source.get_layer(layer.name).get_weights())


def copy_mobilenet(source, stock):
    """Gives `keras.applications.MobileNet` the weights of our classifier."""
    kernel, bias = source.get_layer("logits").get_weights()
    stock.get_layer("conv_preds").set_weights([kernel[None, None], bias])
    for layer in stock.layers:
        if layer.weights and layer.name != "conv_preds":
            layer.set_weights(source.get_layer(layer.name).get_weights())


def weights_of(model):
    return {
        layer.name: layer.get_weights()
        for layer in model.layers
        if layer.weights
    }


def assert_same_weights(actual, expected):
    assert len(actual) == len(expected)
    for array, wanted in zip(actual, expected):
        np.testing.assert_array_equal(array, wanted)


def write_applications_file(path, layers):
    """An .h5 file in the layout that `keras.applications` downloads."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in layers]
        for name, arrays in layers.items():
            group = file.create_group(name)
            names = [f"{name}/weight_{i}:0" for i in range(len(arrays))]
            group.attrs["weight_names"] = [each.encode() for each in names]
            for each, array in zip(names, arrays):
                group[each] = array


def read_applications_file(path):
    with h5py.File(path) as file:
        return {
            name: [
                np.array(file[name][weight])
                for weight in file[name].attrs["weight_names"]
            ]
            for name in file.attrs["layer_names"]
        }


def pictures(size):
    """A constant colour, and noise."""
    constant = np.broadcast_to([200.0, 100.0, 50.0], (size, size, 3))
    noise = np.random.default_rng(0).uniform(0, 255, (size, size, 3))
    return np.stack([constant, noise]).astype("float32")


def softmax(logits):
    exponential = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    return exponential / exponential.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("method", ["cam", "adl"])
@pytest.mark.parametrize(
    ("backbone", "num_classes", "parameters"),
    [
        ("vgg_gap", 1000, 20_459_304),
        ("vgg_gap", 200, 19_639_304),
        ("mobilenet_v1", 1000, 4_231_976),
        ("mobilenet_v1", 200, 3_411_976),
    ],
)
def test_published_sizes(backbone, num_classes, parameters, method):
    model = build_model(backbone, method, num_classes, None)
    sizes = [np.prod(weight.shape) for weight in model.trainable_weights]
    assert sum(sizes) == parameters
    assert model.output_shape == (None, num_classes)
    assert model.get_layer("gap").input.shape == (None, 14, 14, 1024)


@pytest.mark.parametrize(
    ("width", "num_classes", "parameters"),
    # Trainable ones, as published with the network: 0.5 M, 1.3 M and 2.6 M.
    [(0.25, 1000, 470_072), (0.5, 1000, 1_331_592), (0.75, 1000, 2_585_560)],
)
def test_widths_of_mobilenet(width, num_classes, parameters):
    model, _, _ = build_classifier(
        "mobilenet_v1", num_classes, None, width=width
    )
    stock = keras.applications.MobileNet(alpha=width, weights=None)
    sizes, expected = (
        sum(np.prod(weight.shape) for weight in each.trainable_weights)
        for each in (model, stock)
    )
    assert sizes == expected
    assert round(sizes / 1e5) == round(parameters / 1e5)
    assert model.get_layer("gap").input.shape == (None, 14, 14, 1024 * width)


def test_finer_maps_of_vgg():
    """The same convolutions without pool4."""
    fine, backbone, _ = build_classifier(
        "vgg_gap", 5, None, (64, 64, 3), map_stride=8
    )
    coarse, _, _ = build_classifier("vgg_gap", 5, None, (64, 64, 3))
    assert fine.get_layer("gap").input.shape == (None, 8, 8, 1024)
    assert fine.count_params() == coarse.count_params()
    assert "block4_pool" not in {layer.name for layer in fine.layers}
    assert backbone.adl_positions == (
        "block3_pool",
        "block4_conv3",
        "block5_conv3",
    )
    copy_weights(fine, coarse)
    features = np.random.default_rng(0).uniform(size=(1, 8, 8, 512))
    answers = []
    for model in (fine, coarse):
        output = features
        for name in ("block5_conv1", "block5_conv2", "block5_conv3", "conv6"):
            output = model.get_layer(name)(output)
        answers.append(np.array(output))
    np.testing.assert_array_equal(*answers)
    # What block5 gets is what block4 gives.
    first, before = (
        fine.get_layer(f"block{n}") for n in ("5_conv1", "4_conv3")
    )
    assert first.input is before.output


def test_stock_stride_gives_7x7():
    model, _, _ = build_classifier(
        "mobilenet_v1", 5, None, (224, 224, 3), last_stride=2
    )
    assert model.get_layer("gap").input.shape == (None, 7, 7, 1024)


def test_stride_1_reads_all_positions():
    """Stride 1 has every position of stride 2, up to its one-sided padding."""
    dense, stock = (
        build_classifier("mobilenet_v1", 5, None, SMALL, last_stride=stride)[0]
        for stride in (1, 2)
    )
    assert dense.get_layer("conv_pad_12").padding == ((1, 1), (1, 1))
    convolution = dense.get_layer("conv_dw_12")
    assert (convolution.strides, convolution.padding) == ((1, 1), "valid")
    copy_weights(dense, stock)
    features = np.random.default_rng(0).normal(size=(1, 4, 4, 512))
    all_positions, some_positions = (
        np.array(
            model.get_layer("conv_dw_12")(
                model.get_layer("conv_pad_12")(features)
            )
        )
        for model in (dense, stock)
    )
    np.testing.assert_allclose(
        all_positions[:, 1::2, 1::2], some_positions, atol=1e-5
    )


def test_small_cnn():
    model, backbone, new_layers = small_cnn()
    assert model.get_layer("gap").input.shape == (None, 4, 4, 160)
    assert model.output_shape == (None, 5)
    assert set(backbone.adl_positions) <= set(new_layers)


@pytest.mark.parametrize("backbone", ["vgg_gap", "mobilenet_v1", "small_cnn"])
def test_adl_goes_to_the_default_positions(backbone):
    made, built, _ = assemble(backbone, "adl", 5, None, SMALL)
    inserted = {
        layer.name: layer.gamma
        for layer in made.model.layers
        if layer.name.endswith("_adl")
    }
    gamma = 0.95 if backbone == "mobilenet_v1" else 0.8
    assert inserted == {f"{name}_adl": gamma for name in built.adl_positions}


def test_mobilenet_preprocesses_and_equals_keras():
    model, _, _ = build_classifier(
        "mobilenet_v1", 5, None, SMALL, last_stride=2
    )
    with_random_weights(model)
    stock = keras.applications.MobileNet(
        input_shape=SMALL, weights=None, classes=5
    )
    copy_mobilenet(model, stock)
    # Keras preprocesses in place.
    scaled = keras.applications.mobilenet.preprocess_input(pictures(32))
    expected = np.array(stock(scaled, training=False))
    logits = np.array(model(pictures(32), training=False))
    assert np.ptp(expected) > 0.1
    # Random weights make large logits, whose last bits softmax enlarges.
    np.testing.assert_allclose(softmax(logits), expected, atol=1e-3)


def test_vgg_preprocesses_and_equals_keras():
    model, _, _ = build_classifier("vgg_gap", 5, None, SMALL)
    stock = keras.applications.VGG16(
        input_shape=SMALL, weights=None, include_top=False
    )
    for layer in stock.layers:
        if layer.weights:
            kernel, bias = model.get_layer(layer.name).get_weights()
            noise = np.random.default_rng(0).normal(size=bias.shape)
            model.get_layer(layer.name).set_weights([kernel, noise])
            layer.set_weights([kernel, noise])
    features, expected = (
        keras.Model(each.input, each.get_layer("block5_conv3").output)
        for each in (model, stock)
    )
    centred = keras.applications.vgg16.preprocess_input(pictures(32))
    expected = np.array(expected(centred))
    assert expected.max() > 0.1
    np.testing.assert_allclose(
        features(pictures(32)), expected, rtol=1e-4, atol=1e-4
    )


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
    with pytest.raises(DataError, match=f"no weight file .*{name}"):
        small_cnn(weights=str(tmp_path / name))


@pytest.mark.filterwarnings("ignore:Skipping nested container")
@pytest.mark.parametrize("name", ["a.h5", "a.weights.h5"])
def test_h5_of_another_kind(tmp_path, name):
    with h5py.File(tmp_path / name, "w") as file:
        file["pictures"] = np.zeros(3)
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


@pytest.mark.parametrize(
    ("arguments", "received", "valid"),
    [
        ({"backbone": "vgg"}, "vgg", ["vgg_gap", "mobilenet_v1", "small_cnn"]),
        ({"method": "acl"}, "acl", ["cam", "adl"]),
        (
            {"backbone_arguments": {"last_stride": 2}},
            "last_stride",
            ["It has: none"],
        ),
        (
            {
                "backbone": "mobilenet_v1",
                "backbone_arguments": {"last_stride": 3},
            },
            "3",
            ["1 or 2"],
        ),
        (
            {
                "backbone": "mobilenet_v1",
                "backbone_arguments": {"width": 0},
            },
            "width=0",
            ["1/32 or more"],
        ),
        (
            {
                "backbone": "vgg_gap",
                "backbone_arguments": {"map_stride": 32},
            },
            "map_stride=32",
            ["8 or 16"],
        ),
    ],
)
def test_unknown_value_lists_the_valid_ones(arguments, received, valid):
    arguments = {
        "backbone": "small_cnn",
        "weights": None,
        "input_shape": SMALL,
        **arguments,
    }
    with pytest.raises(ValueError) as caught:
        build_model(**arguments)
    for text in (received, *valid):
        assert text in str(caught.value)


@pytest.mark.parametrize("method", ["cam", "adl"])
def test_unknown_argument_of_a_method(method):
    with pytest.raises(ValueError, match="gama"):
        build_model("small_cnn", method, 5, None, SMALL, gama=0.9)


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
    scaled = keras.applications.mobilenet.preprocess_input(pictures(96))
    np.testing.assert_allclose(
        softmax(np.array(model(pictures(96), training=False))),
        stock(scaled, training=False),
        atol=1e-4,
    )
