"""What the published method does that one would not do again, each with a switch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PublishedQuirks:
    """As it stands, frames are made as published; what is switched to the other side is mended."""

    clamps_parser_input: bool = True
    """Show pictures to the parser as if they were in [0, 1]: all that is darker than middle grey is black."""
    freezes_depths: bool = True
    """Take samples at the depths of the frontal view at rest, whatever the camera sees."""
    uses_frontal_table: bool = True
    """Look up which vertex moves a sample once, for the frontal camera, and go by the sample's number then.
    Mended, one looks for the vertex that is nearest to where the sample is."""
    searches_rest: bool = True
    """Look for vertices where they are at rest, not where they have moved to."""
    freezes_background: bool = True
    """See the background from one place, wherever the head is seen from."""
    averages_past_masks: bool = True
    """Average the mouth's mask with the six before it, so that it is three frames late. Mended, three before
    and three after."""
    blends_features_alone: bool = True
    """Leave the small picture, which the upsampler refines, with the mouth that has no inside."""
    blends_at_512: bool = True
    """Enlarge features to 512 pixels to blend them, and pick from those what is kept."""

    wastes_pass: bool = False
    """Draw each frame once more and forget it, as published. This one and those below change no frame: they
    are there to measure what the published order of work takes."""
    wastes_head_picture: bool = False
    """Light and draw the head model in each frame, although only its vertices are looked at."""
    enlarges_all: bool = False
    """Enlarge all of what is blended, although little of it is kept."""
    prepares_anew: bool = False
    """Work out what depends on the person alone in each pass again."""

    def __post_init__(self) -> None:
        if self.uses_frontal_table and not self.searches_rest:
            raise ValueError("a table that was made once knows nothing of vertices that have moved since")


PUBLISHED = PublishedQuirks()
WASTEFUL = PublishedQuirks(wastes_pass=True, wastes_head_picture=True, enlarges_all=True, prepares_anew=True)
"""The same frames in the published time."""
MENDED = PublishedQuirks(
    clamps_parser_input=False,
    freezes_depths=False,
    uses_frontal_table=False,
    searches_rest=False,
    freezes_background=False,
    averages_past_masks=False,
    blends_features_alone=False,
    blends_at_512=False,
)
