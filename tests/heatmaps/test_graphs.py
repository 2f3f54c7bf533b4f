"""Graphs that cannot be cut in two, the logits of any end, and refusals."""

import gc

import keras
import numpy as np
import pytest
from keras import layers, ops

from adl_tf.heatmaps.cam import CAM
from adl_tf.heatmaps.grad_cam import GradCAM
from adl_tf.heatmaps.hires_cam import HiResCAM
from adl_tf.methods.build import build_model
from tests.heatmaps.small_network import (
    InNumPy,
    noise_images,
    one_hot,
    small_network,
)

CLASS_IDS = np.array([3, 1])


def numpy_of(tensor):
    return ops.convert_to_numpy(tensor)


def drawn_weights(model, seed=1):
    generator = np.random.default_rng(seed)
    model.set_weights(
        [generator.normal(0, 0.4, w.shape) for w in model.get_weights()]
    )
    return model


def conv(name, filters=3):
    return layers.Conv2D(
        filters, 3, padding="same", activation="tanh", name=name
    )


def by_differences(model, layer, images, class_ids, shift_layer):
    """HiResCAM, from the change of logits when features are shifted.

    `shift_layer` adds what it is told to the features.
    """
    features = numpy_of(
        keras.Model(model.inputs, model.get_layer(layer).output)(images)
    )
    maps = np.zeros(features.shape[:3])
    rows = np.arange(len(features))
    for y, x, k in np.ndindex(features.shape[1:]):
        change = 0.0
        for sign in (1, -1):
            shift = np.zeros(features.shape[1:], "float32")
            shift[y, x, k] = sign * 1e-2
            shift_layer.shift.assign(shift)
            logits = numpy_of(model(images, training=False))
            change = change + sign * logits[rows, class_ids]
        maps[:, y, x] += change / 2e-2 * features[:, y, x, k]
    shift_layer.shift.assign(np.zeros(features.shape[1:], "float32"))
    return maps


class Shift(layers.Layer):
    """Adds a constant that a test sets."""

    def build(self, shape):
        self.shift = self.add_weight(
            shape=shape[1:], initializer="zeros", name="shift"
        )

    def call(self, features):
        return features + self.shift


def branched(kind, shifted):
    """A network in which the layer `features` has a way round it."""
    inputs = keras.Input((5, 5, 3))
    hidden = conv("stem")(inputs)
    features = shifted(conv("before")(hidden))
    if kind == "residual":
        last = layers.Add()([hidden, conv("after")(features)])
        pooled = layers.GlobalAveragePooling2D()(last)
    elif kind == "parallel":
        last = layers.Concatenate()([conv("other")(hidden), features])
        pooled = layers.GlobalAveragePooling2D()(last)
    else:  # two stages are pooled
        pooled = layers.Concatenate()(
            [
                layers.GlobalAveragePooling2D()(features),
                layers.GlobalAveragePooling2D()(conv("after")(features)),
                layers.GlobalAveragePooling2D()(hidden),
            ]
        )
    hidden = layers.Dense(6, activation="tanh")(pooled)
    model = keras.Model(inputs, layers.Dense(4)(hidden))
    drawn = drawn_weights(model)
    shifted.shift.assign(np.zeros((5, 5, 3), "float32"))
    return drawn


@pytest.mark.parametrize("kind", ["residual", "parallel", "two_stages"])
def test_a_layer_with_a_way_round_it(kind):
    shifted = Shift(name="features")
    model = branched(kind, shifted)
    images = np.random.default_rng(2).random((2, 5, 5, 3), np.float32)
    expected = by_differences(model, "features", images, CLASS_IDS, shifted)
    maps = numpy_of(HiResCAM(model, layer="features")(images, CLASS_IDS))
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(
        maps, expected, rtol=1e-2, atol=1e-2 * np.abs(expected).max()
    )


def test_default_layer_is_one_that_all_paths_pass():
    model = branched("parallel", Shift(name="features"))
    images = np.random.default_rng(2).random((2, 5, 5, 3), np.float32)
    joined = next(each.name for each in model.layers if "concat" in each.name)
    np.testing.assert_array_equal(
        numpy_of(GradCAM(model)(images, CLASS_IDS)),
        numpy_of(GradCAM(model, layer=joined)(images, CLASS_IDS)),
    )
    model = branched("two_stages", Shift(name="features"))
    np.testing.assert_array_equal(
        numpy_of(GradCAM(model)(images, CLASS_IDS)),
        numpy_of(GradCAM(model, layer="stem")(images, CLASS_IDS)),
    )


