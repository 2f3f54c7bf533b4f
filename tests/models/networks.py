"""Images, weights and weight files that networks are compared by."""

import h5py
import numpy as np


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


def weights_of(model):
    return {
        layer.name: layer.get_weights()
        for layer in model.layers
        if layer.weights
    }


def noise_images(size):
    """A constant colour, and noise."""
    constant = np.broadcast_to([200.0, 100.0, 50.0], (size, size, 3))
    noise = np.random.default_rng(0).uniform(0, 255, (size, size, 3))
    return np.stack([constant, noise]).astype("float32")


def softmax(logits):
    exponential = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    return exponential / exponential.sum(axis=1, keepdims=True)


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
