"""Editing Keras graphs."""

import keras
import numpy as np
import pytest
from keras import layers

from adl_tf.layers.adl import ADLLayer
from adl_tf.methods.adl import insert_adl
from adl_tf.models.surgery import (
    edit_layers,
    insert_after,
    layer_names,
    remove_layers,
)

SHAPE = (8, 8, 3)


def conv(name, filters=4, **arguments):
    return layers.Conv2D(
        filters,
        3,
        padding="same",
        activation="relu",
        bias_initializer="random_normal",
        name=name,
        **arguments,
    )


def sequential(name="sequential"):
    return keras.Sequential(
        [keras.Input(SHAPE), conv("first"), conv("second")], name=name
    )


def functional(name="functional"):
    inputs = keras.Input(SHAPE)
    hidden = conv("first")(inputs)
    hidden = layers.BatchNormalization(
        name="norm", beta_initializer="random_normal"
    )(hidden)
    return keras.Model(inputs, conv("second")(hidden), name=name)


def nested(inner):
    inputs = keras.Input(SHAPE)
    features = inner(conv("before", 3)(inputs))
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(features))


def nested_functional():
    return nested(functional("inner"))


def nested_sequential():
    return nested(sequential("inner"))


def shared_layer():
    inputs = keras.Input(SHAPE)
    shared = conv("first", 3)
    return keras.Model(inputs, conv("second")(shared(shared(inputs))))


def shared_nested_model():
    inputs = keras.Input(SHAPE)
    inner = sequential("inner")
    return keras.Model(
        inputs, layers.Concatenate()([inner(inputs), inner(inputs[:, ::-1])])
    )


def parallel_branches():
    """Two branches of the same shapes, one of which gets one layer deeper.

    Keras orders the layers of a graph by their depth, so insertion changes
    which branch comes first in `model.weights`.
    """
    inputs = keras.Input(SHAPE)
    left = conv("first")(inputs)
    left = conv("left")(left)
    right = conv("second")(inputs)
    right = conv("right")(right)
    return keras.Model(inputs, layers.Subtract()([right, left]))


def pictures():
    values = np.random.default_rng(0).normal(size=(2, *SHAPE))
    return values.astype("float32")


def all_layers(model):
    found = {}
    for layer in model.layers:
        found[layer.name] = layer
        if isinstance(layer, keras.Model):
            found.update(all_layers(layer))
    return found


def adl_names(model):
    return sorted(
        name
        for name, layer in all_layers(model).items()
        if isinstance(layer, ADLLayer)
    )


def assert_same_outputs(model, other):
    outputs, expected = (
        keras.ops.convert_to_numpy(each(pictures(), training=False))
        for each in (model, other)
    )
    assert outputs.shape == expected.shape
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


def assert_same_weights(layer, other):
    assert len(layer.weights) == len(other.weights)
    for weight, expected in zip(layer.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(weight, expected)


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
        edited(pictures(), training=True), model(pictures(), training=True)
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

    def call(pictures):
        features = np.array(first(pictures))
        attention = features.mean(axis=3, keepdims=True)
        strongest = attention.max(axis=(1, 2), keepdims=True)
        return features * (attention < 0.5 * strongest)

    np.testing.assert_allclose(
        edited(pictures(), training=True),
        second(call(call(pictures()))),
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["first"], ["first_adl"]),
        (["second", "norm"], ["norm_adl", "second_adl"]),
        ("first|second", ["first_adl", "second_adl"]),
        (".*o.*", ["before_adl", "norm_adl", "second_adl"]),
        # A whole name has to match.
        ("fir.t", ["first_adl"]),
    ],
)
def test_choice_of_layers(names, expected):
    inputs = keras.Input(SHAPE, name="image")
    hidden = conv("before", 3)(inputs)
    outputs = functional("inner")(hidden)
    model = keras.Model(inputs, layers.Flatten(name="flat")(outputs))
    assert adl_names(insert_adl(model, names)) == expected


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

    def make_layer(name):
        asked.append(name)
        return layers.Rescaling(2.0, name=f"{name}_twice")

    edited = insert_after(model, ["second"], make_layer)
    assert asked == ["second"]
    np.testing.assert_allclose(
        edited(pictures()), 2 * model(pictures()), rtol=1e-6
    )


@pytest.mark.parametrize("make", [nested_functional, nested_sequential])
def test_layer_names_enter_nested_models(make):
    named = {"before", "inner", "first", "second"}
    names = [name for name in layer_names(make()) if name in named]
    assert names == ["before", "inner", "first", "second"]


