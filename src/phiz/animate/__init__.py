"""A motion applied to an avatar, frame by frame."""
