"""What each hair style is: a table of numbers, nothing else.

Lengths and widths are in metres. "Top", "front", "side" and "back" are blended smoothly over the
scalp. A style's numbers are means; each person varies them a little.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

HEAD_HALF_WIDTH = 0.075
"""Metres; what `HairStyle.part` is a share of."""


@dataclass(frozen=True, kw_only=True)
class HairStyle:
    """Numbers from which `phiz.world.grown.hair.grow_hair` grows a style."""

    count: int = 2600
    """Thin ribbons of the outer layer."""
    under: int = 900
    """Wide ribbons close to the skin, so that none of it shows through."""
    steps: int = 9
    """Points of a strand."""
    top: float = 0.05
    front: float = 0.05
    side: float = 0.03
    back: float = 0.03
    ragged: float = 0.15
    """Spread of the lengths."""
    width: float = 0.0014
    under_width: float = 0.0036

    part: float | None = None
    """Where the parting lies, as a share of half the head's width; positive is the person's left."""
    parted: float = 1.0
    """How strongly hair turns away from the parting."""
    part_end: float = -0.035
    """How far back the parting goes, along z from the skull's centre."""
    crown: float = 1.0
    """How strongly hair radiates from the whorl at the back of the top."""
    backward: float = 0.0
    forward: float = 0.0
    downward: float = 0.3
    sideways: float = 0.0
    """Combed to the person's left."""
    wander: float = 0.25
    """How much neighbouring locks disagree."""

    lift: float = 0.5
    """Slope at the root, 0 lies flat on the skin and 1.5 stands up; on top of the head."""
    side_lift: float = 0.3
    gravity: float = 12.0
    """How fast a strand turns down, per metre."""
    comb: float = 6.0
    """How fast it turns to where it is combed, per metre."""
    volume: float = 0.010
    """How far above the skin the outermost hair lies, on top."""
    side_volume: float = 0.006
    hug: float = 0.5
    """1 keeps hair from rising above its volume, 0 lets it."""
    curl: float = 0.0
    """Radius of the curls."""
    curl_length: float = 0.05
    curl_spread: float = 0.5
    """How much the curls of one lock differ, in turns."""
    frizz: float = 0.004
    clump: float = 0.35
    clumps: int = 120
    flyaway: float = 0.04
    """Share of strands that leave the rest."""

    recede: float = 0.0
    """How far the temples have gone back."""
    bald: float = 0.0
    """0 no baldness, 1 only a wreath is left."""
    fade: float = 0.0
    """How much shorter and thinner hair gets towards ears and neck."""
    open_face: bool = True
    """Whether hair is kept off the face."""
    cut: tuple[float, float, float] | None = None
    """Heights above the eyes at which the front, the sides and the back are cut straight."""
    tail: float = 0.0
    """Length of a pony tail."""
    bun: float = 0.0
    """Radius of a bun."""
    gather_rise: float = 0.045
    """Where tail or bun sit: metres above the skull's middle, at the back."""
    shine: float = 1.0
    """Spread of brightness between the locks."""


# A style reads better as a paragraph than as a column.
# fmt: off
NOTHING = HairStyle(count=0, under=0)
SHORT = HairStyle(
    count=2400, under=1000, steps=6, top=0.035, front=0.03, side=0.016, back=0.016, downward=0.4, lift=0.75,
    side_lift=0.35, volume=0.014, side_volume=0.005, hug=0.2, clump=0.2, clumps=220, wander=0.35,
    width=0.0011, under_width=0.0034, gravity=6, fade=0.3,
)
LONG = HairStyle(
    count=1950, under=720, steps=11, top=0.32, front=0.30, side=0.26, back=0.24, part=0.05, crown=0.5,
    downward=0.5, lift=0.45, side_lift=0.25, volume=0.010, side_volume=0.012, gravity=18, hug=0.94,
    clump=0.4, clumps=160, wander=0.12, width=0.0018, under_width=0.0046, ragged=0.12, frizz=0.0045,
    flyaway=0.025,
)

