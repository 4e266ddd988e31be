"""ONNX files, made of what torch exports: stripped of notes, described, checked, and opened again.

The packages that this needs are those of ``phiz[export]``; nobody else has to have them.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

import phiz
from phiz import checkpoint
from phiz.errors import CheckpointError, MissingError

METADATA = "phiz"
"""Under which name a file keeps what it says about itself."""
WRITERS = ("onnx", "onnxscript")
"""Packages that writing needs."""


def package(name: str) -> ModuleType:
    """Return a package that not everybody has."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingError(
            f"this needs the package {name!r} ({error}). Get it with: pip install 'phiz[export]'"
        ) from error


def check_packages() -> None:
    """Say what is missing, if anything is, before any work is done."""
    for name in WRITERS:
        package(name)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep back what torch says about its own parts while it exports; nobody could act on it."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def write(path: Path, made: Any, about: Mapping[str, Any], meanings: Mapping[str, str] | None = None) -> None:
    """Write what ``torch.onnx.export`` made, with a description inside, checked by ONNX's own checker.

    `about` can be read back from any runtime as JSON; `meanings` says what inputs and outputs are.
    """
    onnx = package("onnx")
    assert made is not None
    model = made.model_proto
    for node in model.graph.node:  # what torch noted down about every operation, places in files among it
        del node.metadata_props[:]
        node.ClearField("doc_string")
    onnx.helper.set_model_props(model, {METADATA: json.dumps(about, default=str)})
    model.producer_name, model.producer_version = "phiz", phiz.__version__
    for value in (*model.graph.input, *model.graph.output):
        value.doc_string = (meanings or {}).get(value.name, "")
    onnx.checker.check_model(model, full_check=True)
    with checkpoint.atomic(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))


def opened(path: Path) -> Any:
    """Return a session of onnxruntime on the processor, with as many threads as torch has."""
    runtime = package("onnxruntime")
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}. Check the name, or make it first.")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime has a dozen kinds of its own, none of them public
        raise CheckpointError(f"{path} cannot be run: {error}. Copy or make it anew.") from error


def told(session: Any, path: Path) -> dict[str, Any]:
    """Return what an opened file says about itself."""
    try:
        found: dict[str, Any] = json.loads(session.get_modelmeta().custom_metadata_map[METADATA])
    except (KeyError, ValueError):
        raise CheckpointError(f"{path} was not exported by phiz. Make one with: phiz export") from None
    return found
