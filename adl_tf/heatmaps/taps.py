"""Reading and replacing the outputs of layers while a model runs.

The graph of the model is not changed: while the model runs, `call` of the
layers in question is replaced by another function. This works alike for
branches, nested models and layers within layers, and leaves the model as it
was.
"""

import contextlib
import functools

import keras
from keras import ops

from adl_tf.heatmaps.errors import HeatmapError


@contextlib.contextmanager
def intercepted(handlers):
    """Replaces the functions of operations.

    Args:
        handlers: Dictionary from Keras operations, which may be layers, to
            functions of the original function and its arguments.
    """
    replaced = []
    try:
        for operation, handler in handlers.items():
            quantized = getattr(operation, "quantization_mode", None)
            name = "quantized_call" if quantized else "call"
            before = operation.__dict__.get(name)
            original = getattr(operation, name)
            # Not by `setattr`, which Keras, TensorFlow and PyTorch watch.
            operation.__dict__[name] = functools.partial(handler, original)
            replaced.append((operation, name, before))
        yield
    finally:
        for operation, name, before in reversed(replaced):
            if before is None:
                del operation.__dict__[name]
            else:
                operation.__dict__[name] = before


@contextlib.contextmanager
def linear(layer):
    """A layer without its activation."""
    before = layer.activation
    layer.__dict__["activation"] = keras.activations.linear
    try:
        yield
    finally:
        layer.__dict__["activation"] = before


def gradients(run):
    """Gradients of a number with respect to tensors in its computation.

    Args:
        run: Function of a function `tap`. It calls `tap` with each of these
            tensors and continues with the tensor that `tap` returns. It
            returns the number and any other value.

    Returns:
        Tuple of the gradients and the tensors, lists in the order in which
        they were tapped, and the other value.

    Raises:
        ValueError: If the number does not depend on one of the tensors.
    """
    found, tensors, rest = _GRADIENTS[keras.backend.backend()](run)
    if any(each is None for each in found):
        raise HeatmapError(
            "The class does not depend on the layer that was named: its "
            "gradient there is nothing."
        )
    return found, tensors, rest


def forward(run):
    """As `gradients`, without gradients: tensors and the rest."""
    tensors = []

    def tap(tensor):
        tensors.append(tensor)
        return tensor

    _, rest = run(tap)
    return tensors, rest


def _of_tensorflow(run):
    import tensorflow as tf

    tensors = []
    with tf.GradientTape(watch_accessed_variables=False) as tape:

        def tap(tensor):
            tape.watch(tensor)
            tensors.append(tensor)
            return tensor

        total, rest = run(tap)
    return tape.gradient(total, tensors), tensors, rest


def _of_jax(run):
    import jax

    def shifted(shifts):
        shifts, tensors = iter(shifts), []

        def tap(tensor):
            tensors.append(tensor)
            return tensor + next(shifts)

        total, rest = run(tap)
        return total, (tensors, rest)

    # The gradient at a tensor is that of zeros added to it.
    specs = jax.eval_shape(lambda: forward(run)[0])
    zeros = [ops.zeros(each.shape, each.dtype) for each in specs]
    found, (tensors, rest) = jax.grad(shifted, has_aux=True)(zeros)
    return found, tensors, rest


def _of_torch(run):
    import torch

    tensors = []

    def tap(tensor):
        # What comes before the first of them need not be recorded.
        torch.set_grad_enabled(True)
        if not tensor.requires_grad:
            tensor = tensor.detach().requires_grad_()
        tensors.append(tensor)
        return tensor

    with torch.no_grad():
        total, rest = run(tap)
        found = torch.autograd.grad(total, tensors, allow_unused=True)
    rest = keras.tree.map_structure(ops.stop_gradient, rest)
    return found, [each.detach() for each in tensors], rest


_GRADIENTS = {
    "tensorflow": _of_tensorflow,
    "jax": _of_jax,
    "torch": _of_torch,
}


def compiled(model, function):
    """A function that runs a model, compiled where the backend does.

    Args:
        model: Keras model. Its weights may change between calls.
        function: Function of tensors, or of structures of them.

    Returns:
        Function with the same arguments.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(function, reduce_retracing=True, autograph=False)
    if backend == "jax":
        import jax

        variables = model.variables

        @jax.jit
        def traced(values, *arguments):
            mapping = list(zip(variables, values))
            with keras.StatelessScope(state_mapping=mapping):
                return function(*arguments)

        return lambda *arguments: traced(
            [each.value for each in variables], *arguments
        )
    if backend == "torch":
        import torch

        return torch.no_grad()(function)
    raise HeatmapError(
        "Heatmaps need the tensorflow, jax or torch backend. "
        f"Received: backend={backend!r}"
    )
