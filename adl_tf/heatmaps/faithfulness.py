"""Faithfulness: how well a heatmap shows what the classifier relies on."""

from keras import ops

from adl_tf.heatmaps.masked_images import masked_by
from adl_tf.heatmaps.probe import of_classes

# Average drop divides by a probability.
_EPSILON = 1e-7


def faithfulness(probe, inputs, heatmaps, class_ids, background, steps=20):
    """Change of the class's probability as parts of the image are hidden.

    With the probability p of the class, that of the image times the heatmap
    p_map, and those of the image whose pixels are hidden, from the highest of
    the heatmap on, in `steps` equal parts:

    - average drop: max(0, p - p_map) / (p + 1e-7), lower is better
    - increase in confidence: 1 if p < p_map, higher is better
    - deletion: area below the probability as pixels go, lower is better
    - insertion: the same as they come back, the highest first, higher is
      better

    as torch-cam (0.5) has them; the sums are those of the Grad-CAM++ and RISE
    papers.

    Args:
        probe: `Probe` of the classifier.
        inputs: Tensors as the model takes them.
        heatmaps: Tensor `(batch, height, width)` in [0, 1], of the size of the
            images.
        class_ids: Integer tensor `(batch,)`.
        background: Value of hidden pixels: a number, or one per channel, in the
            units of the images.
        steps: Number of parts.

    Returns:
        Dictionary of float32 tensors `(batch,)`: `average_drop`, `increase`,
        `deletion`, `insertion`, in [0, 1].

    Reference:

    - [Chattopadhay et al., 2018](https://arxiv.org/abs/1710.11063)
    - [Petsiuk et al., 2018](https://arxiv.org/abs/1806.07421)
    """
    images, put = probe.images(inputs)

    def probability(masks):
        masked = put(masked_by(masks, images, background, probe))
        logits = probe.run(masked)
        return of_classes(probe.logits.probabilities(logits), class_ids)

    whole = probability(ops.ones_like(heatmaps))
    of_map = probability(heatmaps)
    ranks = _ranks(heatmaps)
    pixels = heatmaps.shape[1] * heatmaps.shape[2]
    size = -(-pixels // steps)
    counts = ops.convert_to_tensor([*range(0, pixels, size), pixels], "int32")
    fractions = ops.cast(counts, "float32") / pixels

    def both(count):
        hidden = ops.cast(ranks < count, "float32")
        return ops.stack([probability(1 - hidden), probability(hidden)])

    curves = ops.map(both, counts)
    widths = (fractions[1:] - fractions[:-1])[:, None, None]
    areas = ops.sum(widths * (curves[1:] + curves[:-1]) / 2, axis=0)
    return {
        "average_drop": ops.relu(whole - of_map) / (whole + _EPSILON),
        "increase": ops.cast(whole < of_map, "float32"),
        "deletion": areas[0],
        "insertion": areas[1],
    }


def _ranks(heatmaps):
    """The rank of each pixel; the highest value has rank 0."""
    flat = ops.reshape(heatmaps, (-1, heatmaps.shape[1] * heatmaps.shape[2]))
    # Sorting twice gives each pixel's rank rather than the order.
    order = ops.argsort(-flat, axis=-1)
    ranks = ops.argsort(order, axis=-1)
    return ops.reshape(ranks, (-1, *heatmaps.shape[1:]))
