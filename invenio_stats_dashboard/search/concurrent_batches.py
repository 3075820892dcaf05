# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read the next batch and write the previous one while processing the current one.

The number of batches in memory is bounded.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any, Generic, TypeVar

_Item = TypeVar("_Item")


class ReadAhead(Generic[_Item]):
    """Runs an iterator in a thread, a bounded number of items ahead.

    The thread starts immediately.

    Args:
        iterator: runs in the thread; its errors are raised in the consumer.
        ahead: maximum number of items that wait for the consumer.
    """

    def __init__(self, iterator: Iterable[_Item], ahead: int = 1) -> None:
        self._items: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(
            maxsize=ahead
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(iterator,), daemon=True)
        self._thread.start()

    def _run(self, iterator: Iterable[_Item]) -> None:
        try:
            for item in iterator:
                if not self._put((item, None)):
                    return
            self._put((None, StopIteration()))
        except BaseException as error:  # noqa: BLE001 - raised again by the consumer
            self._put((None, error))

    def _put(self, pair: tuple[Any, BaseException | None]) -> bool:
        """Hand over an item or an error; return False if the consumer has stopped."""
        while not self._stop.is_set():
            try:
                self._items.put(pair, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def __iter__(self) -> Iterator[_Item]:
        """Yield the items, then raise the error of the iterator if it has one."""
        while True:
            item, error = self._items.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item

    def close(self) -> None:
        """Stop the thread, and wait at most 90 seconds for its end."""
        self._stop.set()
        self._thread.join(timeout=90)


def ahead(iterator: Iterable[_Item]) -> Iterator[_Item]:
    """Yield the items of an iterator, while a thread computes the next one.

    Args:
        iterator: runs in the thread; its errors are raised here.
    """
    with closing(ReadAhead(iterator)) as items:
        yield from items


def stored_in_order(
    batches: Iterable[_Item], write: Callable[[_Item], object], writers: int = 2
) -> Iterator[_Item]:
    """Write several batches at once, and yield them in order when they are stored.

    Args:
        batches: the batches, in order.
        write: stores a batch; called in several threads.
        writers: number of threads.

    Yields:
        Each batch, once it and all earlier batches are stored. An error of the
        iterable is raised after all batches before it were yielded.
    """
    remaining = iter(batches)
    pending: deque[tuple[_Item, Future[object]]] = deque()
    error: Exception | None = None
    with ThreadPoolExecutor(writers) as pool:
        try:
            while error is None:
                try:
                    batch = next(remaining)
                except StopIteration:
                    break
                except Exception as raised:  # noqa: BLE001 - raised again below
                    error = raised
                    break
                pending.append((batch, pool.submit(write, batch)))
                del batch
                # One batch more than writers, so that no writer is idle.
                if len(pending) > writers:
                    yield _stored(pending)
            while pending:
                yield _stored(pending)
        finally:
            # After a failure no new write starts; running ones are awaited.
            pool.shutdown(wait=False, cancel_futures=True)
    if error is not None:
        raise error


def _stored(pending: deque[tuple[_Item, Future[object]]]) -> _Item:
    batch, future = pending.popleft()
    future.result()
    return batch
