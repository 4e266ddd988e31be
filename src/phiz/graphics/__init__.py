"""Geometry and light: rotations, cameras, rays, triangles to pixels, spherical harmonics."""
