"""A config dataclass becomes a command line, and back."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phiz import options
from phiz.errors import UsageError
from phiz.options import option, positional


class Mood(Enum):
    """How a face looks."""

    GLAD = 1
    VERY_SAD = 2


@dataclass(frozen=True, kw_only=True)
class Generator:
    """A network."""

    width: int = 8
    """Channels."""
    scales: tuple[int, ...] = (1, 2)


WIDE = Generator(width=64)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything at once."""

    photo: Path = positional()
    """The picture to begin with."""
    sounds: tuple[Path, ...] = positional(())
    output: Path = option(Path("out.mp4"), "-o", "--output")
    """Where the film goes;
    made anew each time."""
    from_: str = "here"
    seed: int = 0
    """Which of many, 100% repeatable."""
    speed: float | None = None
    loud: bool = False
    label: bool = True
    size: tuple[int, int] = (3, 4)
    mode: Literal["fast", "slow"] = "fast"
    level: Literal[1, 2] = 1
    mood: Mood = Mood.GLAD
    key: str = option(MISSING, "--key")
    generator: Generator = WIDE

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError("--seed has to be 0 or more")


@dataclass(frozen=True, kw_only=True)
class Required:
    """One nested config that has to be given."""

    inner: Config


@dataclass(frozen=True, kw_only=True)
class Twice:
    """A config too deep."""

    outer: Required


def _parse(*words: str) -> Config:
    return options.parse(Config, ["a.png", "--key", "k", *words], prog="phiz talk")


