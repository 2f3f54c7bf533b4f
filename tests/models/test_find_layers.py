"""Which layers are meant by names, and what cannot be meant."""

import keras
import pytest
from keras import layers

from adl_tf.methods.adl import insert_adl
from adl_tf.models.surgery import edit_layers, layer_names
from tests.models.graphs import (
    SHAPE,
    adl_names,
    conv,
    functional,
    nested_functional,
    nested_sequential,
    noise_images,
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
        (-3, "by name. Received: -3"),
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
    model(noise_images())
    with pytest.raises(ValueError, match="Only functional and Sequential"):
        insert_adl(model, ["first"])


def test_unbuilt_sequential_is_refused():
    with pytest.raises(ValueError, match="has not been built"):
        insert_adl(keras.Sequential([conv("first")]), ["first"])
