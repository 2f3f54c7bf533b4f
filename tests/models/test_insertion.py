"""Layers put into a graph: what changes, and what stays as it was."""

import keras
import numpy as np
import pytest
from keras import layers

from adl_tf.methods.adl import insert_adl
from adl_tf.models.surgery import insert_after
from tests.models.graphs import (
    SHAPE,
    adl_names,
    all_layers,
    assert_same_outputs,
    assert_same_weights,
    conv,
    functional,
    nested_functional,
    nested_sequential,
    noise_images,
    parallel_branches,
    sequential,
    shared_layer,
    shared_nested_model,
)


@pytest.mark.filterwarnings("error:The structure of `inputs`")
@pytest.mark.parametrize(
    "make",
    [
        sequential,
        functional,
        nested_functional,
        nested_sequential,
        shared_layer,
        shared_nested_model,
        parallel_branches,
    ],
)
def test_insertion_into(make):
    model = make()
    edited = insert_adl(model, ["second"], drop_rate=1.0, gamma=0.0)
    assert adl_names(edited) == ["second_adl"]
    assert_same_outputs(edited, model)
    before, after = all_layers(model), all_layers(edited)
    for name in {"first", "second", "norm", "left"} & before.keys():
        assert after[name] is not before[name]
        assert_same_weights(after[name], before[name])
    # Everything is dropped at its place when training.
    probe = np.ones((1, 2, 2, 4), "float32")
    assert not np.any(after["second_adl"](probe, training=True))
    assert not np.allclose(
        edited(noise_images(), training=True),
        model(noise_images(), training=True),
    )


def test_weights_stay_with_their_branch():
    model = parallel_branches()
    edited = insert_adl(model, ["first"])
    # Otherwise this would test nothing.
    assert [weight.path for weight in edited.weights] != [
        weight.path for weight in model.weights
    ]
    assert_same_outputs(edited, model)


def test_shared_layer_gets_adl_at_each_call():
    edited = insert_adl(shared_layer(), ["first"], drop_rate=1.0, gamma=0.5)
    first, second = edited.get_layer("first"), edited.get_layer("second")

    def call(images):
        features = np.array(first(images))
        attention = features.mean(axis=3, keepdims=True)
        strongest = attention.max(axis=(1, 2), keepdims=True)
        return features * (attention < 0.5 * strongest)

    np.testing.assert_allclose(
        edited(noise_images(), training=True),
        second(call(call(noise_images()))),
        atol=1e-6,
    )


def test_adl_arguments_and_seeds():
    model = insert_adl(
        functional(), ["first", "second"], gamma=0.9, drop_rate=0.5, seed=5
    )
    configs = [
        model.get_layer(name).get_config()
        for name in ("first_adl", "second_adl")
    ]
    assert [config["seed"] for config in configs] == [5, 6]
    assert {config["gamma"] for config in configs} == {0.9}
    assert {config["drop_rate"] for config in configs} == {0.5}


def test_any_layer_can_be_inserted():
    model = functional()
    asked = []

    def make_layer(before):
        asked.append(before)
        return layers.Rescaling(2.0, name=f"{before.name}_twice")

    edited = insert_after(model, ["second"], make_layer)
    assert asked == [model.get_layer("second")]
    np.testing.assert_allclose(
        edited(noise_images()), 2 * model(noise_images()), rtol=1e-6
    )


@pytest.mark.parametrize("make", [functional, nested_functional])
def test_trainable_flags_are_kept(make):
    model = make()
    all_layers(model)["first"].trainable = False
    edited = insert_adl(model, ["second"])
    frozen = {
        name
        for name, layer in all_layers(edited).items()
        if not layer.trainable
    }
    assert frozen == {"first"}
    assert len(edited.trainable_weights) == len(model.trainable_weights)


def test_frozen_model_stays_frozen():
    model = functional()
    model.trainable = False
    edited = insert_adl(model, ["second"])
    assert edited.trainable_weights == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "after", "inside"),
    [
        ("DenseNet121", ["pool3_relu", "conv4_block1_1_relu", "relu"], True),
        ("EfficientNetV2B0", "block[56]a_.*activation|top_activation", False),
    ],
)
def test_insertion_into_keras_applications(name, after, inside):
    """As they are, and nested in another model."""
    model = getattr(keras.applications, name)(
        weights=None, input_shape=(64, 64, 3), classes=5
    )
    generator = np.random.default_rng(0)
    for layer in all_layers(model).values():
        if isinstance(layer, layers.BatchNormalization):
            shape = layer.moving_mean.shape
            layer.moving_mean.assign(generator.normal(0, 0.1, shape))
            layer.moving_variance.assign(generator.uniform(0.5, 1.5, shape))
    if inside:
        inputs = keras.Input((64, 64, 3))
        model = keras.Model(inputs, layers.Activation("linear")(model(inputs)))
    edited = insert_adl(model, after, gamma=0.9)
    assert len(adl_names(edited)) >= 3
    images = generator.uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    expected = keras.ops.convert_to_numpy(model(images, training=False))
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(edited(images, training=False)),
        expected,
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("ours", "others"),
    [("float32", "mixed_float16"), ("mixed_float16", "float32")],
)
def test_number_format_is_that_of_the_place(ours, others):
    """Whatever the program has set for layers since."""
    try:
        keras.config.set_dtype_policy(ours)
        model = functional()
        keras.config.set_dtype_policy(others)
        edited = insert_adl(model, ["first"])
        chosen = insert_adl(model, ["first"], dtype="bfloat16")
    finally:
        keras.config.set_dtype_policy("float32")
    layer = edited.get_layer("first_adl")
    before = edited.get_layer("first")
    assert layer.output.dtype == before.output.dtype
    outputs = layer(before(noise_images()), training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == layer.output.dtype
    assert chosen.get_layer("first_adl").compute_dtype == "bfloat16"


def own_loss(labels, answers):
    return keras.ops.mean(keras.ops.square(labels - answers))


@pytest.mark.parametrize("loss", ["mse", own_loss])
@pytest.mark.parametrize("make", [sequential, functional])
def test_copy_is_not_compiled(make, loss):
    model = make()
    model.compile("sgd", loss)
    assert not insert_adl(model, ["first"]).compiled
    assert model.compiled


def test_data_format_is_that_of_the_place():
    first = layers.Permute((3, 1, 2))
    inner = keras.Sequential(
        [
            keras.Input((3, 8, 8)),
            conv("first", data_format="channels_first"),
            layers.ReLU(name="relu"),
        ]
    )
    inputs = keras.Input((8, 8, 3))
    hidden = layers.ReLU(name="outside")(inner(first(inputs)))
    last = layers.ReLU(name="last")(layers.Permute((2, 3, 1))(hidden))
    model = keras.Model(inputs, last)
    after = ["first", "relu", "outside", "last"]
    found = all_layers(insert_adl(model, after))
    assert [found[f"{name}_adl"].data_format for name in after] == [
        *3 * ["channels_first"],
        "channels_last",  # unknown, hence the program's
    ]
    asked = insert_adl(model, "outside", data_format="channels_last")
    assert asked.get_layer("outside_adl").data_format == "channels_last"


def shared_by_submodel_and_model():
    """`first` is in the inner model, and called by the outer one, too."""
    inner = functional("inner")
    inputs = keras.Input(SHAPE)
    features = conv("before", 3)(inputs)
    both = layers.Add()([inner(features), inner.get_layer("first")(features)])
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(both))


