from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phiz.prepare import metadata
from phiz.prepare.metadata import BadMetadataError
from phiz.world.data.guide import metadata_writers

HEADER = {
    "format": 1,
    "kind": "poses",
    "fps": 25,
    "units": {"rotation": "radians", "translation": "metres"},
}


def read(path: Path, text: str | bytes) -> list[tuple[str, object]]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with metadata.opened(path, "poses") as (_, entries):
        return [tuple(entry) for entry in entries]


finite = st.floats(allow_nan=False, allow_infinity=False) | st.integers()
numbers = st.recursive(finite, st.lists, max_leaves=6)


@given(
    frames=st.dictionaries(st.text(), st.lists(numbers)),
    indent=st.sampled_from([None, 0, 3]),
    window=st.integers(1, 9),
)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_piece_by_piece_gives_what_all_at_once_gives(
    frames: dict[str, object], indent: int | None, window: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "poses.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metadata, "WINDOW", window)  # windows end inside numbers, escapes and keys
        text = json.dumps({"header": HEADER, "frames": frames}, indent=indent)
        assert read(path, text) == list(frames.items())
        lines = [json.dumps({"header": HEADER}), *(json.dumps({key: value}) for key, value in frames.items())]
        assert read(path.with_suffix(".jsonl"), "\n".join(lines)) == list(frames.items())


def test_the_writer_writes_what_the_reader_reads(tmp_path: Path) -> None:
    with metadata_writers(tmp_path, basis="toy", fps=25) as writers:
        for kind, writer in writers.items():
            writer.add('quo"te/1', [1.5])
            writer.add("ü/2", [len(kind)])
    for kind in ("poses", "expressions", "landmarks"):
        path = metadata.find(tmp_path, kind)
        assert path is not None
        assert json.loads(path.read_text())["frames"] == {'quo"te/1': [1.5], "ü/2": [len(kind)]}
        with metadata.opened(path, kind) as (header, entries):
            assert (header.fps, header.basis) == (25, "toy" if kind == "expressions" else "")
            assert [entry.key for entry in entries] == ['quo"te/1', "ü/2"]


def test_a_failing_writer_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), metadata_writers(tmp_path, basis="toy"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


START = '{"header": ' + json.dumps(HEADER)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "ends too early"),
        ("[]", "stands where { is expected"),
        ("{}", "a text, a list or an object is expected"),
        ('{"frames": {}}', "does not begin with a header"),
        ('{"header": [], "frames": {}}', "has no header"),
        ('{"header": {}, "frames": {}}', "its format is None"),
        (START + "}", "stands where , is expected"),
        (START + ', "pictures": {}}', 'no "frames" follow'),
        (START + ', "frames": {"a/1": [1, 2', "cannot be read"),
        (START + ', "frames": {"a/1": [1], }}', "a text, a list or an object"),
        (START + ', "frames": {"a/1": 5}}', "a text, a list or an object"),
        (START + ', "frames": {"a/1": [1]}', "ends too early"),
        (START + ', "frames": {}} more', "something follows"),
        (START + ', "frames": {"a": ' + "[" * 100_000, "too deep|cannot be read"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (START.encode() + b', "frames": {"\xff": []}}', "not UTF-8"),
        (START.replace("radians", "degrees") + ', "frames": {}}', "its units are"),
        (START.replace("25", "null") + ', "frames": {}}', "states no fps"),
        (START.replace('"poses"', '"expressions"') + ', "frames": {}}', "says 'expressions', not 'poses'"),
        (START.replace('"format": 1', '"format": 2') + ', "frames": {}}', "its format is 2"),
    ],
)
def test_each_way_to_be_wrong_is_said(text: str | bytes, why: str, tmp_path: Path) -> None:
    with pytest.raises(BadMetadataError, match=why):
        read(tmp_path / "poses.json", text)


@pytest.mark.parametrize(("line", "why"), [("[1", "line 2 cannot"), ("5", "line 2 is no JSON object")])
def test_a_wrong_line_is_numbered(line: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(BadMetadataError, match=why):
        read(tmp_path / "poses.jsonl", json.dumps({"header": HEADER}) + "\n" + line)