@pytest.mark.parametrize("edit", ["insert", "change"])
def test_unknown_name_suggests(edit):
    with pytest.raises(ValueError, match="'secnd'.*Did you mean second"):
        if edit == "insert":
            insert_adl(functional(), ["first", "secnd"])
        else:
            edit_layers(functional(), {"secnd": {}})


def test_unlike_name_lists_the_layers():
    with pytest.raises(ValueError, match="first, norm, second"):
        insert_adl(functional(), ["block7"])


def test_pattern_without_match():
    with pytest.raises(ValueError, match="matches 'irst'") as caught:
        insert_adl(functional(), "irst")
    assert "first, norm, second" in str(caught.value)


@pytest.mark.parametrize("names", [["image"], "image"])
def test_input_layer_is_refused(names):
    inputs = keras.Input(SHAPE, name="image")
    with pytest.raises(ValueError, match="image"):
        insert_adl(keras.Model(inputs, conv("first")(inputs)), names)


def test_a_second_layer_at_one_place_is_refused():
    once = insert_adl(nested_functional(), ["first"])
    with pytest.raises(ValueError, match="'first' .*by 'first_adl' alrea"):
        insert_adl(once, ["first"])
    with pytest.raises(ValueError, match="'first' .* named twice"):
        insert_adl(functional(), ["first"] * 2)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("*relu", "'\\*relu' is not a regular expression"),
        ([], "No layer was named"),
        ([-3], "by name. Received: -3"),
    ],
)
def test_names_that_cannot_be_meant(names, words):
    with pytest.raises(ValueError, match=words):
        insert_adl(functional(), names)


def test_place_where_the_layer_does_not_fit():
    inputs = keras.Input(SHAPE)
    outputs = layers.Dense(5, name="answer")(layers.Flatten()(inputs))
    with pytest.raises(
        ValueError, match=r"'answer', whose output is \(None, 5\).*ndim=4"
    ) as caught:
        insert_adl(keras.Model(inputs, outputs), "answer")
    assert "\n" not in str(caught.value)


def test_subclassed_model_is_refused():
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.first = conv("first")

        def call(self, inputs):
            return self.first(inputs)

    model = Subclassed()
    model(pictures())
    with pytest.raises(ValueError, match="Only functional and Sequential"):
        insert_adl(model, ["first"])


def test_unbuilt_sequential_is_refused():
    with pytest.raises(ValueError, match="has not been built"):
        insert_adl(keras.Sequential([conv("first")]), ["first"])


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


@pytest.mark.parametrize("make", [sequential, functional, nested_functional])
def test_edited_stride(make):
    model = make()
    edited = edit_layers(model, {"second": {"strides": (2, 2)}})
    assert all_layers(edited)["second"].strides == (2, 2)
    assert all_layers(model)["second"].strides == (1, 1)
    for name in ("first", "second"):
        assert_same_weights(all_layers(edited)[name], all_layers(model)[name])


def test_edited_stride_subsamples():
    inputs = keras.Input(SHAPE)
    model = keras.Model(inputs, layers.Conv2D(4, 1, name="conv")(inputs))
    edited = edit_layers(model, {"conv": {"strides": (2, 2)}})
    np.testing.assert_allclose(
        edited(pictures()), model(pictures())[:, ::2, ::2], atol=1e-6
    )


def test_normalization_goes_on_with_its_weights():
    normalization = layers.Normalization(name="normalization")
    model = keras.Sequential([keras.Input(SHAPE), normalization])
    normalization.adapt(10 * pictures() + 3)
    edited = edit_layers(model, {})
    assert_same_outputs(edited, model)
    assert np.abs(edited(pictures()) - pictures()).max() > 0.1


def test_removed_layer_is_passed_by():
    inputs = keras.Input(SHAPE)
    hidden = conv("first")(inputs)
    pooled = layers.MaxPooling2D(2, name="pool")(hidden)
    model = keras.Model(inputs, conv("second")(pooled))
    edited = remove_layers(model, ["pool"])
    assert layer_names(edited) == ["first", "second"]
    assert edited.output_shape == (None, *SHAPE[:2], 4)
    first, second = model.get_layer("first"), model.get_layer("second")
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(edited(pictures())),
        keras.ops.convert_to_numpy(second(first(pictures()))),
        atol=1e-6,
    )
    with pytest.raises(ValueError, match="no layer 'pol'.*pool"):
        remove_layers(model, ["pol"])


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
