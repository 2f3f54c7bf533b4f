"""A small network whose head is not linear, in Keras and in NumPy."""

import cv2
import keras
import numpy as np
from keras import layers

CLASSES = 4
SIDE = 6


def small_network(**last):
    inputs = keras.Input((SIDE, SIDE, 2))
    features = layers.Conv2D(3, 3, activation="relu", name="features")(inputs)
    hidden = layers.Dense(5, activation="tanh")(layers.Flatten()(features))
    model = keras.Model(inputs, layers.Dense(CLASSES, **last)(hidden))
    generator = np.random.default_rng(1)
    model.set_weights(
        [
            generator.normal(0, 0.3, weight.shape) + 0.1
            for weight in model.get_weights()
        ]
    )
    return model


def noise_images(count=2):
    shape = (count, SIDE, SIDE, 2)
    return np.random.default_rng(0).uniform(0, 1, shape).astype("float32")


class InNumPy:
    """The same network, its features and their gradients, in float64."""

    def __init__(self, model):
        weights = [np.float64(each) for each in model.get_weights()]
        self.kernel, self.bias, self.w1, self.b1, self.w2, self.b2 = weights

    def features(self, images):
        side = SIDE - 2
        values = np.zeros((len(images), side, side, 3))
        for y, x in np.ndindex(side, side):
            patch = np.float64(images[:, y : y + 3, x : x + 3])
            values[:, y, x] = np.einsum("bhwc,hwcd->bd", patch, self.kernel)
        return np.maximum(values + self.bias, 0)

    def hidden(self, features):
        return np.tanh(features.reshape(len(features), -1) @ self.w1 + self.b1)

    def head(self, features):
        return self.hidden(features) @ self.w2 + self.b2

    def logits(self, images):
        return self.head(self.features(images))

    def gradient(self, images, direction):
        """Gradient of the logits times `direction` `(batch, classes)`."""
        features = self.features(images)
        slope = 1 - self.hidden(features) ** 2
        found = ((direction @ self.w2.T) * slope) @ self.w1.T
        return found.reshape(features.shape)


def one_hot(class_ids):
    return np.eye(CLASSES)[class_ids]


def softmax(values):
    exponential = np.exp(values - values.max(-1, keepdims=True))
    return exponential / exponential.sum(-1, keepdims=True)


def enlarged(values):
    """A map `(h, w)` of the size of the image, stretched to [0, 1]."""
    values = cv2.resize(np.float64(values), (SIDE, SIDE))
    spread = np.ptp(values)
    return (values - values.min()) / (spread if spread > 0 else 1)
