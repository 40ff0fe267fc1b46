"""Pages in which networks learn, and films of trainings. `import nn` does not load this package.

>>> from nn import MLP, data
>>> from nn.live import train_page
>>> X, y = data.xor(20, rng=0)
>>> train_page(MLP(2, [4, 1], rng=0), X, y, loss="binary_cross_entropy")
<training page of MLP(2, [4, 1], 'relu'); save it with .save('training.html')>
"""

from nn.live.film import Film
from nn.live.train_page import TrainPage, train_page

__all__ = ["Film", "TrainPage", "train_page"]


def __dir__() -> list[str]:
    return __all__
