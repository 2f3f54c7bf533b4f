"""A command in the tests' own process, where modules are loaded already."""

from absl import flags
from absl.testing import flagsaver

from adl_tf import command


def call(module, *arguments, from_workdir=False):
    """Runs a command up to where it would print an error, which is raised.

    Args:
        module: The command's module.
        *arguments: Its command line.
        from_workdir: As for `adl_tf.command.run`.
    """
    arguments = [module.__name__, *map(str, arguments)]
    with flagsaver.flagsaver():
        command._parse(arguments, from_workdir)
        module.main(flags.FLAGS)
