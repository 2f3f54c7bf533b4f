"""Distribution `adl-tf`."""

import pathlib
import re

from setuptools import find_packages, setup

root = pathlib.Path(__file__).parent
version = re.search(
    r'__version__ = "(.+)"', (root / "adl_tf" / "__init__.py").read_text()
)[1]

extras = {
    "backends": ["jax", "torch"],
    "experiments": ["matplotlib>=3.8", "pandas>=2.1", "tabulate>=0.9"],
    "search": ["matplotlib>=3.8", "optuna>=4"],
    "tflite": ["ai-edge-litert>=2.0"],
}
extras["test"] = [
    *extras["experiments"],
    *extras["search"],
    *extras["tflite"],
    "dill>=0.3",
    "hypothesis>=6.100",
    "mypy>=1.14",
    "pytest>=8",
    "pytest-cov>=7",
    "pytest-xdist>=3.6",
    "ruff>=0.9",
    "selenium>=4.20",
]

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
    author="adl-tf developers",
    keywords=(
        "weakly supervised object localization, class activation maps, "
        "attention-based dropout layer, Keras, TensorFlow"
    ),
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
    project_urls={"Paper": "https://arxiv.org/abs/1908.10028"},
    python_requires=">=3.10",
    packages=find_packages(include=["adl_tf", "adl_tf.*"]),
    package_data={
        "adl_tf.reporting": ["*.html", "*.css", "*.js"],
        "adl_tf.datasets.builders": ["*/*.md", "*/*.bib", "*/*.tsv"],
    },
    install_requires=[
        "absl-py>=2.1",
        "h5py>=3.11",
        # TFDS 4.9.10 imports it, but does not ask for it.
        "importlib-resources>=6",
        "jinja2>=3.1",
        "keras>=3.8",
        "numba>=0.60",
        "numpy>=1.26",
        "opencv-python>=4.10",
        "pillow>=10",
        "requests>=2.31",
        "tensorboard>=2.18",
        "tensorflow>=2.18",
        "tensorflow-datasets>=4.9.7",
        "threadpoolctl>=3.1",
        "tqdm>=4.66",
    ],
    extras_require=extras,
)
