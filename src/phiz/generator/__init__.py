"""How a head is drawn: style -> radiance field -> picture. It knows nothing about faces."""