def test_layer_shared_by_submodel_and_model_stays_shared():
    model = shared_by_submodel_and_model()
    edited = insert_adl(model, ["second"])
    assert edited.count_params() == model.count_params()
    assert len(edited.trainable_weights) == len(model.trainable_weights)
    assert edited.get_layer("first") is edited.get_layer("inner").get_layer(
        "first"
    )
    assert_same_outputs(edited, model)
    edited.get_layer("first").bias.assign_add(np.ones(4))
    model.get_layer("first").bias.assign_add(np.ones(4))
    assert_same_outputs(edited, model)


def test_layer_shared_by_two_submodels_stays_shared():
    shared = conv("shared", 3)
    inputs = keras.Input(SHAPE)
    inner = [
        keras.Sequential([keras.Input(SHAPE), shared, conv(f"own_{name}")])
        for name in "ab"
    ]
    model = keras.Model(
        inputs, layers.Concatenate()([each(inputs) for each in inner])
    )
    edited = insert_adl(model, "shared", drop_rate=1.0, gamma=0.0)
    assert adl_names(edited) == ["shared_adl"]
    assert edited.count_params() == model.count_params()
    assert_same_outputs(edited, model)
    # ADL at both places: what is left are the biases.
    outputs = np.array(edited(noise_images(), training=True))
    assert np.ptp(outputs, axis=(0, 1, 2)).max() < 1e-6


@pytest.mark.parametrize("frozen", ["model", "inner", "layer"])
def test_nested_trainable_flags_are_kept(frozen):
    model = nested_functional()
    inner = model.get_layer("inner")
    chosen = {
        "model": model,
        "inner": inner,
        "layer": inner.get_layer("first"),
    }[frozen]
    chosen.trainable = False
    if frozen == "inner":
        inner.get_layer("second").trainable = True
    edited = insert_adl(model, ["second"])
    assert edited.trainable == model.trainable
    ours, theirs = all_layers(edited), all_layers(model)
    for name, layer in theirs.items():
        if name in ours:
            assert ours[name].trainable == layer.trainable, name
    assert [w.path for w in edited.trainable_weights] == [
        w.path for w in model.trainable_weights
    ]
    # A frozen model does not come back to life with the layers in it.
    edited.trainable = model.trainable = True
    assert len(edited.trainable_weights) == len(model.trainable_weights)


class Unknown:
    """Not of those that Keras can write into a configuration."""


class Unconfigured(layers.Layer):
    """It has no configuration, as Keras cannot write its argument."""

    def __init__(self, unknown, **kwargs):
        super().__init__(**kwargs)
        self.unknown = unknown

    def call(self, inputs):
        return inputs


class Incomplete(Unconfigured):
    """Its configuration lacks an argument."""

    def get_config(self):
        return {"name": self.name}


class BuiltElsewhere(layers.Layer):
    """Its weights depend on what its configuration does not say."""

    def __init__(self, count=0, **kwargs):
        super().__init__(**kwargs)
        for number in range(count):
            self.add_weight(shape=(1,), name=f"weight_{number}")

    def call(self, inputs):
        return inputs

    def get_config(self):
        return {"name": self.name}


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (Unconfigured(Unknown(), name="odd"), "Unconfigured"),
        (Incomplete(Unknown(), name="odd"), "deserializing"),
        (BuiltElsewhere(2, name="odd"), "2"),
    ],
)
def test_model_that_cannot_be_rebuilt_is_refused(layer, reason):
    model = keras.Sequential(
        [keras.Input(SHAPE), conv("first"), layer], name="vit"
    )
    with pytest.raises(ValueError) as caught:
        insert_adl(model, ["first"])
    message = str(caught.value)
    assert message.startswith(
        f"Model 'vit' cannot be edited: layer 'odd' of class "
        f"{type(layer).__name__} cannot be rebuilt from its configuration ("
    )
    assert reason in message and "\n" not in message
