"""Learning: every network and model of phiz is trained here."""
