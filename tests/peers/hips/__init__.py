"""The tests of HIPS/autograd on this engine: `make test-hips`."""
