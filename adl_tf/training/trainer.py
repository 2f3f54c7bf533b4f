"""A training step: model, optimizer, loss and penalty."""

import keras
import tensorflow as tf

from adl_tf.methods.settings import assemble_from_settings
from adl_tf.training.fused import fuse_batch_normalization
from adl_tf.training.rates import rate_ratios
from adl_tf.training.schedule import learning_rate_schedule
from adl_tf.training.sgd import SGD
from adl_tf.training.strategy import spans_workers
from adl_tf.workdir import checkpoints


class Trainer:
    """Model, optimizer and one step of training on all replicas.

    Args:
        settings: `Settings`.
        steps_per_epoch: Number of steps in an epoch.
        strategy: `tf.distribute.Strategy` whose scope this is made in.
    """

    def __init__(self, settings, steps_per_epoch, strategy):
        self.strategy = strategy
        self.settings = settings
        self.steps_per_epoch = steps_per_epoch
        self.num_steps = settings.epochs * steps_per_epoch
        self.schedule = learning_rate_schedule(
            settings.schedule, settings.learning_rate, self.num_steps
        )
        # All workers of a cluster have to build the same in the same way,
        # whether or not they see the work directory.
        checkpoint = None
        if not spans_workers(strategy):
            checkpoint = checkpoints.latest_weights(settings.workdir)
        self.objective, backbone, self.new_layers = assemble_from_settings(
            settings,
            # A checkpoint brings all weights itself, and says which variant
            # of the backbone they are for.
            weights=checkpoint or settings.weights,
        )
        self.model = self.objective.training_model
        fuse_batch_normalization(self.model)
        self.optimizer = SGD(self.schedule, momentum=0.9)
        if settings.mixed_precision == "float16":
            self.optimizer = keras.optimizers.LossScaleOptimizer(self.optimizer)
        variables = self.model.trainable_variables
        self.optimizer.build(variables)
        self.rates = rate_ratios(
            self.model,
            backbone,
            self.objective,
            settings.head_learning_rate_ratio,
            settings.bias_learning_rate_ratio,
        )
        decays_all = settings.weight_decay_on == "all"
        self.decayed = [
            variable
            for variable in variables
            if decays_all or variable.name.endswith("kernel")
        ]

    @tf.function(autograph=False)
    def step(self, batch):
        """Runs one step; nothing is read from the device.

        Args:
            batch: Images and labels, as the strategy distributes them.

        Returns:
            Tuple of scalar tensors: the mean loss of the images, and how many
            predictions are correct.
        """
        results = self.strategy.run(self._replica_step, (batch,))
        return tuple(
            self.strategy.reduce(tf.distribute.ReduceOp.SUM, each, axis=None)
            for each in results
        )

    def _replica_step(self, batch):
        images, labels = batch
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            losses, logits = self.objective.losses(
                self.model, tf.cast(images, "float32"), labels
            )
            # Shares of the whole step's loss: gradients are summed over the
            # replicas.
            loss = tf.reduce_sum(losses) / self.settings.batch_size
            total = loss + self._penalty()
            if self.settings.mixed_precision == "float16":
                total = self.optimizer.scale_loss(total)
        gradients = tape.gradient(total, [v.value for v in variables])
        self.optimizer.apply(
            [rate * gradient for rate, gradient in zip(self.rates, gradients)],
            variables,
        )
        # TensorFlow keeps int32 in the host's memory: a step would wait.
        hits = tf.argmax(logits, axis=-1) == tf.cast(labels, tf.int64)
        return loss, tf.reduce_sum(tf.cast(hits, tf.int64))

    def _penalty(self):
        """This replica's share of the L2 penalty, as in the authors' code."""
        squares = [tf.nn.l2_loss(each.value) for each in self.decayed]
        share = self.settings.weight_decay / self.strategy.num_replicas_in_sync
        return share * tf.add_n(squares)

    @property
    def variables(self):
        """All that training changes, random states too."""
        return [*self.model.variables, *self.optimizer.variables]