def test_defaults_are_those_of_the_dataclass() -> None:
    assert _parse() == Config(photo=Path("a.png"), key="k")


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ("b.wav c.wav", "sounds", (Path("b.wav"), Path("c.wav"))),
        ("-o x.mp4", "output", Path("x.mp4")),
        ("--output=x.mp4", "output", Path("x.mp4")),
        ("--from there", "from_", "there"),
        ("--seed 780_000", "seed", 780_000),
        ("--speed -1.5", "speed", -1.5),
        ("--loud", "loud", True),
        ("--no-label", "label", False),
        ("--size 5 6", "size", (5, 6)),
        ("--mode slow", "mode", "slow"),
        ("--level 2", "level", 2),
        ("--mood very-sad", "mood", Mood.VERY_SAD),
        ("--generator.width 9", "generator", Generator(width=9)),
        ("--generator.scales 4 5 6", "generator", Generator(width=64, scales=(4, 5, 6))),
        ("--seed 1 b.wav", "sounds", (Path("b.wav"),)),
    ],
)
def test_each_type_is_read(words: str, name: str, value: object) -> None:
    assert getattr(_parse(*words.split()), name) == value


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--sed 3", r"there is no option --sed\. Did you mean '--seed'\?"),
        ("--sed=3", r"there is no option --sed\. Did you mean '--seed'\?"),
        ("--generator.widht 3", "Did you mean '--generator.width'"),
        ("--zzz", r"there is no option --zzz\. See: phiz talk --help"),
        ("--mode slwo", "there is no 'slwo'; choose from fast, slow. Did you mean 'slow'"),
        ("--mood angry", "choose from glad, very-sad"),
        ("--seed many", "--seed: 'many' is not a whole number"),
        ("--speed fast", "--speed: 'fast' is not a number"),
        ("--size 1", "--size: expected 2 arguments"),
        ("--seed", "--seed: expected one argument"),
        ("--seed -3", "--seed has to be 0 or more"),
    ],
)
def test_a_mistake_is_told_with_a_hint(words: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _parse(*words.split())


def test_what_is_required_is_asked_for() -> None:
    with pytest.raises(UsageError, match="required: photo"):
        options.parse(Config, ["--key", "k"])
    with pytest.raises(UsageError, match="required: --key"):
        options.parse(Config, ["a.png"])


def test_one_word_too_many_is_told() -> None:
    @dataclass(frozen=True)
    class Plain:
        seed: int = 0

    with pytest.raises(UsageError, match="'extra' is one word too many"):
        options.parse(Plain, ["extra"])


def test_a_nested_config_without_default_is_made_from_its_options() -> None:
    config = options.parse(SmallOuter, ["--inner.width", "3"])
    assert config == SmallOuter(inner=Generator(width=3))
    assert options.parse(SmallOuter, []) == SmallOuter(inner=Generator())


@dataclass(frozen=True, kw_only=True)
class SmallOuter:
    """Holds another config."""

    inner: Generator


@dataclass(frozen=True, kw_only=True)
class Factory:
    """Makes its defaults when asked."""

    inner: Generator = field(default_factory=lambda: Generator(width=5))
    seed: int = field(default_factory=lambda: 7)


def test_defaults_may_be_made_when_asked() -> None:
    assert options.parse(Factory, []) == Factory()
    given = options.parse(Factory, ["--inner.scales", "1", "--seed", "8"])
    assert given == Factory(inner=Generator(width=5, scales=(1,)), seed=8)
    assert "(default: 5)" in options.help_text(Factory, prog="phiz")


@dataclass(frozen=True, kw_only=True)
class WithPresets:
    """May begin with one of several sets of values."""

    preset: str = ""
    """Settings to begin with."""
    seed: int = 0
    size: tuple[int, int] = (1, 2)
    loud: bool = False
    mood: Mood = Mood.GLAD
    generator: Generator = field(default_factory=Generator)

    @staticmethod
    def presets() -> dict[str, WithPresets]:
        """Return the settings that have a name."""
        return {"LARGE": LARGE, "SMALL": WithPresets(generator=Generator(width=2))}


LARGE = WithPresets(seed=5, size=(9, 9), loud=True, mood=Mood.VERY_SAD, generator=Generator(width=512))


def test_a_preset_says_what_the_command_line_does_not() -> None:
    assert options.parse(WithPresets, []) == WithPresets()
    assert options.parse(WithPresets, ["--preset", "LARGE"]) == replace(LARGE, preset="LARGE")
    for words in (["--seed", "7", "--preset", "LARGE"], ["--preset=LARGE", "--seed=7"]):
        assert options.parse(WithPresets, words) == replace(LARGE, preset="LARGE", seed=7)
    words = ["--preset", "LARGE", "--no-loud", "--size", "3", "4", "--mood", "glad"]
    found = options.parse(WithPresets, words)
    assert (found.loud, found.size, found.mood, found.seed) == (False, (3, 4), Mood.GLAD, 5)


def test_a_value_that_equals_the_default_still_overrides_a_preset() -> None:
    assert options.parse(WithPresets, ["--preset", "LARGE", "--seed", "0"]).seed == 0


def test_nested_options_keep_the_presets_other_values() -> None:
    words = ["--preset", "LARGE", "--generator.scales", "4"]
    assert options.parse(WithPresets, words).generator == Generator(width=512, scales=(4,))
    assert options.parse(WithPresets, words[2:]).generator == Generator(width=8, scales=(4,))


def test_an_unknown_preset_is_told_with_a_hint() -> None:
    with pytest.raises(
        UsageError, match=r"no preset 'LRAGE'\. Did you mean 'LARGE'\? Known are LARGE, SMALL"
    ):
        options.parse(WithPresets, ["--preset", "LRAGE"])


def test_without_presets_the_word_means_nothing_special() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Plain:
        preset: str = "none"
        seed: int = 3

    assert options.parse(Plain, ["--preset", "LARGE"]) == Plain(preset="LARGE")


def test_configs_nest_one_level_only() -> None:
    with pytest.raises(TypeError, match="one level deep"):
        options.parse(Twice, [])


def test_a_type_that_cannot_be_read_is_the_authors_fault() -> None:
    with pytest.raises(TypeError, match="cannot read"):
        options.parse(Strange, [])
    with pytest.raises(TypeError, match="holds one type"):
        options.parse(Mixed, [])
    with pytest.raises(ValueError, match="start with a dash"):
        option(0, "seed")


@dataclass(frozen=True)
class Strange:
    """A config with a field of no use here."""

    field: complex = 0j


@dataclass(frozen=True)
class Mixed:
    """A config with a tuple of two types."""

    field: tuple[int, str] = (1, "a")


def test_strings_under_fields_are_their_help() -> None:
    docs = options.field_docs(Config)
    assert docs["photo"] == "The picture to begin with."
    assert docs["output"] == "Where the film goes;\nmade anew each time."
    assert "mode" not in docs


def test_help_shows_words_defaults_and_examples() -> None:
    text = options.help_text(Config, prog="phiz talk", about="Make it talk.", examples="phiz talk a.png")
    flat = " ".join(text.split())
    parts = [
        "usage: phiz talk", "Make it talk.", "photo The picture to begin with.", "--output PATH Where",
        "(default: out.mp4)", "100% repeatable. (default: 0)", "--no-label", "{fast,slow}", "(default: glad)",
        "(default: 3 4)", "generator:", "--generator.width N Channels. (default: 64)",
        "examples: phiz talk a.png",
    ]  # fmt: skip
    assert [part for part in parts if part not in flat] == []


def test_a_class_without_source_has_help_without_words() -> None:
    made = type("Made", (), {})
    assert options.field_docs(made) == {}


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10**12),
    size=st.tuples(st.integers(), st.integers()),
    speed=st.floats(allow_nan=False),
)
def test_reading_undoes_writing(seed: int, size: tuple[int, int], speed: float) -> None:
    words = ["--seed", str(seed), "--size", *map(str, size), f"--speed={speed!r}"]
    config = _parse(*words)
    assert (config.seed, config.size, config.speed) == (seed, size, speed)


def test_a_home_folder_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _parse("-o", "~/x.mp4").output == tmp_path / "x.mp4"


@dataclass(frozen=True, kw_only=True)
class Optional:
    """A config with a word that may be left out."""

    sound: Path | None = positional(None)
    seed: int = 0


def test_a_word_that_may_be_left_out_is_what_it_is_without() -> None:
    assert options.parse(Optional, ["--seed", "2"]) == Optional(seed=2)
    assert options.parse(Optional, ["a.wav"]) == Optional(sound=Path("a.wav"))
