"""The training loop: one code path for one device and for many."""

import math
import signal
import time

import keras
import tensorflow as tf
from tqdm import tqdm

from adl_tf.datasets import pipeline
from adl_tf.errors import AdlTfError, UsageError
from adl_tf.methods.settings import assemble_from_settings
from adl_tf.training import checkpoints, workdir
from adl_tf.training.examples import training_examples
from adl_tf.training.fused import fuse_batch_normalization
from adl_tf.training.history import History
from adl_tf.training.preview import make_preview
from adl_tf.training.schedule import learning_rate_schedule
from adl_tf.training.stopping import Stopped, Stopping
from adl_tf.training.strategy import (
    any_worker,
    cluster_for,
    lost_worker_reported,
    make_strategy,
    share_from_chief,
    spans_workers,
)


def train(settings, examples=None):
    """Trains a classifier and leaves it in the work directory.

    Args:
        settings: Namespace with the flags of `adl_tf.flags`.
        examples: What `training_examples` returned, or `None` to read them.

    Raises:
        AdlTfError: If the settings or the data do not allow it, or the loss
            is no longer a number; checkpoints are kept.
        Stopped: After SIGTERM or SIGINT, when all is saved.
        WorkerLost: If the training has to be started again because another
            worker is gone.
    """
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
    if examples is None:
        examples = training_examples(settings)
    if settings.num_classes is None:
        settings.num_classes = examples.num_classes
    cluster = cluster_for(settings.strategy)
    if cluster is not None and not cluster.is_chief:
        with lost_worker_reported(cluster):
            _train(settings, examples, is_chief=False)
        return
    with workdir.locked(settings.workdir), lost_worker_reported(cluster):
        checkpoints.clear_leftovers(settings.workdir)
        workdir.claim(settings, _class_names(settings, examples))
        _train(settings, examples, is_chief=True)
    print(f"trained: {checkpoints.latest_weights(settings.workdir)}")


