"""From triangles to a picture: samples, light, shadow, lens and development."""
