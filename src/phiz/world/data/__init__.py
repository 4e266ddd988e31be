"""Data sets of rendered people: shards, the guide's layout, and how both are read."""
