"""A first expression, step by step through backpropagation, two moons, and MNIST."""
