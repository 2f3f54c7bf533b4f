"""CutMix (Yun et al., ICCV 2019)."""

import keras
from keras import ops

from adl_tf.layers.draws import draw
from adl_tf.layers.shares import check_share, is_number
from adl_tf.methods.objective import Objective, cross_entropy
from adl_tf.models.surgery import edit_input


def cutmix(
    model,
    backbone,
    beta=1.0,
    probability=1.0,
    area_corrected=True,
    seed=None,
):
    """Trains a classifier on images with a box from another image.

    The inference model is the model given.

    Args:
        model: Keras model made of `backbone`.
        backbone: Its `Backbone`.
        beta: See `CutMix`.
        probability: See `CutMix`.
        area_corrected: See `CutMix`.
        seed: See `CutMix`.

    Returns:
        `Objective`, whose loss is the sum of the cross entropies of both
        labels, weighted with their shares of the image.

    Raises:
        ValueError: If an argument is invalid.

    Reference:

    - [Yun et al., 2019](https://arxiv.org/abs/1905.04899)
    """
    del backbone
    layer = CutMix(
        beta,
        probability,
        area_corrected,
        seed,
        # Images keep their precision until they are preprocessed.
        dtype="float32",
        name="cutmix",
    )
    labelling = []

    def mix(images):
        mixed, *rest = layer(images)
        labelling.extend(rest)
        return mixed

    mixing = edit_input(model, mix, share=True)
    training_model = keras.Model(mixing.input, [mixing.output, *labelling])
    return Objective(model, training_model, mixed_losses)


def mixed_losses(model, images, labels):
    """The losses of `Objective`; see `plain_losses`.

    Args:
        model: Keras model that `cutmix` made for training.
        images: float32 tensor `(batch, height, width, 3)`.
        labels: Integer tensor `(batch,)`.

    Returns:
        Tuple of losses `(batch,)` and logits `(batch, num_classes)`.
    """
    logits, partners, shares = model(images, training=True)
    return (
        shares * cross_entropy(labels, logits)
        + (1.0 - shares) * cross_entropy(ops.take(labels, partners), logits)
    ), logits


@keras.saving.register_keras_serializable(package="adl_tf")
class CutMix(keras.layers.Layer):
    """Replaces a box of each image by that of another image of the batch.

    The box is the same for all images of a step. Its sides have the share
    `sqrt(1 - lambda)` of the image's, with lambda drawn from Beta(beta,
    beta); its centre is anywhere, and what is outside is cut off.

    Args:
        beta: Positive float. Below 1, boxes of middle size are rare.
        probability: Float in [0, 1]. Share of the steps that mix images.
        area_corrected: Whether the label's share is what is left of the
            image's area, as in the published code, or lambda as drawn.
        seed: Integer to use as random seed, or `None`.
        **kwargs: `name`, `dtype` and the like, of `keras.layers.Layer`.

    Call arguments:
        inputs: Images `(batch, height, width, channels)`.
        training: Python boolean: whether to mix.

    Output shape:
        Tuple of the images, the index in the batch of each one's partner,
        int32 `(batch,)`, and the share of its own label, float32 `(batch,)`.

    Raises:
        ValueError: If an argument is invalid.
    """

    def __init__(
        self,
        beta=1.0,
        probability=1.0,
        area_corrected=True,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not is_number(beta) or not beta > 0:
            raise ValueError(
                f"`beta` must be a positive number. Received: beta={beta!r}"
            )
        check_share("probability", probability)
        self.beta = beta
        self.probability = probability
        self.area_corrected = area_corrected
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, inputs, training=False):
        batch, height, width, _ = ops.shape(inputs)
        if not training:
            return (
                inputs,
                ops.arange(batch, dtype="int32"),
                ops.ones((batch,), "float32"),
            )
        order = draw(keras.random.uniform, (batch,), self.seed_generator)
        partners = ops.cast(ops.argsort(order), "int32")
        chance, tie, *centre = ops.unstack(
            draw(keras.random.uniform, (4,), self.seed_generator), 4
        )
        share = draw(
            keras.random.beta,
            (),
            self.seed_generator,
            alpha=self.beta,
            beta=self.beta,
        )
        # With a small beta both of its terms may be too small for a float:
        # then it is as good as 0 or 1.
        share = ops.where(ops.isnan(share), ops.round(tie), share)
        share = ops.where(chance < self.probability, share, 1.0)
        box = cut_box(share, centre, height, width)
        inside = _inside(box, height, width)
        mixed = ops.where(inside, ops.take(inputs, partners, axis=0), inputs)
        if self.area_corrected:
            share = 1.0 - ops.mean(ops.cast(inside, "float32"))
        return mixed, partners, ops.broadcast_to(share, (batch,))

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "beta": self.beta,
                "probability": self.probability,
                "area_corrected": self.area_corrected,
                "seed": self.seed,
            }
        )
        return config


def cut_box(share, centre, height, width):
    """The box of an image that is replaced.

    Args:
        share: Scalar in [0, 1], lambda: the share of the image that stays.
        centre: Two scalars in [0, 1), vertical and horizontal, as shares of
            the height and width.
        height: Height of the image in pixels.
        width: Width of the image in pixels.

    Returns:
        Four int32 scalars x0, y0, x1, y1; right and lower end exclusive.
    """
    starts, ends = [], []
    for place, side in zip(centre, (height, width)):
        side = ops.cast(side, "float32")
        half = ops.floor(side * ops.sqrt(1.0 - share)) // 2
        middle = ops.floor(place * side)
        starts.append(ops.cast(ops.clip(middle - half, 0, side), "int32"))
        ends.append(ops.cast(ops.clip(middle + half, 0, side), "int32"))
    return starts[1], starts[0], ends[1], ends[0]


def _inside(box, height, width):
    """Whether each pixel is in the box, `(1, height, width, 1)`."""
    x0, y0, x1, y1 = box
    rows = ops.reshape(ops.arange(height, dtype="int32"), (1, -1, 1, 1))
    columns = ops.reshape(ops.arange(width, dtype="int32"), (1, 1, -1, 1))
    return ops.logical_and(
        ops.logical_and(rows >= y0, rows < y1),
        ops.logical_and(columns >= x0, columns < x1),
    )
