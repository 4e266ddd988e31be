"""A process that speaks one text with the espeak-ng library and leaves.

The library's second text in one process differs from the first, so each text gets a process of its
own. It imports nothing but the standard library, which makes it start fast. Its input is one JSON
object; its output one line of JSON (the rate and the events) and then the samples, 16 bit.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

SYNCHRONOUS, UTF8 = 2, 1
PHONE_EVENTS, IN_IPA, DONT_EXIT = 1, 2, 0x8000
RATE, VOLUME, PITCH, RANGE = 1, 2, 3, 4
WORD, PHONE = 1, 7
NO_LIBRARY, NO_VOICE = 3, 4
"""Exit codes."""


# Made by calling `type`, which is what a class statement does: ctypes has no other way than to inherit.
ID = type(
    "Id",
    (ctypes.Union,),
    {"_fields_": [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]},
)
"""What an event is about; espeak-ng's ``espeak_EVENT.id``."""

EVENT = type(
    "Event",
    (ctypes.Structure,),
    {
        "_fields_": [
            ("type", ctypes.c_int),
            ("unique", ctypes.c_uint),
            ("text_position", ctypes.c_int),
            ("length", ctypes.c_int),
            ("milliseconds", ctypes.c_int),
            ("sample", ctypes.c_int),
            ("user_data", ctypes.c_void_p),
            ("id", ID),
        ]
    },
)
"""Something that happens at a sample; espeak-ng's ``espeak_EVENT``."""

CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(EVENT))


def speak(library: Any, wish: dict[str, Any]) -> tuple[int, list[list[object]], bytes]:
    """Return rate, events (type, sample, place in the text, length, name) and samples of a text."""
    data = wish["data"].encode() if wish["data"] else None
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, data, PHONE_EVENTS | IN_IPA | DONT_EXIT)
    if rate <= 0:
        sys.exit(NO_LIBRARY)
    sound = bytearray()
    events: list[list[object]] = []

    def hear(samples: Any, count: int, happened: Any) -> int:
        if samples and count:
            sound.extend(ctypes.string_at(samples, 2 * count))
        place = 0
        while happened[place].type:
            event = happened[place]
            name = event.id.string.decode("utf-8", "ignore") if event.type == PHONE else ""
            if event.type in (WORD, PHONE):
                events.append([event.type, event.sample, event.text_position, event.length, name])
            place += 1
        return 0

    callback = CALLBACK(hear)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(wish["voice"].encode()):
        sys.exit(NO_VOICE)
    for number, value in ((RATE, wish["pace"]), (PITCH, wish["pitch"]), (RANGE, wish["range"])):
        library.espeak_SetParameter(number, int(value), 0)
    text = wish["text"].encode() + b"\0"
    library.espeak_Synth(text, len(text), 0, 1, 0, UTF8, None, None)
    library.espeak_Synchronize()
    return rate, events, bytes(sound)


def main() -> None:
    """Speak what the standard input asks for."""
    wish = json.load(sys.stdin)
    try:
        library = ctypes.CDLL(wish["library"])
    except OSError:
        sys.exit(NO_LIBRARY)
    rate, events, sound = speak(library, wish)
    sys.stdout.buffer.write(json.dumps({"rate": rate, "events": events}).encode() + b"\n" + sound)


if __name__ == "__main__":
    main()