def _train(settings, examples, is_chief):
    """The part of one worker, of which the chief alone writes and prints."""
    strategy = make_strategy(settings.strategy, settings.startup_timeout)
    replicas = strategy.num_replicas_in_sync
    if settings.batch_size % replicas:
        raise UsageError(
            f"--batch_size={settings.batch_size} cannot be shared by "
            f"{replicas} replicas: take a multiple of {replicas}"
        )
    steps_per_epoch = 0
    if settings.epochs:
        steps_per_epoch = max(1, len(examples) // settings.batch_size)
    keras.utils.set_random_seed(settings.seed)
    with Stopping() as stopping:
        with strategy.scope():
            trainer = Trainer(settings, steps_per_epoch, strategy)
        step, epoch_so_far = 0, (0.0, 0)
        if is_chief:
            workdir.write_environment(settings.workdir)
            step, epoch_so_far = checkpoints.restore(
                settings.workdir, trainer.model, trainer.optimizer
            )
            print(trainer.describe(examples, step), flush=True)
        step = share_from_chief(strategy, step, trainer.variables)
        num_steps = settings.epochs * steps_per_epoch
        if step < num_steps:
            history = History(settings.workdir, step) if is_chief else None
            _run_epochs(
                trainer, examples, history, stopping, step, epoch_so_far
            )
        elif is_chief and num_steps:
            print("there is nothing left to do")
        elif is_chief:
            trainer.save(0)
        # Who leaves early takes the others' connection away.
        any_worker(strategy, False)


class Trainer:
    """Model, optimizer and one step of training on all replicas.

    Args:
        settings: Namespace of flags.
        steps_per_epoch: Number of steps in an epoch.
        strategy: `tf.distribute.Strategy` whose scope this is made in.
    """

    def __init__(self, settings, steps_per_epoch, strategy):
        self.strategy = strategy
        self.settings = settings
        self.steps_per_epoch = steps_per_epoch
        self.schedule = learning_rate_schedule(
            settings.schedule,
            settings.learning_rate,
            settings.epochs * steps_per_epoch,
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
        self.optimizer = keras.optimizers.SGD(
            self.schedule, momentum=0.9, nesterov=True
        )
        if settings.mixed_precision == "float16":
            self.optimizer = keras.optimizers.LossScaleOptimizer(self.optimizer)
        variables = self.model.trainable_variables
        self.optimizer.build(variables)
        names = (*backbone.new_layers, *self.objective.new_layers, "logits")
        head = {
            id(variable)
            for layer in self.model.layers
            if layer.name in names
            for variable in layer.trainable_variables
        }
        self.rates = [
            settings.head_learning_rate_ratio if id(variable) in head else 1.0
            for variable in variables
        ]
        self.kernels = [
            variable
            for variable in variables
            if variable.name.endswith("kernel")
        ]

    @tf.function(autograph=False)
    def step(self, batch):
        """One step; returns its mean loss and how many answers were right."""
        losses, right = self.strategy.run(self._replica_step, (batch,))
        reduce = self.strategy.reduce
        return (
            reduce(tf.distribute.ReduceOp.SUM, losses, axis=None),
            reduce(tf.distribute.ReduceOp.SUM, right, axis=None),
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
        answers = tf.argmax(logits, axis=-1, output_type=labels.dtype)
        right = tf.reduce_sum(tf.cast(answers == labels, tf.int32))
        return loss, right

    def _penalty(self):
        """This replica's share of the L2 penalty, as in the authors' code."""
        squares = [tf.nn.l2_loss(kernel.value) for kernel in self.kernels]
        share = self.settings.weight_decay / self.strategy.num_replicas_in_sync
        return share * tf.add_n(squares)

    @property
    def variables(self):
        """All that training changes, random states too."""
        return [*self.model.variables, *self.optimizer.variables]

    def save(self, step, epoch_so_far=(0.0, 0)):
        """Writes a checkpoint; see `checkpoints.save`."""
        checkpoints.save(
            self.settings.workdir,
            step,
            self.model,
            self.optimizer,
            epoch_so_far,
        )

    def describe(self, examples, step):
        """What is trained, on what, in a few lines."""
        settings = self.settings
        lines = [
            f"{settings.backbone} with {settings.method}, "
            f"{self.model.count_params():,} parameters, on "
            f"{len(examples) if examples else 'no'} pictures; epochs: "
            f"{settings.epochs}, steps in each: {self.steps_per_epoch}, "
            f"replicas: {self.strategy.num_replicas_in_sync}"
        ]
        if examples and len(examples) < settings.batch_size:
            lines.append(
                f"--batch_size={settings.batch_size} is more than there are "
                "pictures: a step sees some twice; a smaller one makes more "
                "steps of an epoch"
            )
        if step:
            lines.append(f"going on from step {step}")
        elif settings.weights != "none":
            lines.append(
                f"weights: {settings.weights}; new layers: "
                f"{', '.join(self.new_layers) or 'none'}"
            )
        return "\n".join(lines)


def _run_epochs(trainer, examples, history, stopping, step, epoch_so_far):
    """Trains from a step to the end; `history` is `None` but on the chief."""
    settings, per_epoch = trainer.settings, trainer.steps_per_epoch
    is_chief = history is not None
    batches = iter(_distributed_batches(trainer, examples, step, is_chief))
    preview = (
        make_preview(settings, trainer.objective.model) if is_chief else None
    )
    loss, right = epoch_so_far
    seconds = history.seconds if is_chief else 0.0
    while step < settings.epochs * per_epoch:
        epoch = step // per_epoch + 1
        first, last = step, epoch * per_epoch
        started, waited = time.monotonic(), 0.0
        bar = tqdm(
            total=per_epoch,
            initial=step % per_epoch,
            desc=f"epoch {epoch}",
            leave=False,
            disable=None if is_chief else True,
        )
        while step < last:
            asked = time.monotonic()
            with pipeline.bad_picture_named(examples):
                batch = next(batches)
            waited += time.monotonic() - asked
            step_loss, step_right = _run_step(trainer, batch, step)
            step += 1
            loss += step_loss
            right += step_right
            bar.update()
            bar.set_postfix(loss=f"{step_loss:.3f}")
            # One worker's signal stops all, at the same step.
            stop = any_worker(trainer.strategy, stopping.signal)
            if stop and step < last:
                bar.close()
                _stop(trainer, stopping, step, is_chief, (loss, right))
        bar.close()
        taken = time.monotonic() - started
        seconds += taken
        if is_chief:
            row = {
                "epoch": epoch,
                "step": step,
                "loss": loss / per_epoch,
                "accuracy": 100 * right / (per_epoch * settings.batch_size),
                "learning_rate": float(trainer.schedule(last - 1)),
                "images_per_second": (
                    (last - first) * settings.batch_size / taken
                ),
                "input_wait": 100 * waited / taken,
                "seconds": seconds,
            }
            # First the row: without its checkpoint the epoch comes again, and
            # the row with it.
            history.add(row, preview and preview.draw())
            trainer.save(step)
            print(
                f"epoch {epoch:3d}/{settings.epochs}  "
                f"loss {row['loss']:.4f}  "
                f"accuracy {row['accuracy']:5.1f} %  "
                f"{row['images_per_second']:.0f} images/s  "
                f"{row['seconds']:.0f} s in all",
                flush=True,
            )
        loss, right = 0.0, 0
        if stop and step < settings.epochs * per_epoch:
            _stop(trainer, stopping, step, is_chief)


def _run_step(trainer, batch, number):
    """Runs a step; returns its mean loss and how many answers were right."""
    loss, right = trainer.step(batch)
    loss = float(loss)
    if not math.isfinite(loss):
        last = checkpoints.latest_weights(trainer.settings.workdir)
        raise AdlTfError(
            f"the loss is {loss} at step {number}: try a lower "
            f"--learning_rate; the last checkpoint is {last or 'none yet'}"
        )
    return loss, int(right)


def _stop(trainer, stopping, step, is_chief, unfinished=None):
    """Saves, unless an epoch's end did, and raises `Stopped` in all workers."""
    if is_chief and unfinished:
        trainer.save(step, unfinished)
    any_worker(trainer.strategy, False)
    number = stopping.signal or signal.SIGTERM
    name = signal.Signals(number).name
    raise Stopped(
        number,
        f"stopped by {name}; step {step} is saved, and the same command goes "
        "on from there",
    )


def _distributed_batches(trainer, examples, first_step, is_chief):
    settings = trainer.settings
    memory_budget = settings.memory_budget * 2**20
    with pipeline.bad_picture_named(examples):
        pictures = pipeline.decode_all(
            examples,
            settings.resize_size,
            lambda items: tqdm(
                items,
                desc="reading pictures",
                total=len(examples),
                leave=False,
                disable=None if is_chief else True,
            ),
            memory_budget,
        )

    def batches(context):
        return pipeline.training_batches(
            examples,
            batch_size=settings.batch_size,
            resize_size=settings.resize_size,
            input_size=settings.input_size,
            seed=settings.seed,
            first_step=first_step,
            replicas=context.num_replicas_in_sync,
            pipeline=context.input_pipeline_id,
            num_pipelines=context.num_input_pipelines,
            pictures=pictures,
            memory_budget=memory_budget,
        )

    return trainer.strategy.distribute_datasets_from_function(batches)


def _class_names(settings, examples):
    """As many names as outputs: numbers where the data have none."""
    known = examples.class_names if examples else []
    numbers = range(len(known), settings.num_classes)
    return [*known, *(str(number) for number in numbers)]
