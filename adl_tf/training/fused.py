"""Batch normalisation by TensorFlow's one kernel instead of Keras's dozen.

Keras's layer comes with every `keras.applications` network, runs on every
backend and reads its input once for each of its operations: a third of a
training step of MobileNetV1 on a CPU.
"""

import keras
import tensorflow as tf


class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's layer with its weights and results, when training.

    Of the same name, because Keras's weight files name layers by their class.
    """

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        channels = inputs.shape[-1]
        scale, offset = tf.ones(channels), tf.zeros(channels)
        if self.scale:
            scale = tf.convert_to_tensor(self.gamma)
        if self.center:
            offset = tf.convert_to_tensor(self.beta)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=scale,
            offset=offset,
            mean=[],
            variance=[],
            epsilon=self.epsilon,
            is_training=True,
        )
        # The kernel's variance is that of a sample, Keras's of a population.
        places = tf.cast(tf.size(inputs) // channels, variance.dtype)
        variance *= (places - 1) / places
        for moving, new in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            moving.assign(moving * self.momentum + new * (1 - self.momentum))
        return outputs


def fuse_batch_normalization(model):
    """Has the batch normalisations of a model run fused when it trains.

    Those that the kernel cannot do stay as they are: other axes than the
    last, maps that are not 2D, masks, float64, synchronised replicas,
    renormalisation.

    Args:
        model: Keras model. It keeps its layers, weights and names; layers that
            other models share are fused in these too.
    """
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            fuse_batch_normalization(layer)
        elif type(layer) is keras.layers.BatchNormalization:
            shape = layer.input.shape
            if (
                len(shape) == 4
                and layer.axis in (-1, 3)
                and layer.dtype_policy.variable_dtype == "float32"
                and not (layer.synchronized or getattr(layer, "renorm", False))
            ):
                # A copy would not be shared with a method's other models.
                layer.__class__ = BatchNormalization