def test_images_with_metadata_and_two_outputs():
    image = keras.Input((6, 6, 2), name="image")
    age = keras.Input((1,), name="age")
    features = conv("features")(image)
    pooled = layers.GlobalAveragePooling2D()(features)
    joined = layers.Concatenate()([pooled, age])
    kinds = layers.Dense(4, name="kind")(joined)
    sizes = layers.Dense(2, name="size", activation="softmax")(joined)
    model = drawn_weights(keras.Model([image, age], [kinds, sizes]))
    with pytest.raises(ValueError, match="2 outputs, kind, size"):
        GradCAM(model)([noise_images(), np.ones((2, 1))])
    with pytest.raises(ValueError, match="one of kind, size"):
        GradCAM(model, output="shape")([noise_images(), np.ones((2, 1))])
    with pytest.raises(ValueError, match="2 inputs, image, age"):
        GradCAM(model, output=0)(noise_images()[None])
    values = numpy_of(
        keras.Model(image, features)(noise_images(), training=False)
    )
    for output, class_ids in (("kind", [3, 1]), ("size", [1, 0])):
        kernel = model.get_layer(output).get_weights()[0][:3]
        expected = np.einsum("bhwc,cb->bhw", values, kernel[:, class_ids]) / 36
        for given in (
            [noise_images(), np.ones((2, 1), "float32")],
            {"image": noise_images(), "age": np.ones((2, 1), "float32")},
        ):
            maps = GradCAM(model, output=output)(given, class_ids)
            np.testing.assert_allclose(numpy_of(maps), expected, atol=1e-6)


def ends(logits):
    """Models that go on from logits, by name."""
    return {
        "ops.softmax": ops.softmax(logits),
        "activations.softmax": keras.activations.softmax(logits),
        "ops.sigmoid": ops.sigmoid(logits),
        "softmax, reshape": layers.Reshape((4,))(layers.Softmax()(logits)),
        "softmax, linear": layers.Activation("linear")(
            layers.Activation("softmax")(logits)
        ),
        "softmax, dropout": layers.Dropout(0.5)(layers.Softmax()(logits)),
        "log_softmax": ops.log_softmax(logits),
        "nothing": layers.Activation("linear")(logits),
    }


@pytest.mark.parametrize("name", ends(keras.KerasTensor((None, 4))))
def test_logits_are_found(name):
    model = small_network()
    plain = InNumPy(model)
    images = noise_images()
    gradient = plain.gradient(images, one_hot(CLASS_IDS))
    expected = (plain.features(images) * gradient).sum(-1)
    ended = keras.Model(model.inputs, ends(model.outputs[0])[name])
    maps = numpy_of(HiResCAM(ended, layer="features")(images, CLASS_IDS))
    np.testing.assert_allclose(maps, expected, rtol=1e-3, atol=1e-5)


def test_ends_that_may_hide_a_softmax_are_refused():
    model = small_network()

    def softmax_of_ones_own(values):
        return ops.softmax(values)

    hidden = layers.Lambda(lambda values: ops.softmax(values), name="hidden")
    ended = keras.Model(model.inputs, hidden(model.outputs[0]))
    with pytest.raises(ValueError, match="Lambda layer 'hidden'"):
        GradCAM(ended)(noise_images())
    own = layers.Activation(softmax_of_ones_own, name="own")
    ended = keras.Model(model.inputs, own(model.outputs[0]))
    with pytest.raises(ValueError, match="of layer 'own' is not one of Keras"):
        GradCAM(ended)(noise_images())

    class Certain(layers.Layer):
        def call(self, values):
            return ops.softmax(values)

    ended = keras.Model(model.inputs, Certain(name="x")(model.outputs[0]))
    with pytest.raises(ValueError, match="'x', which comes last, answers"):
        GradCAM(ended)(noise_images())


def test_both_classes_of_a_sigmoid():
    model = small_network()
    plain = InNumPy(model)
    one = layers.Dense(1, activation="sigmoid", name="one")
    outputs = one(model.layers[-2].output)
    binary = keras.Model(model.inputs, outputs)
    kernel = np.float64(one.get_weights()[0])
    slope = 1 - plain.hidden(plain.features(noise_images())) ** 2
    features = plain.features(noise_images())
    gradient = (kernel[:, 0] * slope) @ plain.w1.T
    expected = (features * gradient.reshape(features.shape)).sum(-1)
    heatmap = HiResCAM(binary)
    np.testing.assert_allclose(
        numpy_of(heatmap(noise_images(), [1, 0])),
        expected * [[[1]], [[-1]]],
        rtol=1e-3,
        atol=1e-6,
    )
    predicted = numpy_of(binary(noise_images()))[:, 0] > 0.5
    np.testing.assert_array_equal(
        numpy_of(heatmap(noise_images())),
        numpy_of(heatmap(noise_images(), predicted.astype(int))),
    )
    with pytest.raises(ValueError, match="integers from 0 to 1"):
        heatmap(noise_images(), [0, 2])


