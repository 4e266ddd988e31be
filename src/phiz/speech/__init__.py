"""From sound to motion: what a face does while it speaks."""
