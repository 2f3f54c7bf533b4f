"""Start and end of every command: flags, exit status, errors as one line."""

import importlib.util
import io
import os
import sys
import textwrap
import traceback

from absl import flags

from adl_tf.errors import AdlTfError, UsageError
from adl_tf.flag_text import as_text
from adl_tf.registry import DATASETS


def run(main, module, shown, from_workdir=False):
    """Parses the command line and runs a command; does not return.

    The exit status is 0, 2 for a wrong command line, 3 for a training whose
    loss became NaN or infinite and 1 for other failed work; as of any
    program, 130 after Ctrl-C and 141 if nobody reads the output.

    Args:
        main: Function of the parsed flags, `absl.flags.FLAGS`.
        module: Name of the command's module, such as `"adl_tf.train"`.
        shown: Names of the flags that `--help` lists.
        from_workdir: Whether the flags that `adl_tf.train` left in
            `--workdir` hold where the command line does not say otherwise.
    """
    # Before TensorFlow is imported: its chatter is not for our users, and
    # pipelines, strategies and export need this backend.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    # Names of files may have bytes that no encoding knows.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        if any(argument in ("--help", "-h", "-help") for argument in sys.argv):
            print(_help(module, shown))
        else:
            _parse(sys.argv, from_workdir)
            _refuse_others(sys.argv, module, shown)
            main(flags.FLAGS)
        sys.stdout.flush()
        _leave(0)
    except BrokenPipeError:
        # What reads the output, such as head, has seen enough. What is left of
        # it goes nowhere, or Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        _leave(141)
    except (AdlTfError, OSError) as error:
        message = " ".join(str(error).split())
        print(f"{module}: {message}", file=sys.stderr)
        _leave(getattr(error, "status", 1))
    except KeyboardInterrupt:
        print(f"\n{module}: interrupted", file=sys.stderr)
        _leave(130)
    except Exception:
        traceback.print_exc()
        _leave(1)


def _leave(status):
    """Ends the program, even where TensorFlow's cluster server would not.

    The interpreter's own end waits for it, sometimes for ever.
    """
    if "TF_CONFIG" in os.environ:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def load_tensorflow():
    """Imports TensorFlow and finds its devices without its chatter.

    The native library writes to the standard error before its log level is
    set: on every machine without a GPU, that there is none.
    """
    from adl_tf.native_messages import native_messages

    with native_messages():
        import tensorflow as tf

        # Not the logical ones: several machines have to meet before those.
        tf.config.list_physical_devices()


def load_reader(dataset):
    """Imports TensorFlow if a data set cannot be read without it.

    Data and files are looked for first: a misspelt name is found at once.

    Args:
        dataset: Name of the data set.
    """
    if DATASETS.has_prefix(dataset):
        load_tensorflow()


def require_extra(extra, *modules):
    """Refuses to go on without packages that are not installed by default.

    Args:
        extra: Name of the extra that installs them.
        *modules: Their modules.

    Raises:
        UsageError: If one is not there.
    """
    missing = [name for name in modules if not importlib.util.find_spec(name)]
    if missing:
        raise UsageError(
            f"{' and '.join(missing)} not installed: pip install "
            f"'adl-tf[{extra}]'"
        )


def require_folder(name, path, command):
    """Refuses a flag whose folder is not there.

    Args:
        name: Name of the flag.
        path: Its value.
        command: Module that writes such folders.

    Raises:
        UsageError: If it is not there.
    """
    if not os.path.isdir(path):
        raise UsageError(
            f"--{name}={path}: there is no such folder; {command} writes one"
        )


def _parse(argv, from_workdir):
    try:
        rest = flags.FLAGS(argv)
        if from_workdir and flags.FLAGS.workdir:
            saved = os.path.join(flags.FLAGS.workdir, "flags.cfg")
            if not os.path.isfile(saved):
                raise UsageError(
                    f"--workdir={flags.FLAGS.workdir} has no flags.cfg: is it "
                    "a folder that adl_tf.train wrote?"
                )
            rest = flags.FLAGS([argv[0], f"--flagfile={saved}", *argv[1:]])
    except flags.Error as error:
        reason = str(error).removeprefix("ERROR:: ")
        raise UsageError(f"{reason} (--help lists the flags)") from error
    if len(rest) > 1:
        raise UsageError(
            f"'{rest[1]}' is not a flag: flags look like --name=value"
        )


def typed_flags(argv):
    """Names of the flags of a command line, without those of its flagfiles.

    Args:
        argv: The command line, as `sys.argv`.

    Returns:
        List of names as they were typed: `noallow_missing` is one.
    """
    return [
        argument.lstrip("-").partition("=")[0].replace("-", "_")
        for argument in argv[1:]
        if argument.startswith("-")
    ]


def _refuse_others(argv, module, shown):
    """Refuses flags that are other commands'; flagfiles may hold them."""
    for name in typed_flags(argv):
        known = {name, name.removeprefix("no")} & {*shown, "flagfile"}
        if not known:
            raise UsageError(
                f"--{name} is not a flag of {module} (--help lists its flags)"
            )


def _help(module, shown):
    lines = [sys.modules["__main__"].__doc__.strip(), "", "flags:"]
    for name in shown:
        flag = flags.FLAGS[name]
        default = flag.default
        if isinstance(default, list):
            default = tuple(default)
        default = "" if default in (None, "") else f" [{as_text(default)}]"
        lines.append(f"  --{name}{default}")
        choices = getattr(flag.parser, "enum_values", None)
        text = flag.help
        if choices:
            # absl puts the choices in front of some.
            text = text.removeprefix(f"<{'|'.join(choices)}>: ")
            text = f"{' | '.join(choices)}: {text}"
        lines.extend(
            textwrap.wrap(
                text, 72, initial_indent=" " * 8, subsequent_indent=" " * 8
            )
        )
    lines += ["  --flagfile", "        A file with one flag a line."]
    return "\n".join(lines)
