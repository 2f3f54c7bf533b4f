"""Distribution `adl-tf`."""

import pathlib
import re

from setuptools import find_packages, setup

root = pathlib.Path(__file__).parent
version = re.search(
    r'__version__ = "(.+)"', (root / "adl_tf" / "__init__.py").read_text()
)[1]

setup(
    name="adl-tf",
    version=version,
    description=(
        "Weakly supervised object localisation with the attention-based "
        "dropout layer, in TensorFlow and Keras"
    ),
    long_description=(root / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["adl_tf", "adl_tf.*"]),
    package_data={
        "adl_tf.reporting": ["*.html", "*.css", "*.js"],
        "adl_tf.datasets.builders": ["*/*.md", "*/*.bib", "*/*.tsv"],
    },
    install_requires=[
        "absl-py>=2.1",
        "ai-edge-litert>=2.0",
        "h5py>=3.11",
        # TFDS 4.9.10 imports it, but does not ask for it.
        "importlib-resources>=6",
        "jinja2>=3.1",
        "keras>=3.8",
        "numba>=0.60",
        "numpy>=1.26",
        "opencv-python>=4.10",
        "pillow>=10",
        "tensorboard>=2.18",
        "tensorflow>=2.18",
        "tensorflow-datasets>=4.9.7",
        "threadpoolctl>=3.1",
        "tqdm>=4.66",
    ],
    extras_require={
        "test": [
            "dill>=0.3",
            "hypothesis>=6.100",
            "mypy>=1.14",
            "pytest>=8",
            "pytest-cov>=7",
            "pytest-xdist>=3.6",
            "ruff>=0.9",
            "selenium>=4.20",
        ],
        "backends": ["jax", "torch"],
        "search": ["optuna>=4"],
    },
)