STYLES: Mapping[str, HairStyle] = {
    "none": NOTHING,
    "receding": replace(SHORT, recede=0.028, top=0.03, front=0.026, forward=0.3, lift=0.6),
    "balding": replace(SHORT, bald=1.0, top=0.02, front=0.015, side=0.02, back=0.022, volume=0.005, fade=0.1),
    "buzz": replace(
        SHORT, count=4600, under=0, steps=3, top=0.008, front=0.008, side=0.006, back=0.006, volume=0.004,
        side_volume=0.003, lift=0.8, side_lift=0.6, clump=0.0, width=0.0010, frizz=0.001, flyaway=0,
        fade=0.4,
    ),
    "short_crop": replace(SHORT, forward=0.9, top=0.038, front=0.034),
    "side_part": replace(
        SHORT, part=0.45, parted=1.8, top=0.075, front=0.075, side=0.022, back=0.022, steps=8, lift=0.6,
        volume=0.018, clump=0.45, backward=0.5, gravity=16, hug=0.93, part_end=-0.01,
    ),
    "swept_back": replace(
        SHORT, backward=2.0, crown=0.1, top=0.09, front=0.095, side=0.035, back=0.04, steps=8, lift=0.75,
        volume=0.022, side_volume=0.007, hug=0.93, clump=0.5, gravity=12, comb=14, wander=0.2,
    ),
    "quiff": replace(
        SHORT, backward=1.6, sideways=0.5, crown=0.15, downward=0.1, top=0.045, front=0.07, side=0.012,
        back=0.012, steps=8, lift=1.25, volume=0.012, hug=0.45, clump=0.55, clumps=140, gravity=10, comb=16,
        fade=0.6,
    ),
    "undercut": replace(
        SHORT, part=0.55, parted=2.2, top=0.10, front=0.11, side=0.007, back=0.007, steps=8, lift=0.6,
        volume=0.022, side_volume=0.003, clump=0.5, fade=0.85, gravity=16, hug=0.9, part_end=-0.01,
        backward=0.4,
    ),
    "fringe": replace(
        LONG, top=0.22, front=0.10, side=0.16, back=0.14, part=None, forward=0.9, crown=1.0, gravity=30,
        hug=0.99, flyaway=0.02, open_face=False, cut=(0.020, -0.055, -0.075),
    ),
    "bowl": replace(
        SHORT, top=0.13, front=0.10, side=0.075, back=0.07, steps=9, forward=0.5, lift=0.4, volume=0.016,
        side_volume=0.014, gravity=26, hug=0.98, fade=0.1, open_face=False, cut=(0.026, -0.012, -0.02),
        clump=0.3, wander=0.12, width=0.0016,
    ),
    "curly_short": replace(
        SHORT, count=2200, under=800, steps=12, top=0.075, front=0.062, side=0.042, back=0.045, lift=1.0,
        side_lift=0.7, volume=0.028, side_volume=0.014, hug=0.5, curl=0.0065, curl_length=0.030, clump=0.75,
        clumps=380, curl_spread=0.2, frizz=0.004, gravity=12, wander=0.6, width=0.0013, under_width=0.003,
        fade=0.2, flyaway=0.02,
    ),
    "afro": replace(
        SHORT, count=2300, under=700, steps=11, top=0.085, front=0.058, side=0.07, back=0.07, lift=1.5,
        side_lift=1.45, volume=0.0, side_volume=0.0, hug=0.0, curl=0.0045, curl_length=0.018, clump=0.25,
        clumps=420, curl_spread=1.0, frizz=0.006, flyaway=0.0, gravity=0.4, comb=0, wander=0.5,
        width=0.0024, fade=0.0, ragged=0.1, under_width=0.005,
    ),
    "bob": replace(
        LONG, top=0.26, front=0.24, side=0.20, back=0.16, part=0.25, cut=(-0.085, -0.085, -0.080),
        side_volume=0.016, volume=0.014,
    ),
    "wavy_shoulder": replace(
        LONG, top=0.27, front=0.26, side=0.21, back=0.19, part=-0.25, steps=15, curl=0.008,
        curl_length=0.085, curl_spread=0.12, clump=0.6, clumps=150, side_volume=0.020, volume=0.016,
        count=1750, under=640, width=0.0018,
    ),
    "long_straight": replace(LONG, part=0.0, top=0.38, front=0.36, side=0.32, back=0.30),
    "long_wavy": replace(
        LONG, part=0.2, top=0.38, front=0.36, side=0.32, back=0.30, steps=17, curl=0.010, curl_length=0.105,
        curl_spread=0.12, clump=0.6, clumps=140, side_volume=0.022, volume=0.018, count=1750, under=600,
        width=0.0019,
    ),
    "long_curly": replace(
        LONG, part=-0.1, parted=0.5, top=0.29, front=0.27, side=0.25, back=0.24, steps=24, curl=0.011,
        curl_length=0.062, curl_spread=0.15, clump=0.75, clumps=260, side_volume=0.030, volume=0.024,
        count=1300, under=460, frizz=0.008, lift=0.8, side_lift=0.6, gravity=10, width=0.0018,
        under_width=0.0045, hug=0.6,
    ),
    "shaggy": replace(
        LONG, top=0.14, front=0.11, side=0.10, back=0.13, part=0.3, ragged=0.3, curl=0.005,
        curl_length=0.06, steps=10, lift=0.7, volume=0.022, side_volume=0.016, clump=0.6, clumps=130,
        wander=0.4, hug=0.6,
    ),
    "ponytail": replace(LONG, tail=0.26, backward=1.0, volume=0.006, side_volume=0.005, clump=0.25),
    "bun": replace(LONG, bun=0.034, backward=1.0, volume=0.006, side_volume=0.005, gather_rise=0.105),
    "low_bun": replace(LONG, bun=0.036, part=0.0, volume=0.006, side_volume=0.006, gather_rise=-0.02),
}
# fmt: on
