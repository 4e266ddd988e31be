"""Stages of work that overlap: while one frame is encoded, the next is drawn, and sound is read ahead.

    frames = ahead(draw(ahead(moves(ahead(read(sound), 4)), 4)), 2)

Each stage works in a thread of its own and a few items ahead, never more, so that memory is the same for a
sentence and for a lecture. Whoever takes the items sees what a plain loop would show: their order, the error
that a stage meets (with its traceback), and no thread once the loop is over, however it ends.

Nobody may write to an item that was handed over, for others still look at it. What Python itself does is
never done twice at a time; torch, compiled loops and codecs are what runs side by side.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Generic, TypeVar

import torch

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What torch remembers for each thread by itself, and a new thread has to be told."""

    grad: bool
    inference: bool
    threads: int
    """How many threads one product is shared among."""
    mixed: Mapping[str, torch.dtype]
    """The devices where autocast is on, and the type it casts to."""

    @staticmethod
    def here() -> Settings:
        """Return the settings of this thread."""
        return Settings(
            grad=torch.is_grad_enabled(),
            inference=torch.is_inference_mode_enabled(),
            threads=torch.get_num_threads(),
            mixed={
                device: torch.get_autocast_dtype(device)
                for device in ("cpu", "cuda")
                if torch.is_autocast_enabled(device)
            },
        )

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Have the same settings in this thread, for the length of a block."""
        if torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        with torch.inference_mode(self.inference), torch.set_grad_enabled(self.grad), ExitStack() as stack:
            for device, kind in self.mixed.items():
                stack.enter_context(torch.autocast(device, kind))
            yield


@dataclass(frozen=True)
class _Item(Generic[T]):
    value: T


@dataclass(frozen=True)
class _End:
    error: BaseException | None


class _Worker(Generic[T]):
    """A thread that takes items from an iterator, at most `depth` of which wait at a time."""

    def __init__(self, items: Iterable[T], depth: int) -> None:
        self._items = items
        self._settings = Settings.here()
        self._room = threading.Semaphore(depth)
        self._made: SimpleQueue[_Item[T] | _End] = SimpleQueue()
        self._is_over = False
        self._thread = threading.Thread(target=self._work, name="phiz-stage", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def _work(self) -> None:
        try:
            with self._settings.applied():
                self._hand_over()
        except BaseException as error:  # whatever it is, it belongs to whoever takes the items
            self._made.put(_End(error))
        else:
            self._made.put(_End(None))

    def _hand_over(self) -> None:
        items = iter(self._items)
        try:
            while self._room.acquire() and not self._is_over:
                self._made.put(_Item(next(items)))
        except StopIteration:
            pass
        finally:
            if isinstance(items, Generator):
                items.close()  # here, for its own stages and files are this thread's

    def take(self) -> _Item[T] | _End:
        """Return the next item, or why there is none; make room for another one."""
        taken = self._made.get()
        self._room.release()
        return taken

    def stop(self) -> None:
        """Wait until the thread is done; it finishes the item that it is at."""
        self._is_over = True
        self._room.release()
        is_here = self._thread is threading.current_thread()  # Python's collector may have called from there
        if self._thread.ident is not None and not is_here:
            self._thread.join()


def ahead(items: Iterable[T], depth: int) -> Generator[T, None, None]:
    """Yield the same items, which a thread of its own gets up to `depth` of ready.

    The thread begins with the first item that is asked for, and has the torch settings of whoever asks.
    It ends with the items, with an error, or when this iterator is closed.
    """
    _refuse_none(depth)
    return _ahead(items, depth)


def _ahead(items: Iterable[T], depth: int) -> Generator[T, None, None]:
    worker = _Worker(items, depth)
    taken: _Item[T] | _End | None = None
    try:
        worker.start()
        while isinstance(taken := worker.take(), _Item):
            yield taken.value
            taken = None  # not kept alive while the next one is waited for
        if taken.error is not None:
            raise taken.error
    finally:
        worker.stop()
        taken = None  # an error would keep this frame alive, which keeps the error


def mapped(
    function: Callable[[S], T], items: Iterable[S], *, workers: int, depth: int | None = None
) -> Generator[T, None, None]:
    """Yield what a function returns for each item, in their order; several threads work at once.

    At most `depth` items (twice the workers, where nothing is said) are begun and not yet taken. The threads
    of torch are shared among the workers. Items are asked for in the thread that takes the results.
    """
    depth = 2 * workers if depth is None else depth
    _refuse_none(min(workers, depth))
    return _mapped(function, items, workers, depth)


def _mapped(
    function: Callable[[S], T], items: Iterable[S], workers: int, depth: int
) -> Generator[T, None, None]:
    here = Settings.here()
    shared = replace(here, threads=max(1, here.threads // workers))

    def work(item: S) -> T:
        with shared.applied():
            return function(item)

    pool = ThreadPoolExecutor(workers, thread_name_prefix="phiz-stage")
    begun: deque[Future[T]] = deque()
    source = iter(items)
    try:
        for item in source:
            begun.append(pool.submit(work, item))
            if len(begun) == depth:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(here.threads)  # what a thread sets also counts for those that have not begun
        if isinstance(source, Generator):
            source.close()


def _refuse_none(count: int) -> None:
    if count < 1:
        raise ValueError(f"a stage needs one worker and room for one item at least, not {count}")
