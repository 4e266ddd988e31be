"""``phiz measure identity`` judges a recogniser by files of pairs."""

from __future__ import annotations

import io
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from phiz import options
from phiz.console import Console
from phiz.face.identity import store
from phiz.face.identity.config import TINY
from phiz.face.identity.networks import begin
from phiz.metrics.recognition import RecognitionConfig, measure_identity


def test_a_file_of_pairs_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng, pictures = np.random.default_rng(0), []
    for number in range(24):
        base = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        for shown in (base, base if number % 2 else rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)):
            data = io.BytesIO()
            Image.fromarray(shown.repeat(4, 0).repeat(4, 1)).save(data, "PNG")
            pictures.append(data.getvalue())
    (tmp_path / "some.bin").write_bytes(pickle.dumps((pictures, [n % 2 == 1 for n in range(24)]), 2))
    network = begin(TINY, torch.Generator().manual_seed(0)).eval()
    store.save(tmp_path / "identity.safetensors", network)
    words = [str(tmp_path / "identity.safetensors"), "--pairs", str(tmp_path / "some.bin"), "--first", "20"]
    told = measure_identity(options.parse(RecognitionConfig, words), Console())
    assert told["some"]["accuracy"] == 1  # type: ignore[index]
    assert told["some"]["auc"] == 1  # type: ignore[index]
    assert re.search(r"some +20 +100\.00 \+- 0\.00 %", capsys.readouterr().out)
