"""Rendered people with perfect labels."""
