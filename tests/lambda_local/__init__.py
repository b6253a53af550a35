"""What `tests/lambda-local` is made of."""
