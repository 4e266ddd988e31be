"""Pictures, sound and video: the only place where bytes become tensors and tensors become bytes."""
