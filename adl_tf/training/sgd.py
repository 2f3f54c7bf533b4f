"""Nesterov momentum as the published codes have it."""

import keras


class SGD(keras.optimizers.SGD):
    """Stochastic gradient descent that keeps a sum of gradients.

    TensorFlow 1 and PyTorch, in which the paper's systems were trained, sum
    gradients and multiply by the current learning rate:

        sum = momentum * sum + gradient
        variable -= rate * (gradient + momentum * sum)

    Keras sums steps, `rate * gradient`, so that after a fall of the rate the
    steps of before go on at the old rate. While the rate is constant the two
    are the same.

    Args:
        learning_rate: Float or Keras learning rate schedule.
        momentum: Share of the sum that each step keeps.
        **kwargs: Further arguments of `keras.optimizers.Optimizer`.

    Reference:
        `tf.compat.v1.train.MomentumOptimizer(use_nesterov=True)`,
        `torch.optim.SGD(nesterov=True)`.
    """

    def __init__(self, learning_rate, momentum=0.9, **kwargs):
        kwargs["nesterov"] = True
        super().__init__(learning_rate, momentum, **kwargs)

    def update_step(self, gradient, variable, learning_rate):
        learning_rate = keras.ops.cast(learning_rate, variable.dtype)
        gradient = keras.ops.cast(gradient, variable.dtype)
        total = self.momentums[self._get_variable_index(variable)]
        new_total = self.momentum * total + gradient
        self.assign(total, new_total)
        step = learning_rate * (gradient + self.momentum * new_total)
        self.assign_sub(variable, step)
