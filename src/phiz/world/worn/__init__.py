"""What people wear: clothes, hats, glasses and earrings."""
