"""What grows on a head: hair, brows, lashes and beards, as strands."""
