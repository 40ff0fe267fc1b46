"""Functions of Arrays, recorded once for each structure of their arguments and replayed."""
