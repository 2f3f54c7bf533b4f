"""The training loop: one code path for one device and for many."""

import csv
import math
import os
import time

import keras
import tensorflow as tf
from tqdm import tqdm

from adl_tf.datasets import pipeline
from adl_tf.datasets.load import load_examples
from adl_tf.errors import AdlTfError, UsageError
from adl_tf.methods.settings import assemble_from_settings
from adl_tf.training import checkpoints, workdir
from adl_tf.training.schedule import learning_rate_schedule
from adl_tf.training.strategy import make_strategy

HISTORY = (
    "epoch",
    "step",
    "loss",
    "accuracy",
    "learning_rate",
    "images_per_second",
    "seconds",
)


def train(settings):
    """Trains a classifier and leaves it in the work directory.

    Args:
        settings: Namespace with the flags of `adl_tf.flags`.

    Raises:
        AdlTfError: If the settings or the data do not allow it, or the loss
            is no longer a number; checkpoints are kept.
    """
    examples = _training_examples(settings)
    if settings.num_classes is None:
        settings.num_classes = examples.num_classes
    workdir.claim(settings, _class_names(settings, examples))
    keras.utils.set_random_seed(settings.seed)
    strategy = make_strategy(settings.strategy)
    replicas = strategy.num_replicas_in_sync
    if settings.batch_size % replicas:
        raise UsageError(
            f"--batch_size={settings.batch_size} cannot be shared by "
            f"{replicas} replicas: take a multiple of {replicas}"
        )
    steps_per_epoch = 0
    if settings.epochs:
        steps_per_epoch = max(1, len(examples) // settings.batch_size)
    with strategy.scope():
        trainer = Trainer(settings, steps_per_epoch, strategy)
    step = checkpoints.restore(
        settings.workdir, trainer.model, trainer.optimizer
    )
    print(trainer.describe(examples, step), flush=True)
    num_steps = settings.epochs * steps_per_epoch
    if num_steps == 0:
        checkpoints.save(settings.workdir, 0, trainer.model, trainer.optimizer)
    elif step < num_steps:
        _run_epochs(settings, trainer, examples, step)
    else:
        print("there is nothing left to do")
    print(f"trained: {checkpoints.latest_weights(settings.workdir)}")


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
        checkpoint = checkpoints.latest_weights(settings.workdir)
        self.model, backbone, self.new_layers = assemble_from_settings(
            settings,
            # A checkpoint brings all weights itself, and says which variant
            # of the backbone they are for.
            weights=checkpoint or settings.weights,
        )
        self.optimizer = keras.optimizers.SGD(
            self.schedule, momentum=0.9, nesterov=True
        )
        if settings.mixed_precision == "float16":
            self.optimizer = keras.optimizers.LossScaleOptimizer(self.optimizer)
        variables = self.model.trainable_variables
        self.optimizer.build(variables)
        head = {
            id(variable)
            for name in (*backbone.new_layers, "logits")
            for variable in self.model.get_layer(name).trainable_variables
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

    @tf.function
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
            logits = self.model(tf.cast(images, "float32"), training=True)
            losses = keras.losses.sparse_categorical_crossentropy(
                labels, logits, from_logits=True
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

    def describe(self, examples, step):
        """What is trained, on what, in a line or two."""
        settings = self.settings
        lines = [
            f"{settings.backbone} with {settings.method}, "
            f"{self.model.count_params():,} parameters, on "
            f"{len(examples) if examples else 'no'} pictures; "
            f"{settings.epochs} epochs of {self.steps_per_epoch} steps, "
            f"{self.strategy.num_replicas_in_sync} replica(s)"
        ]
        if step:
            lines.append(f"going on from step {step}")
        elif settings.weights != "none":
            lines.append(
                f"weights: {settings.weights}; new layers: "
                f"{', '.join(self.new_layers) or 'none'}"
            )
        return "\n".join(lines)


def _run_epochs(settings, trainer, examples, step):
    batches = iter(_distributed_batches(settings, trainer, examples, step))
    writer = tf.summary.create_file_writer(
        os.path.join(settings.workdir, "logs")
    )
    started = time.monotonic()
    while step < settings.epochs * trainer.steps_per_epoch:
        epoch = step // trainer.steps_per_epoch + 1
        last = epoch * trainer.steps_per_epoch
        row = {"epoch": epoch, "step": last}
        count = (last - step) * settings.batch_size
        epoch_started = time.monotonic()
        loss, right = _run_steps(trainer, batches, examples, epoch, step, last)
        seconds = time.monotonic() - epoch_started
        row["loss"] = loss / (last - step)
        row["accuracy"] = 100 * right / count
        row["learning_rate"] = float(trainer.schedule(last - 1))
        row["images_per_second"] = count / seconds
        row["seconds"] = time.monotonic() - started
        step = last
        checkpoints.save(
            settings.workdir, step, trainer.model, trainer.optimizer
        )
        _record(settings.workdir, writer, row)
        print(
            f"epoch {epoch:3d}/{settings.epochs}  loss {row['loss']:.4f}  "
            f"accuracy {row['accuracy']:5.1f} %  "
            f"{row['images_per_second']:.0f} images/s  "
            f"{row['seconds']:.0f} s in all",
            flush=True,
        )


def _run_steps(trainer, batches, examples, epoch, step, last):
    """Runs steps until `last`; returns summed loss and right answers."""
    total_loss, total_right = 0.0, 0
    bar = tqdm(
        range(step, last), desc=f"epoch {epoch}", leave=False, disable=None
    )
    for now in bar:
        with pipeline.bad_picture_named(examples):
            batch = next(batches)
        loss, right = trainer.step(batch)
        loss = float(loss)
        if not math.isfinite(loss):
            last = checkpoints.latest_weights(trainer.settings.workdir)
            raise AdlTfError(
                f"the loss is {loss} at step {now}: try a lower "
                f"--learning_rate; the last checkpoint is {last or 'none yet'}"
            )
        total_loss += loss
        total_right += int(right)
        bar.set_postfix(loss=f"{loss:.3f}")
    return total_loss, total_right


def _distributed_batches(settings, trainer, examples, first_step):
    with pipeline.bad_picture_named(examples):
        pictures = pipeline.decode_all(
            examples,
            settings.resize_size,
            lambda items: tqdm(
                items,
                desc="reading pictures",
                total=len(examples),
                leave=False,
                disable=None,
            ),
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
        )

    return trainer.strategy.distribute_datasets_from_function(batches)


def _training_examples(settings):
    if not settings.epochs and settings.num_classes:
        return None  # Weights as they come: nothing is trained.
    if settings.input_size > settings.resize_size:
        raise UsageError(
            f"--input_size={settings.input_size} is larger than "
            f"--resize_size={settings.resize_size}"
        )
    examples = load_examples(
        settings.dataset, settings.data_dir, "train", settings.classes
    )
    wanted = settings.num_classes
    if wanted is not None and examples.labels.max() >= wanted:
        raise UsageError(
            f"--num_classes={wanted} is less than the {examples.num_classes} "
            "classes of the data"
        )
    return examples


def _class_names(settings, examples):
    """As many names as outputs: numbers where the data have none."""
    known = examples.class_names if examples else []
    numbers = range(len(known), settings.num_classes)
    return [*known, *(str(number) for number in numbers)]


def _record(folder, writer, row):
    path = os.path.join(folder, "history.csv")
    is_new = not os.path.isfile(path)
    with open(path, "a", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, HISTORY)
        if is_new:
            table.writeheader()
        table.writerow(
            {
                name: round(value, 6) if isinstance(value, float) else value
                for name, value in row.items()
            }
        )
    with writer.as_default(step=row["epoch"]):
        for name in ("loss", "accuracy", "learning_rate", "images_per_second"):
            tf.summary.scalar(name, row[name])
    writer.flush()
