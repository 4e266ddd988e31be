"""Making the topology of our own head from a scanned surface."""