def test_the_model_is_unchanged_after_many_calls():
    model = small_network(activation="softmax")
    before = model.get_weights()
    nodes = [len(each._inbound_nodes) for each in model.layers]
    attributes = [set(vars(each)) for each in model.layers]
    heatmap = GradCAM(model)
    heatmap(noise_images())
    gc.collect()
    objects = len(gc.get_objects())
    for _ in range(100):
        heatmap(noise_images(), CLASS_IDS)
    gc.collect()
    assert len(gc.get_objects()) - objects < 5000
    assert [len(each._inbound_nodes) for each in model.layers] == nodes
    assert [set(vars(each)) for each in model.layers] == attributes
    for weight, same in zip(model.get_weights(), before):
        np.testing.assert_array_equal(weight, same)
    assert model.layers[-1].activation is keras.activations.softmax


def test_weights_that_change_count_at_the_next_call():
    model = small_network()
    heatmap = GradCAM(model)
    first = numpy_of(heatmap(noise_images(), CLASS_IDS))
    model.set_weights([2 * each for each in model.get_weights()])
    changed = numpy_of(heatmap(noise_images(), CLASS_IDS))
    assert not np.allclose(first, changed)
    np.testing.assert_allclose(
        changed, numpy_of(GradCAM(model)(noise_images(), CLASS_IDS)), rtol=1e-5
    )


def test_the_model_is_as_it_was_after_an_error():
    model = small_network()
    attributes = [set(vars(each)) for each in model.layers]
    with pytest.raises(ValueError, match="expected shape"):
        GradCAM(model)(np.zeros((1, 6, 6, 5), "float32"))
    assert [set(vars(each)) for each in model.layers] == attributes


def test_layer_that_the_output_does_not_depend_on():
    inputs = keras.Input((6, 6, 2))
    used, unused = conv("used")(inputs), conv("unused")(inputs)
    outputs = [
        layers.Dense(3, name=name)(layers.GlobalAveragePooling2D()(each))
        for name, each in (("a", used), ("b", unused))
    ]
    model = keras.Model(inputs, outputs)
    with pytest.raises(ValueError, match="'unused' has nothing to do with"):
        GradCAM(model, layer="unused", output="a")(noise_images())


def test_acol():
    model = build_model("small_cnn", "acol", 3, None, (32, 32, 3))
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3))
    maps = numpy_of(GradCAM(model, layer="acol_a_maps")(images, [2, 1]))
    features = numpy_of(
        keras.Model(model.inputs, model.get_layer("acol_a_maps").output)(images)
    )
    expected = np.stack([features[0, ..., 2], features[1, ..., 1]])
    places = np.prod(expected.shape[1:])
    np.testing.assert_allclose(maps, expected / places, rtol=1e-4, atol=1e-7)
    assert np.ptp(numpy_of(GradCAM(model)(images, [2, 1]))) > 0


@pytest.mark.parametrize("last", ["dense", "convolution", "softmax", "one"])
def test_cam_of_any_classifier_that_pools(last):
    inputs = keras.Input((6, 6, 2))
    features = conv("features")(inputs)
    keep = last == "convolution"
    pooled = layers.GlobalAveragePooling2D(keepdims=keep)(features)
    pooled = layers.Dropout(0.3)(pooled)
    if keep:
        logits = layers.Flatten()(layers.Conv2D(4, 1, name="head")(pooled))
    else:
        activation = {"softmax": "softmax", "one": "sigmoid"}.get(last)
        count = 1 if last == "one" else 4
        logits = layers.Dense(count, activation=activation, name="head")(pooled)
    model = drawn_weights(keras.Model(inputs, logits))
    kernel = model.get_layer("head").get_weights()[0].reshape(3, -1)
    class_ids = [1, 0] if last == "one" else CLASS_IDS
    if last == "one":
        kernel = np.concatenate([-kernel, kernel], axis=1)
    values = numpy_of(keras.Model(inputs, features)(noise_images()))
    expected = np.einsum("bhwc,cb->bhw", values, kernel[:, class_ids])
    maps = numpy_of(CAM(model)(noise_images(), class_ids))
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-6)


def test_cam_says_what_it_needs():
    with pytest.raises(ValueError, match="ends in `GlobalAveragePooling2D`"):
        CAM(small_network())(noise_images())
    with pytest.raises(ValueError, match="`GradCAM` takes any layer"):
        CAM(small_network(), layer="features")


def test_mixed_precision():
    """In half precision as in full, but for its rounding."""
    full = small_network()
    expected = numpy_of(HiResCAM(full)(noise_images(), CLASS_IDS))
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = small_network()
    finally:
        keras.config.set_dtype_policy("float32")
    maps = HiResCAM(half)(noise_images(), CLASS_IDS)
    assert keras.backend.standardize_dtype(maps.dtype) == "float32"
    np.testing.assert_allclose(
        numpy_of(maps), expected, atol=0.02 * np.abs(expected).max()
    )
