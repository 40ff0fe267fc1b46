"""Code that is exchanged while anyone needs it, so that an operation is asked nothing otherwise."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Exchange:
    """What `exchange(True)` puts in place, and `exchange(False)` takes back.

    It is in place while any `with` statement of any thread needs it. Ctrl-C may come between any
    two lines: who needs it is therefore a set, not a count, and to leave it twice does no harm.

    >>> watching = Exchange(lambda on: print("on" if on else "off"))
    >>> with watching.needed():
    ...     pass
    on
    off
    """

    def __init__(self, exchange: Callable[[bool], None]):
        self.exchange = exchange
        self.users: set[object] = set()
        self.lock = threading.Lock()

    @contextmanager
    def needed(self) -> Iterator[None]:
        me = object()
        try:
            with self.lock:
                self.users.add(me)
                self.exchange(True)
            yield
        finally:
            try:
                self.leave(me)
            except BaseException:  # Ctrl-C in the midst of it
                self.leave(me)
                raise

    def leave(self, user: object) -> None:
        with self.lock:
            self.users.discard(user)
            self.exchange(bool(self.users))
