"""Editing Keras graphs: other settings, layers put in between or left out."""

import difflib
import re
from collections.abc import Iterable

import keras


def edit_layers(model, changes):
    """Rebuilds a model with some of its layers configured differently.

    Args:
        model: A functional or Sequential Keras model.
        changes: Dictionary from layer name to a dictionary of entries of that
            layer's `get_config()` that are to change, such as
            `{"conv_dw_12": {"strides": (1, 1)}}`. Weight shapes must not
            depend on them.

    Returns:
        A new model with new layers and the weights of `model`.

    Raises:
        ValueError: If there is no layer of that name.
    """
    _require(changes, layer_names(model))
    return _clone(model, changes=changes)


def remove_layers(model, names):
    """Rebuilds a model without some of its layers.

    Args:
        model: A functional or Sequential Keras model.
        names: List of names of layers with one input and no weights, such as
            pooling layers: what follows them gets their input.

    Returns:
        A new model with new layers and the weights of `model`.

    Raises:
        ValueError: If there is no layer of that name.
    """
    _require(names, layer_names(model))
    return _clone(model, removed=names)


def insert_after(model, names, make_layer):
    """Rebuilds a model with a layer inserted after each of the layers named.

    Args:
        model: A functional or Sequential Keras model; models nested in it are
            entered.
        names: List of exact layer names, or one regular expression that has
            to match a whole name.
        make_layer: Function from the layer before to the layer to insert.

    Returns:
        A new model with new layers and the weights of `model`.

    Raises:
        ValueError: If nothing matches, a layer cannot be inserted there or is
            there already, or `model` is a subclassed model, whose graph is not
            known.
    """
    known = {layer.name: layer for layer in _all_layers(model)}
    inserted = {}
    for name in find_layers(model, names):
        if name in inserted:
            raise ValueError(
                f"Layer '{name}' of model '{model.name}' is named twice, or "
                "two nested models have one of this name."
            )
        layer = make_layer(known[name])
        if layer.name in known:
            raise ValueError(
                f"Layer '{name}' of model '{model.name}' is followed by "
                f"'{layer.name}' already: it cannot be inserted twice."
            )
        inserted[name] = layer
    return _clone(model, inserted=inserted)


def edit_input(model, edit, share=False):
    """A model whose input is edited before any of its layers sees it.

    Args:
        model: A functional Keras model with one input.
        edit: Function from the Keras tensor of the input to the one that the
            layers are to see.
        share: Whether the layers are to be those of `model`, trained with it,
            rather than new ones with the same weights.

    Returns:
        A new model.
    """
    inputs = keras.Input(model.input_shape[1:], name=model.inputs[0].name)
    edited = edit(inputs)
    pairs = []

    def clone_function(layer):
        if share or not isinstance(layer, keras.Layer):
            return layer
        clone = layer.__class__.from_config(layer.get_config())
        pairs.append((layer, clone))
        return clone

    def call_function(layer, *args, **kwargs):
        args, kwargs = keras.tree.map_structure(
            lambda value: edited if value is inputs else value, (args, kwargs)
        )
        return layer(*args, **kwargs)

    edited_model = clone_graph(
        model,
        input_tensors=inputs,
        clone_function=clone_function,
        call_function=call_function,
    )
    for layer, clone in pairs:
        set_layer_weights(clone, layer.get_weights())
    return edited_model


def clone_graph(model, **arguments):
    """`keras.models.clone_model` of the graph alone, not compiled.

    Keras compiles the copy of a compiled model, and fails where the loss is a
    function of the user's own.

    Args:
        model: A functional or Sequential Keras model.
        **arguments: Further arguments of `keras.models.clone_model`.

    Returns:
        A new functional model.

    Raises:
        ValueError: If the graph is not known.
    """
    model = as_functional(model)
    compiled, model.compiled = model.compiled, False
    try:
        return keras.models.clone_model(model, **arguments)
    finally:
        model.compiled = compiled


def set_layer_weights(layer, values):
    """`layer.set_weights(values)` that also holds for `Normalization`.

    Args:
        layer: Keras layer.
        values: List of arrays.
    """
    layer.set_weights(values)
    # It computes with what it made of its weights when they were set last.
    if hasattr(layer, "finalize_state"):
        layer.finalize_state()


def layer_names(model):
    """Names of all layers but the inputs, those of nested models included.

    Args:
        model: A functional or Sequential Keras model.

    Returns:
        List of names in the order of the graph.
    """
    return [layer.name for layer in _all_layers(model)]


def _all_layers(model, seen=None):
    seen = set() if seen is None else seen
    for layer in as_functional(model).layers:
        # Nested models can share layers.
        if isinstance(layer, keras.layers.InputLayer) or id(layer) in seen:
            continue
        seen.add(id(layer))
        yield layer
        if isinstance(layer, keras.Model):
            yield from _all_layers(layer, seen)


