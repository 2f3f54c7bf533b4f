"""The training loop: one code path for one device and for many."""

import math
import signal
import time

import keras
import tensorflow as tf
from tqdm import tqdm

from adl_tf.datasets import pipeline
from adl_tf.errors import AdlTfError, UsageError
from adl_tf.training.examples import training_examples
from adl_tf.training.preview import make_preview
from adl_tf.training.stopping import Stopped, Stopping
from adl_tf.training.strategy import (
    any_worker,
    cluster_for,
    lost_worker_reported,
    make_strategy,
    share_from_chief,
)
from adl_tf.training.trainer import Trainer
from adl_tf.workdir import checkpoints
from adl_tf.workdir import run as workdir
from adl_tf.workdir.history import History


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


def _run_epochs(trainer, examples, history, stopping, step, epoch_so_far):
    """Trains from a step to the end; `history` is `None` but on the chief."""
    settings, is_chief = trainer.settings, history is not None
    batches = iter(_distributed_batches(trainer, examples, step, is_chief))
    preview = (
        make_preview(settings, trainer.objective.model) if is_chief else None
    )
    num_steps = settings.epochs * trainer.steps_per_epoch
    while step < num_steps:
        first, started = step, time.monotonic()
        step, sums, waited, stop = _run_epoch(
            trainer, examples, batches, stopping, step, epoch_so_far, is_chief
        )
        if is_chief:
            taken = time.monotonic() - started
            row = _row(trainer, step, sums)
            row["images_per_second"] = (
                (step - first) * settings.batch_size / taken
            )
            row["input_wait"] = 100 * waited / taken
            row["seconds"] = history.seconds + taken
            # First the row: without its checkpoint the epoch comes again, and
            # the row with it.
            history.add(row, preview and preview.draw())
            trainer.save(step)
            _print_row(row, settings.epochs)
        epoch_so_far = (0.0, 0)
        if stop and step < num_steps:
            _stop(trainer, stopping, step, is_chief)


def _run_epoch(
    trainer, examples, batches, stopping, step, epoch_so_far, is_chief
):
    """Trains to the end of an epoch.

    Returns:
        Tuple of the number of steps done, the sums of loss and right answers
        over the epoch, how many seconds it waited for images, and whether
        training is to stop here.

    Raises:
        Stopped: If it is to stop before.
    """
    per_epoch = trainer.steps_per_epoch
    epoch, done = divmod(step, per_epoch)
    last = step - done + per_epoch
    loss, right = epoch_so_far
    waited = 0.0
    with _progress(
        is_chief, total=per_epoch, initial=done, desc=f"epoch {epoch + 1}"
    ) as bar:
        while step < last:
            asked = time.monotonic()
            with pipeline.bad_image_named(examples):
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
                _stop(trainer, stopping, step, is_chief, (loss, right))
    return step, (loss, right), waited, stop


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


def _row(trainer, step, sums):
    """What a run with the same seed repeats, of the epoch that ends here."""
    loss, right = sums
    per_epoch = trainer.steps_per_epoch
    return {
        "epoch": step // per_epoch,
        "step": step,
        "loss": loss / per_epoch,
        "accuracy": 100 * right / (per_epoch * trainer.settings.batch_size),
        "learning_rate": float(trainer.schedule(step - 1)),
    }


def _print_row(row, epochs):
    print(
        f"epoch {row['epoch']:3d}/{epochs}  "
        f"loss {row['loss']:.4f}  "
        f"accuracy {row['accuracy']:5.1f} %  "
        f"{row['images_per_second']:.0f} images/s  "
        f"{row['seconds']:.0f} s so far",
        flush=True,
    )


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
    with pipeline.bad_image_named(examples):
        images = pipeline.decode_all(
            examples,
            settings.resize_size,
            lambda items: _progress(
                is_chief, items, desc="reading images", total=len(examples)
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
            images=images,
            memory_budget=memory_budget,
        )

    return trainer.strategy.distribute_datasets_from_function(batches)


def _progress(is_chief, items=None, **arguments):
    """A progress bar, if this is the chief and somebody looks at it."""
    disable = None if is_chief else True
    return tqdm(items, leave=False, disable=disable, **arguments)


def _class_names(settings, examples):
    """As many names as outputs: numbers where the data have none."""
    known = examples.class_names if examples else []
    numbers = range(len(known), settings.num_classes)
    return [*known, *(str(number) for number in numbers)]
