"""The folder of a training: whose it is, and whether a training may go on in it.

``config.json`` says which run the folder belongs to and with which settings. A folder that holds anything
else, or a run with other settings, is refused; nothing in it is touched.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import torch

from phiz import checkpoint
from phiz.errors import UsageError

FORMAT = 1
CONFIG = "config.json"
ELSEWHERE = "Choose another folder with --output."


def open_folder(folder: Path, about: Mapping[str, object], *, resume: bool) -> str:
    """Make the folder of a run, or make sure that it holds this very run; return the name of the run.

    `about` is what config.json will say; two runs are the same if its "settings" are.
    """
    plain = to_plain(about)
    found = read_config(folder) if (folder / CONFIG).is_file() else None
    if found is None:
        _refuse_foreign(folder)
    elif not resume:
        raise UsageError(f"{folder} holds a run already, and --no-resume asks for a new one. {ELSEWHERE}")
    else:
        _refuse_other(folder, found["settings"], plain["settings"])
    run = str(found["run"]) if found else secrets.token_hex(4)
    text = json.dumps({"format": FORMAT, "run": run, **plain}, indent=1, sort_keys=True)
    with checkpoint.atomic(folder / CONFIG) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return run


def read_config(folder: Path) -> dict[str, Any]:
    """Return what the run in a folder says about itself."""
    path = folder / CONFIG
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if int(about["format"]) > FORMAT:
            raise UsageError(f"{path} has format {about['format']}, newer than this phiz. Upgrade it.")
        return {**about, "run": str(about["run"]), "settings": dict(about["settings"])}
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}. Name the folder of a run.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} is not the config of a run ({error!r}). {ELSEWHERE}") from error


def to_plain(values: Mapping[str, object]) -> dict[str, Any]:
    """Return settings as they come back from a file, to compare like with like."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(values), default=_word, allow_nan=False))
    return plain


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings as one level; the names of inner ones are joined with dots."""
    whole: dict[str, Any] = {}
    for name, value in values.items():
        inner = flat(value) if isinstance(value, Mapping) and value else None
        whole |= {name: value} if inner is None else {f"{name}.{key}": leaf for key, leaf in inner.items()}
    return whole


def _word(value: object) -> str:
    if isinstance(value, (Path, torch.dtype, torch.device)):
        return str(value)
    if isinstance(value, Enum):
        return value.name
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; a run needs a folder. {ELSEWHERE}")
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    others = [name for name in names if not name.startswith(".")]
    if others:
        raise UsageError(
            f"{folder} is not empty ({', '.join(others[:3])}{', ...' if len(others) > 3 else ''}) and "
            f"holds no run that could go on; nothing in it was touched. {ELSEWHERE}"
        )


def _refuse_other(folder: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    there, asked = flat(found), flat(wanted)
    if there.get("trainer") != asked.get("trainer"):
        raise UsageError(
            f"{folder} is a run of {there.get('trainer')!r}, not of {asked.get('trainer')!r}. {ELSEWHERE}"
        )
    for name in sorted({*there, *asked}):
        if there.get(name) != asked.get(name):
            raise UsageError(
                f"the run in {folder} has {name} {there.get(name)!r}; you ask for {asked.get(name)!r}, which "
                "would change its result. Ask for the same again, or choose another folder with --output."
            )
