"""``phiz verify``: what a film says about where it comes from, and whether that is to be believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from phiz.console import Console
from phiz.media import image, provenance, signing, video
from phiz.media.mark import Detection, detect
from phiz.media.provenance import Report
from phiz.options import positional

EXIT_MISSING = 1
LONGEST = 200
"""Letters of a line; whoever signs may write as much as they like."""

_SOURCES: Mapping[str, str] = {
    "trainedAlgorithmicMedia": "made by a trained model",
    "compositeWithTrainedAlgorithmicMedia": "made in part by a trained model",
    "digitalCapture": "taken with a camera",
}


@dataclass(frozen=True, kw_only=True)
class VerifyConfig:
    """Which file to look at."""

    file: Path = positional()
    """Any film or picture."""


def verify(config: VerifyConfig, console: Console) -> Mapping[str, object]:
    """Say whether a film tells where it comes from: its signed manifest and its invisible mark.

    The exit code is 0 if both are there and right, and 1 if one is missing or wrong.

    Examples:
        phiz verify talk.mp4
        phiz verify talk.mp4 --json
    """
    report = provenance.read(config.file)
    own = signing.present()
    signer = report.claimed.signer if report.claimed else None
    known = {who.number for who in (own, signer) if who is not None}
    found = detect(_frames(config.file), expected=sorted(known))
    is_own = own is not None and signer is not None and signer.fingerprint == own.fingerprint
    _tell_manifest(report, console, is_own=is_own)
    _tell_mark(found, console, own=own, signer=signer)
    return {
        "file": str(config.file),
        "manifest": _manifest_told(report, is_own=is_own),
        "mark": {
            "found": found.found,
            "payload": None if found.payload is None else f"{found.payload:08x}",
            "score": round(found.score, 2),
            "chance": found.chance,
            "is_signers": found.found and signer is not None and found.payload == signer.number,
        },
        "exit_code": 0 if report.state == "valid" and found.found else EXIT_MISSING,
    }


def _frames(path: Path) -> Iterator[Float[Tensor, "3 h w"]]:
    if path.suffix.lower() in image.FORMATS:
        yield image.read(path)
    else:
        yield from video.read(path)


def _tell_manifest(report: Report, console: Console, *, is_own: bool) -> None:
    claimed = report.claimed
    if report.state == "none":
        _say(console, f"manifest: none ({report.problem}). Nothing says where this comes from.")
        return
    if report.state == "damaged":
        _say(console, f"manifest: not to be believed; {report.problem}.")
    if report.state == "changed":
        _say(console, "manifest: the film was changed since it was signed.")
    if report.state == "valid":
        _say(console, "manifest: valid; the film is as it was signed.")
    if claimed is None:
        return
    whose = "this machine's own key" if is_own else "a key that this machine does not know"
    _say(console, f"  signed by  {claimed.signer.name} ({claimed.signer.fingerprint[:8]}), {whose}")
    _say(console, f"  made with  {claimed.generator or 'something that does not say so'}")
    _say(console, f"  title      {claimed.title}")
    _say(console, f"  source     {_SOURCES.get(claimed.source, claimed.source or 'not told')}")
    _say(console, f"  actions    {', '.join(claimed.actions)}")
    if claimed.ingredients:
        rows = [
            (_plain(part.title), _plain(part.format), _plain(part.sha256)) for part in claimed.ingredients
        ]
        console.table(("made of", "format", "SHA-256"), rows)


def _tell_mark(
    found: Detection, console: Console, *, own: signing.Keys | None, signer: signing.Signer | None
) -> None:
    if not found.found or found.payload is None:
        _say(console, "mark: none found.")
        return
    whose = "of a key that nobody here knows"
    if own is not None and found.payload == own.number:
        whose = "of this machine's own key"
    elif signer is not None and found.payload == signer.number:
        whose = "of the key that signed"
    if signer is not None and found.payload != signer.number:
        whose += ", not of the one that signed"
    _say(console, f"mark: {found.payload:08x}, the number {whose} (chance alone: below {found.chance:.0e}).")


def _say(console: Console, text: str) -> None:
    console.say(_plain(text))


def _plain(text: str) -> str:
    """Return a text that a stranger wrote, without what would steer a terminal."""
    short = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    return "".join(c if c.isprintable() else "?" for c in short)


def _manifest_told(report: Report, *, is_own: bool) -> Mapping[str, object]:
    told: dict[str, object] = {"state": report.state, "problem": report.problem}
    claimed = report.claimed
    if claimed is not None:
        told |= {
            "title": claimed.title,
            "generator": claimed.generator,
            "source": claimed.source,
            "actions": list(claimed.actions),
            "signer": claimed.signer.name,
            "key": claimed.signer.fingerprint,
            "is_own_key": is_own,
            "ingredients": [
                {"title": part.title, "format": part.format, "sha256": part.sha256}
                for part in claimed.ingredients
            ],
        }
    return told
