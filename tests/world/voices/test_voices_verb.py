"""``phiz world voices`` and which engines are here."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from phiz.console import Console
from phiz.errors import DataError, MissingError
from phiz.world.data.reading import read_shards
from phiz.world.voices import clips, formant, installed, show
from phiz.world.voices.show import VoicesConfig

SECONDS = 1.5
HOURS = 2 * SECONDS / 3600
QUIET = Console(quiet=True)


def test_there_is_always_somebody_who_can_speak() -> None:
    names = [engine.name for engine in installed.found()]
    assert "formant" in names
    assert set(names) <= set(installed.WAYS) == {engine.name for engine in installed.known()}
    assert [engine.name for engine in installed.named(("formant", "formant"))] == ["formant"]


def test_engines_that_are_not_here_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingError, match=r"'flite' is not installed\. Get it from"):
        installed.named(("flite",))
    with pytest.raises(MissingError, match=r"no engine 'formnat'.*Did you mean 'formant'"):
        installed.named(("formnat",))


def test_the_list_says_who_can_speak() -> None:
    heard = io.StringIO()
    told = show.voices(VoicesConfig(engines=("formant",), list=True), Console(output=heard))
    assert "formant" in heard.getvalue()
    assert "espeak is not in use" in heard.getvalue()
    assert told["engines"] == {"formant": {"speakers": 48, "voices": 48}}


def test_a_set_is_written_read_again_and_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show, "CLIP_S", SECONDS)
    config = VoicesConfig(output=tmp_path / "set", hours=HOURS, engines=("formant",), per_shard=1, workers=1)
    told = show.voices(config, QUIET)
    assert told["clips"] == 2
    assert told["shards"] == 2
    first = (tmp_path / "set" / "000000.tar").read_bytes()
    (tmp_path / "set" / "000000.tar").unlink()
    show.voices(config, QUIET)
    assert (tmp_path / "set" / "000000.tar").read_bytes() == first
    read = [clips.decode(sample.files) for sample in read_shards(tmp_path / "set", seed=0, mix=0)]
    assert [clip.curves.shape for clip in read] == [(38, 52)] * 2
    with pytest.raises(DataError, match="holds other data"):
        show.voices(VoicesConfig(output=tmp_path / "set", hours=HOURS, seed=1, engines=("formant",)), QUIET)


@pytest.mark.parametrize("wrong", [{"hours": 0.0}, {"seed": -1}, {"per_shard": 0}, {"workers": -1}])
def test_settings_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must|cannot"):
        VoicesConfig(**wrong)  # type: ignore[arg-type]


def test_a_voice_that_sounds_different_has_another_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    make = clips.SpokenClips(installed.named(("formant",)), seed=0)
    before = show.fingerprints(make)
    assert before == show.fingerprints(make)
    monkeypatch.setattr(formant, "HOP", 88)
    assert show.fingerprints(make) != before
