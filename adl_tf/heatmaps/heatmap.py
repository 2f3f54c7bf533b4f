"""Base classes of heatmaps: arguments, preparation, several layers."""

import keras
import numpy as np
from keras import ops

from adl_tf.heatmaps.errors import HeatmapError
from adl_tf.heatmaps.logits import look_squashed
from adl_tf.heatmaps.probe import Probe, of_classes
from adl_tf.heatmaps.taps import compiled
from adl_tf.models.surgery import as_functional


class Heatmap:
    """Heatmaps of a classifier, prepared once and called often.

    The model is not changed: its layers, weights and nodes stay as they are,
    and if it is trained in between, the next call uses the new weights.

    Args:
        model: Functional or Sequential Keras classifier, with or without
            models nested in it. If it ends in a softmax or sigmoid, the
            input of that is used.
        layer: Name of the layer whose features are used, or a list of several,
            whose maps are scaled to [0, 1] and averaged. A layer within a
            layer is found by name, too, or by the end of its `path`. `None`:
            the last layer with more than one position that every path from the
            images passes, padding and cropping left out; in a transformer
            the input of the last attention layer.
        output: Name or index of the output to use, for a model with
            several.
        relu: Whether negative values become 0. Without, more of the object
            stays above a threshold after maps are stretched to [0, 1].

    Call arguments:
        images: Images `(batch, height, width, channels)` as `model` takes
            them; of a model with several inputs a list or dictionary of
            these.
        class_ids: Integers `(batch,)`, or `None` for the predicted classes.
            A classifier with one output, a sigmoid's, has the classes 0 and
            1.

    Returns:
        float32 tensor `(batch, h, w)`: one value per feature map position,
        neither enlarged nor stretched.

    Raises:
        ValueError: If there is no such layer, output or class, the logits are
            not found, a map has only one position, or the graph of the model is
            not known (a subclassed model).
    """

    def __init__(self, model, layer=None, output=None, relu=False):
        self.model = as_functional(model)
        one = layer is None or isinstance(layer, str)
        self.layers = [layer] if one else list(layer)
        self.output, self.relu = output, relu
        self._probes, self._compiled = {}, {}

    def __call__(self, images, class_ids=None):
        inputs = self.inputs(images)
        class_ids = self.classes(inputs, class_ids)
        probe = self.probe(inputs)
        if probe not in self._compiled:

            def both(inputs, class_ids):
                return self.logits_and_maps(probe, inputs, class_ids)

            self._compiled[probe] = compiled(self.model, both)
        logits, maps = self._compiled[probe](inputs, class_ids)
        _check_logits(probe, logits)
        return ops.stop_gradient(maps)

    def probabilities_and_maps(self, images, class_ids=None):
        """Both from one pass, within a function that is compiled elsewhere.

        Args:
            images: As for a call, tensors.
            class_ids: As for a call, not checked.

        Returns:
            Tuple of probabilities `(batch, num_classes)` and maps.
        """
        probe = self.probe(images)
        logits, maps = self.logits_and_maps(probe, images, class_ids)
        return probe.logits.probabilities(logits), maps

    def logits_and_maps(self, probe, inputs, class_ids):
        """The computation itself, written in `keras.ops`.

        Args:
            probe: `Probe` of the model.
            inputs: Tensors as the model takes them.
            class_ids: Integer tensor `(batch,)` or `None`.

        Returns:
            Tuple of logits `(batch, num_classes)` and maps `(batch, h, w)`.
        """
        raise NotImplementedError

    def finish(self, maps):
        """Combines the maps of several layers into one map per image.

        Args:
            maps: List of tensors `(batch, h, w)`.

        Returns:
            Tensor `(batch, h, w)` of the size of the largest.
        """
        if self.relu:
            maps = [ops.relu(each) for each in maps]
        if len(maps) == 1:
            return maps[0]
        size = max((tuple(each.shape[1:]) for each in maps), key=np.prod)
        return sum(scaled(resized(each, size)) for each in maps) / len(maps)

    def inputs(self, images):
        """Converts a user's images to tensors that the model takes."""
        model = self.model
        if len(model.inputs) == 1:
            images = ops.convert_to_tensor(images)
            expected = tuple(model.inputs[0].shape)
            if len(images.shape) != len(expected):
                raise HeatmapError(
                    "`images` must be a batch of images, of shape "
                    f"{expected}. Received: images of shape "
                    f"{tuple(images.shape)}"
                )
            return images
        if isinstance(images, dict) and not isinstance(model.input, dict):
            images = [images[tensor.name] for tensor in model.inputs]
        given = keras.tree.map_structure(ops.convert_to_tensor, images)
        if len(keras.tree.flatten(given)) != len(model.inputs):
            raise HeatmapError(
                f"The model has {len(model.inputs)} inputs, "
                f"{', '.join(each.name for each in model.inputs)}, and as many "
                "arrays are needed, in a list or a dictionary by name."
            )
        return given

    def probe(self, inputs):
        """The `Probe` for inputs of these shapes, prepared once."""
        shapes = tuple(
            tuple(tensor.shape[1:]) for tensor in keras.tree.flatten(inputs)
        )
        if shapes not in self._probes:
            self._probes[shapes] = Probe(
                self.model, self.layers, self.output, shapes
            )
        return self._probes[shapes]

    def classes(self, inputs, class_ids):
        """Classes as a tensor, or `None`; raises an error for invalid ones."""
        if class_ids is None:
            return None
        class_ids = np.asarray(class_ids)
        num_classes = self.probe(inputs).num_classes
        count = len(keras.tree.flatten(inputs)[0])
        if (
            class_ids.shape != (count,)
            or class_ids.dtype.kind not in "iu"
            or not np.all((class_ids >= 0) & (class_ids < num_classes))
        ):
            raise HeatmapError(
                f"`class_ids` must be integers from 0 to {num_classes - 1}, "
                f"one an image. Received: class_ids={class_ids.tolist()} for "
                f"{count} images"
            )
        return ops.convert_to_tensor(class_ids.astype("int32"))


