"""The flags of a run, made of its settings.

Importing this defines them. Nothing heavy is imported: `--help` has to answer
at once.
"""

from absl import flags

from adl_tf.errors import DataError, UsageError
from adl_tf.flag_text import as_text
from adl_tf.registry import METHODS, Registry
from adl_tf.settings import FLAGS, Settings

# Those that describe a run, and that its flags.cfg holds.
RUN_NAMES = tuple(name for name in FLAGS if name != "workdir")


class _NameParser(flags.EnumParser):
    """Takes the names of a registry, and any name with its prefix.

    Args:
        registry: `Registry`.
    """

    def __init__(self, registry):
        super().__init__(registry.choices())
        self.registry = registry

    def parse(self, argument):
        if self.registry.has_prefix(argument):
            return argument
        return super().parse(argument)


class _Parser(flags.ArgumentParser):
    """Takes what a function of the text accepts.

    Args:
        parse: Function from text to a value that raises `ValueError`.
    """

    def __init__(self, parse):
        self.parse = parse


def _parser(flag):
    """The absl parser of a `Flag`."""
    if isinstance(flag.choices, Registry):
        return _NameParser(flag.choices)
    if flag.choices:
        return flags.EnumParser(flag.choices)
    if flag.parse is int:
        return flags.IntegerParser(flag.lowest)
    if flag.parse is float:
        return flags.FloatParser(flag.lowest)
    return _Parser(flag.parse)


def define(values):
    """Defines a flag for each setting.

    Args:
        values: `absl.flags.FlagValues`.
    """
    for name, flag in FLAGS.items():
        default = getattr(Settings, name)
        if flag.parse is bool:
            flags.DEFINE_boolean(name, default, flag.help, values)
            continue
        if default is not None:
            default = as_text(default)
        flags.DEFINE(_parser(flag), name, default, flag.help, values)


def settings(values):
    """The settings that flags give.

    Args:
        values: `absl.flags.FLAGS`.

    Returns:
        `Settings`.
    """
    return Settings(**{name: values[name].value for name in FLAGS})


def read_flagfile(path):
    """The settings that a flagfile gives.

    Args:
        path: Path of the file, such as flags.cfg of a work directory.

    Returns:
        `Settings`.

    Raises:
        DataError: If it has a flag or a value that does not exist.
    """
    values = flags.FlagValues()
    define(values)
    try:
        values([path, f"--flagfile={path}"])
    except (flags.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    return settings(values)


def refuse_other_methods(values, typed):
    """Refuses flags that change another method than the one that trains.

    Flagfiles may hold them: one of a data set suits every method.

    Args:
        values: `absl.flags.FLAGS`.
        typed: Names of the flags that the user typed.

    Raises:
        UsageError: If one belongs to another method and has not its default.
    """
    for name in typed:
        name = name if name in values else name.removeprefix("no")
        owner = name.partition("_")[0]
        if owner not in METHODS or owner == values.method:
            continue
        flag = values[name]
        if flag.value != flag.default:
            raise UsageError(
                f"--{name} belongs to --method={owner} and is not a flag of "
                f"--method={values.method}: leave one of them out"
            )


define(flags.FLAGS)
