"""The calls of a functional graph in order, including nested models."""

import typing

import keras


class Call(typing.NamedTuple):
    """One call of a layer or an operation.

    Attributes:
        operation: Keras layer or operation.
        number: Number of earlier calls of the same operation.
        inputs: List of Keras tensors.
        outputs: List of Keras tensors, with the shapes of this call.
        data_format: `"channels_last"`, `"channels_first"`, or `None` where
            no layer so far has a data format.
    """

    operation: keras.Operation
    number: int
    inputs: list
    outputs: list
    data_format: str | None


class Graph:
    """The operations of a model for inputs of given shapes.

    Nothing is computed, and no layer is called: shapes are inferred again, so
    that the model gains no nodes.

    Attributes:
        calls: List of `Call` in the order in which they run.
        names: Dictionary from the names of layers to the index of their last
            call in `calls`. For a nested model it is the last call inside it.
        inputs: List of Keras tensors.
        outputs: List of Keras tensors.

    Args:
        model: Functional Keras model.
        shapes: List of tuples: shapes of its inputs, without the batch.
    """

    def __init__(self, model, shapes):
        self.calls, self.names = [], {}
        self._made_by, self._counts, self._formats = {}, {}, {}
        self.inputs = [
            keras.KerasTensor((None, *shape), dtype=tensor.dtype)
            for shape, tensor in zip(shapes, model.inputs, strict=True)
        ]
        self.outputs = self._walk(model, self.inputs)

    def maker(self, tensor):
        """The call that made a tensor, or `None` for an input."""
        place = self._made_by.get(id(tensor))
        return None if place is None else self.calls[place]

    def passed_by_all(self, sources, target):
        """Calls that every path from some inputs to a tensor passes.

        Args:
            sources: List of Keras tensors, of `inputs`.
            target: Keras tensor.

        Returns:
            Set of indices into `calls`.
        """
        # Paths through a call: paths to it times paths from it.
        known = {id(tensor): 1 for tensor in sources}
        to_call = []
        for call in self.calls:
            to_call.append(sum(known.get(id(each), 0) for each in call.inputs))
            known.update((id(each), to_call[-1]) for each in call.outputs)
        number = known.get(id(target), 0)
        from_tensor = {id(target): 1}
        found = set()
        for place in reversed(range(len(self.calls))):
            call = self.calls[place]
            paths = sum(from_tensor.get(id(each), 0) for each in call.outputs)
            if number and to_call[place] * paths == number:
                found.add(place)
            for each in call.inputs:
                from_tensor[id(each)] = from_tensor.get(id(each), 0) + paths
        return found

    def reaches(self, place, target):
        """Whether a later tensor depends on a call."""
        wanted = {id(target)}
        for call in reversed(self.calls[place:]):
            if not wanted.isdisjoint(map(id, call.outputs)):
                wanted.update(map(id, call.inputs))
        return not wanted.isdisjoint(map(id, self.calls[place].outputs))

    def _walk(self, model, inputs):
        values = dict(zip(map(id, model.inputs), inputs, strict=True))
        nodes = model._nodes_by_depth
        for depth in sorted(nodes, reverse=True):
            for node in nodes[depth]:
                if node.is_input or any(
                    id(tensor) not in values for tensor in node.input_tensors
                ):
                    continue
                arguments, keywords = node.arguments.fill_in(values)
                found = self._call(node.operation, arguments, keywords)
                values.update(zip(map(id, node.outputs), found))
        return [values[id(tensor)] for tensor in model.outputs]

    def _call(self, operation, arguments, keywords):
        graph = graph_of(operation)
        if graph is not None:
            outputs = self._walk(graph, keras.tree.flatten(arguments))
            last = self._made_by.get(id(outputs[0]))
        else:
            outputs = self._record(operation, arguments, keywords)
            last = len(self.calls) - 1
        if last is not None:
            # The order of names is that of the last calls.
            self.names.pop(operation.name, None)
            self.names[operation.name] = last
        return outputs

    def _record(self, operation, arguments, keywords):
        outputs = keras.tree.flatten(
            operation.compute_output_spec(*arguments, **keywords)
        )
        inputs = [
            each
            for each in keras.tree.flatten((arguments, keywords))
            if isinstance(each, keras.KerasTensor)
        ]
        data_format = self._data_format(operation, inputs)
        number = self._counts.get(id(operation), 0)
        self._counts[id(operation)] = number + 1
        for tensor in outputs:
            self._made_by[id(tensor)] = len(self.calls)
            self._formats[id(tensor)] = data_format
        self.calls.append(Call(operation, number, inputs, outputs, data_format))
        return outputs

    def _data_format(self, operation, inputs):
        # Permuted tensors have another format than the layers before. Flatten
        # has a format too, but its input need not be a feature map.
        if isinstance(operation, keras.layers.Permute):
            return None
        own = getattr(operation, "data_format", None)
        if own and not isinstance(operation, keras.layers.Flatten):
            return own
        before = (self._formats.get(id(each)) for each in inputs)
        return next((each for each in before if each), None)


def graph_of(operation):
    """The functional graph of a model, or `None` for anything else."""
    if isinstance(operation, keras.Sequential):
        return operation._functional
    if isinstance(operation, keras.Model) and hasattr(operation, "operations"):
        return operation
    return None
