"""A classifier that gives logits together with features and gradients."""

import copy
import functools
import itertools

import keras
from keras import ops

from adl_tf.heatmaps import taps
from adl_tf.heatmaps.errors import HeatmapError
from adl_tf.heatmaps.graph import Graph
from adl_tf.heatmaps.logits import find_logits, two_columns
from adl_tf.heatmaps.places import find_place, to_grid

# Numbers of channels that images have.
_CHANNELS = (1, 3, 4)


class Probe:
    """Logits, features and gradients of a classifier, for given input shapes.

    The model is run as it is; the features are read, and replaced, as it runs.

    Attributes:
        graph: `Graph` of the model.
        logits: `Logits`.
        target: Keras tensor of `graph` that the logits are.
        num_classes: Number of classes; 2 for a classifier with one output.

    Args:
        model: Functional Keras model.
        layers: List of names of layers, and `None` for the default.
        output: Name or index of the output to use, or `None` for the
            only one.
        shapes: List of the shapes of the inputs, without the batch.

    Raises:
        ValueError: If there is no such layer or output, or the logits are not
            found.
    """

    def __init__(self, model, layers, output, shapes):
        self.model = model
        self._output = _number_of_output(model, output)
        self.graph = Graph(model, shapes)
        self.logits, self.target = find_logits(
            self.graph, self.graph.outputs[self._output]
        )
        self._image = _number_of_images(shapes)
        lengths = [each for each in self.target.shape[1:] if each != 1]
        self.num_classes = lengths[0] if lengths else 2
        self._layers = layers

    @functools.cached_property
    def places(self):
        """List of `Place` of the features."""
        images = self.graph.inputs[self._image]
        return [
            find_place(self.graph, layer, self.target, images)
            for layer in self._layers
        ]

    def at(self, places):
        """The same model with other features."""
        other = copy.copy(self)
        other.places = places
        return other

    @property
    def channel_axis(self):
        """Axis of the images that holds their channels."""
        first, _, last = self.graph.inputs[self._image].shape[1:]
        if last in _CHANNELS:
            return 3
        if first in _CHANNELS:
            return 1
        last = keras.config.image_data_format() == "channels_last"
        return 3 if last else 1

    @property
    def image_size(self):
        """Height and width of the images."""
        shape = self.graph.inputs[self._image].shape
        return shape[1:3] if self.channel_axis == 3 else shape[2:]

    def images(self, inputs):
        """The images among the inputs, and a function to put others there."""
        flat = keras.tree.flatten(inputs)

        def put(images):
            changed = [*flat]
            changed[self._image] = images
            return keras.tree.pack_sequence_as(inputs, changed)

        return flat[self._image], put

    def is_passed_by_all(self, place):
        """Whether every path from the inputs to the logits passes a place."""
        if len(self.model.inputs) > 1 or len(self.model.outputs) > 1:
            return False
        passed = self.graph.passed_by_all(self.graph.inputs, self.target)
        return any(
            self.graph.calls[each].operation is place.operation
            and self.graph.calls[each].number == place.number
            for each in passed
        )

    def run(self, inputs, actions=()):
        """Runs the model, with some operations replaced.

        Args:
            inputs: Tensors as the model takes them.
            actions: List of tuples `(operation, number, action)`. `action` is
                called at that call of the operation, with the original function
                and its arguments.

        Returns:
            Logits `(batch, num_classes)`.
        """
        found = []
        actions = [*actions]
        if self.logits.operation is not None:
            action = self.logits.action(found.append)
            actions.append((self.logits.operation, self.logits.number, action))
        by_operation = {}
        for operation, number, action in actions:
            by_operation.setdefault(operation, []).append((number, action))
        handlers = {
            operation: _handler(operation, those)
            for operation, those in by_operation.items()
        }
        with taps.intercepted(handlers):
            outputs = self.model(inputs, training=False)
        if not found:
            found.append(keras.tree.flatten(outputs)[self._output])
        return two_columns(found[-1])

    def features(self, inputs):
        """Features of every place, and the logits.

        Args:
            inputs: Tensors as the model takes them.

        Returns:
            Tuple of a list of float32 tensors `(batch, h, w, channels)` and
            logits `(batch, num_classes)`.
        """
        order = []
        tensors, logits = taps.forward(
            lambda tap: self._tapped(inputs, tap, order, lambda logits: 0.0)
        )
        return self._grids(tensors, order), logits

    def gradients(self, inputs, score):
        """Features of every place, and the gradients of a score there.

        Args:
            inputs: Tensors as the model takes them.
            score: Function from logits `(batch, num_classes)` to a number.

        Returns:
            Tuple of the features and the gradients, lists of float32 tensors
            `(batch, h, w, channels)`, and logits `(batch, num_classes)`.
        """
        order = []
        found, tensors, logits = taps.gradients(
            lambda tap: self._tapped(inputs, tap, order, score)
        )
        return (
            self._grids(tensors, order),
            self._grids(found, order),
            logits,
        )

    def _tapped(self, inputs, tap, order, score):
        order.clear()  # JAX runs it twice.

        def numbered(number):
            def note(tensor):
                order.append(number)
                return tap(tensor)

            return note

        logits = self.run(
            inputs,
            [
                (place.operation, place.number, place.action(numbered(number)))
                for number, place in enumerate(self.places)
            ],
        )
        return score(logits), logits

    def _grids(self, tensors, order):
        # In the order of the layers' names, not in that of the graph.
        by_number = dict(zip(order, tensors, strict=True))
        return [
            to_grid(by_number[number], place, self.image_size)
            for number, place in enumerate(self.places)
        ]


