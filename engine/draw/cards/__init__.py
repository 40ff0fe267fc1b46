"""A network as columns of cards, which list the numbers of each neuron."""
