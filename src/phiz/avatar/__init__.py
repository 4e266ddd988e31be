"""One person, ready to act: from a seed or a photo, and what ties a picture to a head."""
