"""The training loop: one code path for one device and for many."""

import contextlib
import dataclasses
import signal

import keras
import tensorflow as tf

from adl_tf.datasets import pipeline
from adl_tf.errors import Diverged, UsageError
from adl_tf.locks import locked
from adl_tf.training.epoch import Epoch, NotFinite, Readings
from adl_tf.training.record import NoRecord, Record
from adl_tf.training.split import training_examples
from adl_tf.training.stopping import Stopped, Stopping
from adl_tf.training.strategy import (
    barrier,
    cluster_for,
    lost_worker_reported,
    make_strategy,
    share_from_chief,
)
from adl_tf.training.trainer import Trainer
from adl_tf.workdir import checkpoints
from adl_tf.workdir import run as workdir


def train(settings, examples=None):
    """Trains a classifier and leaves it in the work directory.

    Args:
        settings: `Settings`.
        examples: What `training_examples` returned, or `None` to read them.

    Returns:
        The `Settings` that flags.cfg then holds, with the number of classes.

    Raises:
        AdlTfError: If the settings or the data do not allow it, or the loss
            became NaN or infinite; checkpoints are kept.
        Stopped: After SIGTERM or SIGINT, when all is saved.
        WorkerLost: If the training has to be started again because another
            worker is gone.
    """
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
    if examples is None:
        examples = training_examples(settings)
    if settings.num_classes is None:
        settings = dataclasses.replace(
            settings, num_classes=examples.num_classes
        )
    cluster = cluster_for(settings.strategy)
    if cluster is not None and not cluster.is_chief:
        with lost_worker_reported(cluster):
            _train(settings, examples, NoRecord)
        return settings
    flag = f"--workdir={settings.workdir}"
    with locked(settings.workdir, flag), lost_worker_reported(cluster):
        checkpoints.clear_leftovers(settings.workdir)
        workdir.claim(settings, _class_names(settings, examples))
        _train(settings, examples, Record)
    print(f"trained: {checkpoints.latest_weights(settings.workdir)}")
    return settings


def _train(settings, examples, make_record):
    """The part of one worker; the chief's record alone writes and prints."""
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
        record = make_record(trainer, examples)
        step, sums = record.restore()
        step = share_from_chief(strategy, step, trainer.variables)
        if step < trainer.num_steps:
            _run(trainer, examples, record, stopping, step, sums)
        elif trainer.num_steps:
            record.print("there is nothing left to do")
        else:
            record.save(0)
        barrier(strategy)


def _run(trainer, examples, record, stopping, done, sums):
    """Trains all steps that are left.

    Args:
        trainer: `Trainer`.
        examples: `Examples`.
        record: `Record`, or `NoRecord` where another worker writes.
        stopping: `Stopping`.
        done: Number of steps done before.
        sums: Sums of the epoch that is not at its end.
    """
    batches = iter(_distributed_batches(trainer, examples, done, record))
    readings = Readings(trainer.strategy, stopping, done)
    with record.following(done):
        epoch = Epoch(done, sums)
        for step in range(done + 1, trainer.num_steps + 1):
            with pipeline.bad_image_named(examples), epoch.waiting():
                batch = next(batches)
            epoch.add(*trainer.step(batch))
            ends = step % trainer.steps_per_epoch == 0
            if not (ends or readings.due(step)):
                continue
            with _last_checkpoint_named(trainer.settings.workdir):
                epoch.read()
            record.show(step, epoch)
            if ends:
                record.end_epoch(step, epoch)
                epoch = Epoch(step)
            if readings.agree(step) and step < trainer.num_steps:
                if not ends:
                    record.save(step, epoch.sums)
                barrier(trainer.strategy)
                raise _stopped(stopping, step)


@contextlib.contextmanager
def _last_checkpoint_named(folder):
    """Adds the last checkpoint to the error of a loss that is not finite."""
    try:
        yield
    except NotFinite as error:
        last = checkpoints.latest_weights(folder)
        raise Diverged(
            f"{error}: try a lower --learning_rate; the last checkpoint is "
            f"{last or 'none yet'}"
        ) from None


def _stopped(stopping, step):
    """The exception to raise in all workers after one received a signal."""
    number = stopping.signal or signal.SIGTERM
    name = signal.Signals(number).name
    return Stopped(
        number,
        f"stopped by {name}; step {step} is saved, and the same command goes "
        "on from there",
    )


def _distributed_batches(trainer, examples, first_step, record):
    settings = trainer.settings
    memory_budget = settings.memory_budget * 2**20
    with pipeline.bad_image_named(examples):
        images = pipeline.decode_all(
            examples,
            settings.resize_size,
            lambda items: record.progress(
                items, desc="reading images", total=len(examples)
            ),
            memory_budget,
            settings.warp,
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
            warp_rule=settings.warp,
        )

    return trainer.strategy.distribute_datasets_from_function(batches)


def _class_names(settings, examples):
    """As many names as outputs: numbers where the data have none."""
    known = examples.class_names if examples else []
    numbers = range(len(known), settings.num_classes)
    return [*known, *(str(number) for number in numbers)]
