"""Pages of this package: HTML to be filled in, style sheets and scripts."""

import importlib.resources

import jinja2
from markupsafe import Markup


def template(name):
    """A page of this package, to be filled in; text in it is escaped.

    Args:
        name: Name of the HTML file.

    Returns:
        `jinja2.Template`, in which the filter `breakable` allows lines to
        break within long names.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("adl_tf.reporting", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    return environment.get_template(name)


def page_file(name):
    """A style sheet or script of this package, to be put into a page.

    Args:
        name: Name of the file.

    Returns:
        Text that is not escaped.
    """
    folder = importlib.resources.files("adl_tf.reporting")
    return Markup(folder.joinpath(name).read_text(encoding="utf-8"))


def _breakable(text):
    return Markup("_<wbr>").join(text.split("_"))
