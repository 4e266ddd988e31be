"""Festival: a dozen voices in eight languages, cut from recordings or learned from them."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from phiz.errors import MissingError
from phiz.world.voices import engines, texts, waves
from phiz.world.voices.engines import Phone, Spoken, Voice
from phiz.world.voices.phonesets import to_ipa

PROGRAM = "festival"
FOLDERS = (Path("/usr/share/festival/voices"), Path("/usr/local/share/festival/voices"))
"""Where voices lie, each in a folder of its language; ``FESTIVAL_VOICES`` names another one."""
SLOWEST, FASTEST = 1.2, 0.8
HEAP = "2000000"
"""Cells of memory: five times fewer than Festival takes by itself, which costs it more than a second."""

SCRIPT = """(voice_{voice})
(Parameter.set 'Duration_Stretch {stretch:.3f})
(set! said (utt.synth (Utterance Text "{text}")))
(utt.save.wave said "{path}" 'riff)
(mapcar (lambda (s) (format t "%s\\t%s\\t%s\\n" (item.name s) (item.feat s "end")
  (item.feat s "R:SylStructure.parent.stress"))) (utt.relation.items said 'Segment))
"""
"""What Festival is asked; its language is Scheme."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """A voice whose phones we can read."""

    language: str
    phoneset: str
    encoding: str
    """How the voice wants its text."""


KNOWN = {
    "kal_diphone": Known(language="en", phoneset="radio", encoding="ascii"),
    "ked_diphone": Known(language="en", phoneset="radio", encoding="ascii"),
    "cmu_us_slt_arctic_hts": Known(language="en", phoneset="radio", encoding="ascii"),
    "czech_dita": Known(language="cs", phoneset="czech", encoding="iso-8859-2"),
    "czech_krb": Known(language="cs", phoneset="czech", encoding="iso-8859-2"),
    "czech_machac": Known(language="cs", phoneset="czech", encoding="iso-8859-2"),
    "czech_ph": Known(language="cs", phoneset="czech", encoding="iso-8859-2"),
    "upc_ca_ona_hts": Known(language="ca", phoneset="catalan", encoding="iso-8859-1"),
    "hy_fi_mv_diphone": Known(language="fi", phoneset="finnish", encoding="iso-8859-1"),
    "suo_fi_lj_diphone": Known(language="fi", phoneset="finnish", encoding="iso-8859-1"),
    "lp_diphone": Known(language="it", phoneset="italian", encoding="iso-8859-1"),
    "pc_diphone": Known(language="it", phoneset="italian", encoding="iso-8859-1"),
    "msu_ru_nsh_clunits": Known(language="ru", phoneset="russian", encoding="utf-8"),
    "hindi_NSK_diphone": Known(language="hi", phoneset="hindi", encoding="utf-8"),
}


class Festival:
    """The program ``festival``, once for each text."""

    name = "festival"

    def voices(self) -> tuple[Voice, ...]:
        """Return who can speak; nobody where the program or its voices are not installed."""
        if shutil.which(PROGRAM) is None:
            return ()
        return tuple(
            Voice(engine=self.name, name=name, language=known.language, speaker=f"festival {name}")
            for name, known in KNOWN.items()
            if name in _installed()
        )

    def speak(self, text: str, voice: Voice, rng: np.random.Generator) -> Spoken:
        """Return what is heard, and when."""
        if shutil.which(PROGRAM) is None:
            raise MissingError("festival is not installed. Get it from the system's packages (festival).")
        known = KNOWN[voice.name]
        with tempfile.TemporaryDirectory() as folder:
            path, script = Path(folder) / "said.wav", Path(folder) / "say.scm"
            asked = SCRIPT.format(
                voice=voice.name,
                stretch=float(rng.uniform(FASTEST, SLOWEST)),
                text=texts.plain(text).replace("\\", "").replace('"', ""),
                path=path,
            )
            script.write_bytes(asked.encode(known.encoding, "ignore"))
            told = engines.run(PROGRAM, ["--heap", HEAP, "-b", str(script)]).decode("utf-8", "ignore")
            samples, rate = waves.read(path)
        return Spoken(
            samples=samples, rate=rate, phones=understood(told, known.phoneset, len(samples) / rate)
        )


def understood(told: str, phoneset: str, seconds: float) -> tuple[Phone, ...]:
    """Return the phones in lines of name, end and stress."""
    phones, clock = [], 0.0
    for line in told.splitlines():
        parts = line.split("\t")
        if len(parts) != 3:
            continue
        stress = 2 * (parts[2] == "1")
        phones.append(
            Phone(symbol=to_ipa(phoneset, parts[0]), start=clock, end=float(parts[1]), stress=stress)
        )
        clock = float(parts[1])
    return engines.filled(phones, seconds)


@lru_cache(maxsize=1)
def _installed() -> frozenset[str]:
    own = os.environ.get("FESTIVAL_VOICES")
    folders = (Path(own), *FOLDERS) if own else FOLDERS
    return frozenset(path.name for folder in folders if folder.is_dir() for path in folder.glob("*/*"))
