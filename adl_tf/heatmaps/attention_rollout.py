"""Attention rollout (Abnar & Zuidema, ACL 2020)."""

from keras import ops

from adl_tf.heatmaps.errors import HeatmapError
from adl_tf.heatmaps.heatmap import Heatmap
from adl_tf.heatmaps.places import attention_layers, grid_of


class AttentionRollout(Heatmap):
    """How much of each patch reaches the class token, whatever the class.

    With the attention W of a layer, averaged over its heads, and the residual
    connection that goes round it as the identity I:

        rollout = product over layers of rows of (W + I) / 2, scaled to sum 1

    The map is the row of the class token, or the mean of all rows where the
    transformer has none.

    Args:
        model: Keras classifier with `MultiHeadAttention` layers, which may be
            within other layers.
        output: See `Heatmap`.
        relu: See `Heatmap`.

    Raises:
        ValueError: If the model has no attention layers.

    Reference:

    - [Abnar & Zuidema, 2020](https://arxiv.org/abs/2005.00928)
    """

    def __init__(self, model, layer=None, output=None, relu=False):
        if layer is not None:
            raise HeatmapError(
                "Attention rollout takes all attention layers. "
                f"Received: layer={layer!r}"
            )
        super().__init__(model, layer, output, relu)

    def logits_and_maps(self, probe, inputs, class_ids):
        layers = attention_layers(probe.graph)
        if not layers:
            raise HeatmapError(
                "Attention rollout needs a model with attention layers, a "
                "transformer; `GradCAM` takes any classifier. "
                f"Received: model={self.model!r}"
            )
        found = []
        logits = probe.run(
            inputs,
            [(layer, number, _keep(found)) for layer, number in layers],
        )
        rollout = None
        for weights in found:
            weights = ops.mean(ops.cast(weights, "float32"), axis=1)
            mixed = (weights + ops.eye(weights.shape[-1])) / 2
            mixed = mixed / ops.sum(mixed, axis=-1, keepdims=True)
            rollout = mixed if rollout is None else ops.matmul(mixed, rollout)
        prefix, height, width = grid_of(rollout.shape[-1], probe.image_size)
        seen = rollout[:, 0] if prefix else ops.mean(rollout, axis=1)
        maps = ops.reshape(seen[:, prefix:], (-1, height, width))
        return logits, self.finish([maps])


def _keep(found):
    def attend(compute, *arguments, **keywords):
        asked = keywords.pop("return_attention_scores", False)
        answer, weights = compute(
            *arguments, return_attention_scores=True, **keywords
        )
        found.append(weights)
        return (answer, weights) if asked else answer

    return attend
