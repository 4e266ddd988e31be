"""What a head is: models, coefficients, fitting."""