def find_layers(model, names):
    """Resolves a list of names or a regular expression to layer names.

    Args:
        model: A functional or Sequential Keras model; models nested in it are
            entered.
        names: List of exact layer names, or one regular expression that has
            to match a whole name.

    Returns:
        List of names.

    Raises:
        ValueError: If there is no such layer.
    """
    known = layer_names(model)
    if not names:
        raise ValueError(f"No layer was named. {_few(known)}")
    if not isinstance(names, str):
        names = list(names) if isinstance(names, Iterable) else [names]
        _require(names, known)
        return names
    try:
        found = [name for name in known if re.fullmatch(names, name)]
    except re.error as error:
        raise ValueError(
            f"{names!r} is not a regular expression: {error}"
        ) from error
    if not found:
        raise ValueError(
            f"No layer of model '{model.name}' matches {names!r}. {_few(known)}"
        )
    return found


def _clone(model, changes=(), inserted=(), removed=()):
    # A layer of a model can be one of a model nested in it as well: it has one
    # copy, which all use.
    copies = {}

    def clone_function(layer):
        if id(layer) not in copies:
            copies[id(layer)] = layer, copied(layer)
        return copies[id(layer)][1]

    def copied(layer):
        if isinstance(layer, keras.Model):
            return clone(layer)
        changed = changes[layer.name] if layer.name in changes else {}
        return _rebuilt(layer, changed, model)

    def call_function(layer, *args, **kwargs):
        if layer.name in removed:
            return args[0]
        outputs = layer(*args, **kwargs)
        if layer.name in inserted:
            outputs = _call(inserted[layer.name], layer, outputs)
        return outputs

    def clone(graph):
        copy = clone_graph(
            graph, clone_function=clone_function, call_function=call_function
        )
        # Not by `trainable`, which also sets that of the layers in it.
        copy._trainable = graph.trainable
        return copy

    edited = clone(model)
    # Layer by layer: an inserted layer may change the order of the branches
    # of a graph, and with it the order of `model.weights`.
    for layer, copy in copies.values():
        if isinstance(layer, keras.Layer) and not isinstance(
            layer, keras.Model
        ):
            _copy_weights(layer, copy, model)
    return edited


def _rebuilt(layer, changes, model):
    """A layer or a bare operation made of another's configuration."""
    try:
        return layer.__class__.from_config({**layer.get_config(), **changes})
    # The constructor of a custom layer may raise anything.
    except Exception as error:
        raise _not_rebuilt(layer, model, error) from error


def _copy_weights(layer, copy, model):
    try:
        set_layer_weights(copy, layer.get_weights())
    except ValueError as error:
        raise _not_rebuilt(layer, model, error) from error


def _not_rebuilt(layer, model, error):
    reason = str(error).strip().splitlines() or [type(error).__name__]
    return ValueError(
        f"Model '{model.name}' cannot be edited: layer '{layer.name}' of class "
        f"{type(layer).__name__} cannot be rebuilt from its configuration "
        f"({reason[0]})"
    )


def _call(layer, before, inputs):
    """Calls an inserted layer, and names its place where it does not fit."""
    try:
        return layer(inputs)
    except ValueError as error:
        shape = getattr(inputs, "shape", "several tensors")
        raise ValueError(
            f"No {type(layer).__name__} can follow layer '{before.name}', "
            f"whose output is {shape}: {str(error).splitlines()[0]}"
        ) from error


def as_functional(model):
    """A model whose graph is known.

    Args:
        model: A functional or Sequential Keras model.

    Returns:
        Functional Keras model with the same layers.

    Raises:
        ValueError: If the graph is not known.
    """
    if isinstance(model, keras.Sequential):
        if not model.built:
            raise ValueError(
                f"Sequential model '{model.name}' has not been built: start "
                "it with `keras.Input(shape)` or call it once."
            )
        return keras.Model(model.inputs[0], model.outputs, name=model.name)
    # Subclasses of Model that were built from inputs and outputs have this.
    if not hasattr(model, "operations"):
        raise ValueError(
            "Only functional and Sequential models can be edited: the graph "
            f"of a subclassed model is not known. Received: model={model!r}"
        )
    return model


def _require(names, known):
    for name in names:
        if not isinstance(name, str):
            raise ValueError(f"Layers are meant by name. Received: {name!r}")
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3)
            hint = f"Did you mean {', '.join(close)}?" if close else _few(known)
            raise ValueError(f"The model has no layer '{name}'. {hint}")


def _few(known):
    """The names of a small model, and the last ones of a large one."""
    more = "" if len(known) <= 20 else "..., "
    return f"Its layers are: {more}{', '.join(known[-20:])}"