def one_of(tensors, number):
    """A batch of one, from a structure of batches."""
    return keras.tree.map_structure(
        lambda tensor: ops.take(tensor, number, axis=0)[None], tensors
    )


def repeated(tensors, count):
    """Repeats a structure of batches of one to batches of `count`."""
    return keras.tree.map_structure(
        lambda tensor: ops.broadcast_to(tensor, (count, *tensor.shape[1:])),
        tensors,
    )


def of_classes(values, class_ids):
    """The value of one class in each row.

    Args:
        values: Tensor `(batch, num_classes)`.
        class_ids: Integer tensor `(batch,)`.

    Returns:
        Tensor `(batch,)`.
    """
    chosen = ops.one_hot(class_ids, values.shape[-1], dtype=values.dtype)
    return ops.sum(values * chosen, axis=-1)


def _handler(operation, actions):
    numbers = itertools.count()

    def handle(compute, *arguments, **keywords):
        called = next(numbers)
        for number, action in actions:
            if number is None and called:
                raise HeatmapError(
                    f"Layer '{operation.name}' is called more than once: which "
                    "of its outputs is meant is not known."
                )
            if number in (None, called):
                compute = functools.partial(action, compute)
        return compute(*arguments, **keywords)

    return handle


def _number_of_output(model, output):
    names = list(model.output_names)
    if isinstance(model.output, dict):
        names = sorted(model.output)
    if output is None:
        if len(names) > 1:
            raise HeatmapError(
                f"The model has {len(names)} outputs, {', '.join(names)}: name "
                "the one that heatmaps are to explain, `output`."
            )
        return 0
    if output in names:
        return names.index(output)
    if isinstance(output, int) and 0 <= output < len(names):
        return output
    raise HeatmapError(
        f"`output` must be one of {', '.join(names)}, or its number. "
        f"Received: output={output!r}"
    )


def _number_of_images(shapes):
    found = [number for number, shape in enumerate(shapes) if len(shape) == 3]
    if len(found) != 1:
        raise HeatmapError(
            "Heatmaps need a model with one input of images, `(batch, height, "
            f"width, channels)`: there {_how_many(found)} among its inputs, "
            f"which have the shapes {shapes}"
        )
    return found[0]


def _how_many(found):
    return f"are {len(found)}" if found else "is none"