class GradientHeatmap(Heatmap):
    """Heatmaps from the features and gradients of one forward pass."""

    def logits_and_maps(self, probe, inputs, class_ids):
        features, gradients, logits = probe.gradients(
            inputs, lambda logits: self.score(logits, class_ids)
        )
        return logits, self.finish(list(map(self.map, features, gradients)))

    def score(self, logits, class_ids):
        """The scalar to differentiate, summed over the batch."""
        return ops.sum(of_classes(logits, chosen(logits, class_ids)))

    def map(self, features, gradient):
        """The formula of the method.

        Args:
            features: float32 tensor `(batch, h, w, channels)`.
            gradient: Gradient of the class's logit there, of the same shape.

        Returns:
            float32 tensor `(batch, h, w)`.
        """
        raise NotImplementedError


def chosen(logits, class_ids):
    """The classes given, or the predicted ones."""
    if class_ids is not None:
        return class_ids
    return ops.argmax(ops.stop_gradient(logits), axis=-1)


def resized(maps, size):
    """Maps `(batch, h, w)` of another size, bilinear."""
    if tuple(maps.shape[1:]) == tuple(size):
        return maps
    return ops.image.resize(
        maps[..., None],
        tuple(size),
        interpolation="bilinear",
        data_format="channels_last",
    )[..., 0]


def scaled(maps):
    """Maps `(batch, h, w)` stretched to [0, 1], each by itself."""
    lowest = ops.min(maps, axis=(1, 2), keepdims=True)
    spread = ops.max(maps, axis=(1, 2), keepdims=True) - lowest
    return (maps - lowest) / ops.where(spread > 0, spread, 1.0)


def _check_logits(probe, logits):
    # Custom layers may hide a softmax that the graph does not show.
    last = probe.graph.maker(probe.target)
    if probe.logits.squashed_by or last is None:
        return
    foreign = not type(last.operation).__module__.startswith("keras.")
    if foreign and look_squashed(ops.convert_to_numpy(logits)):
        raise HeatmapError(
            f"Layer '{last.operation.name}', which comes last, answers "
            "probabilities: end the model in the logits, or in "
            "`keras.layers.Softmax`."
        )
