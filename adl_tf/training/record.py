"""Files, printed lines and images of a run: one process writes for all."""

import contextlib

from tqdm import tqdm

from adl_tf.training.preview import make_preview
from adl_tf.workdir import checkpoints
from adl_tf.workdir import run as workdir
from adl_tf.workdir.history import History


class Record:
    """What the chief reads, writes and prints.

    Args:
        trainer: `Trainer`.
        examples: `Examples`, or `None` if nothing is trained.
    """

    def __init__(self, trainer, examples):
        self.trainer = trainer
        self.settings = trainer.settings
        self.examples = examples
        self.history = self.preview = self.bar = None
        workdir.write_environment(self.settings.workdir)

    def restore(self):
        """Reads the newest checkpoint, and prints what will be trained.

        Returns:
            Tuple of the number of steps done, and the sums of the epoch that
            is not at its end.
        """
        step, sums = checkpoints.restore(
            self.settings.workdir, self.trainer.model, self.trainer.optimizer
        )
        self.print(*description(self.trainer, self.examples, step))
        return step, sums

    @contextlib.contextmanager
    def following(self, step):
        """Prepares history, preview and progress bar for the next steps.

        Args:
            step: Number of steps done.
        """
        self.history = History(self.settings.workdir, step)
        self.preview = make_preview(self.settings, self.trainer.objective.model)
        per_epoch = self.trainer.steps_per_epoch
        with self.progress(total=per_epoch, initial=step % per_epoch) as bar:
            self.bar = bar
            yield

    def progress(self, items=None, **arguments):
        """A progress bar, if standard error is a terminal."""
        return tqdm(items, leave=False, disable=None, **arguments)

    def show(self, step, epoch):
        """Moves the progress bar.

        Args:
            step: Number of steps done.
            epoch: `Epoch`, all of it read.
        """
        number, done = divmod(step - 1, self.trainer.steps_per_epoch)
        self.bar.set_description(f"epoch {number + 1}", refresh=False)
        self.bar.set_postfix(loss=f"{epoch.last_loss:.3f}", refresh=False)
        self.bar.update(done + 1 - self.bar.n)

    def end_epoch(self, step, epoch):
        """Writes and prints the row of an epoch, then saves.

        Args:
            step: Number of steps done.
            epoch: `Epoch`, all of it read.
        """
        row = self._row(step, epoch)
        # First the row: without its checkpoint the epoch comes again, and the
        # row with it.
        self.history.add(row, self.preview and self.preview.draw())
        self.save(step)
        self.bar.reset()
        self.bar.clear()
        self.print(
            f"epoch {row['epoch']:3d}/{self.settings.epochs}  "
            f"loss {row['loss']:.4f}  "
            f"accuracy {row['accuracy']:5.1f} %  "
            f"{row['images_per_second']:.0f} images/s  "
            f"{row['seconds']:.0f} s so far"
        )

    def _row(self, step, epoch):
        per_epoch = self.trainer.steps_per_epoch
        batch_size = self.settings.batch_size
        row = {
            "epoch": step // per_epoch,
            "step": step,
            "loss": epoch.loss / per_epoch,
            "accuracy": 100 * epoch.correct / (per_epoch * batch_size),
            "learning_rate": float(self.trainer.schedule(step - 1)),
            **epoch.timing(batch_size),
        }
        row["seconds"] += self.history.seconds
        return row

    def save(self, step, sums=(0.0, 0)):
        """Writes a checkpoint; see `checkpoints.save`."""
        checkpoints.save(
            self.settings.workdir,
            step,
            self.trainer.model,
            self.trainer.optimizer,
            sums,
        )

    def print(self, *lines):
        """Prints lines at once."""
        print(*lines, sep="\n", flush=True)


class NoRecord:
    """Stand-in for `Record` in the other workers; it writes nothing.

    It starts from the beginning, until the chief shares its variables.

    Args:
        *_: As for `Record`.
    """

    def __init__(self, *_):
        pass

    def restore(self):
        return 0, (0.0, 0)

    def following(self, *_):
        return contextlib.nullcontext()

    def progress(self, items=None, **_):
        return tqdm(items, disable=True)

    def print(self, *_):
        pass

    show = end_epoch = save = print


def description(trainer, examples, step):
    """Lines that say what is trained, and on what.

    Args:
        trainer: `Trainer`.
        examples: `Examples`, or `None` if nothing is trained.
        step: Number of steps done.

    Returns:
        List of text.
    """
    settings = trainer.settings
    lines = [
        f"{settings.backbone} with {settings.method}, "
        f"{trainer.model.count_params():,} parameters, on "
        f"{len(examples) if examples else 'no'} images; epochs: "
        f"{settings.epochs}, steps in each: {trainer.steps_per_epoch}, "
        f"replicas: {trainer.strategy.num_replicas_in_sync}"
    ]
    if examples and len(examples) < settings.batch_size:
        lines.append(
            f"--batch_size={settings.batch_size} is more than there are "
            "images: a step sees some twice; a smaller one makes more "
            "steps of an epoch"
        )
    if examples and len(set(examples.labels)) == 1:
        lines.append(
            "all images are of one class: every prediction is correct, and "
            "nothing is learnt that heatmaps could show"
        )
    crop, side = settings.input_size, settings.resize_size
    if examples and crop < 0.75 * side:
        lines.append(
            f"crops of {crop} pixels from images of {side} show "
            f"{100 * (crop / side) ** 2:.0f} % of each: "
            "--resize_size says how large images are before the crop"
        )
    if step:
        lines.append(f"going on from step {step}")
    elif settings.weights != "none":
        lines.append(
            f"weights: {settings.weights}; new layers: "
            f"{', '.join(trainer.new_layers) or 'none'}"
        )
    return lines
