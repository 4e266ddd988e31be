"""What people are made of: skin, eyes and mouth, point by point."""
