# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Reading the next piece and writing the last one beside the work on the present one.

How many pieces are under way is bounded, so that memory is.
"""

import queue
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing


class ReadAhead:
    """Runs an iterator in a thread, a bounded number of items ahead."""

    def __init__(self, iterator, ahead=1):
        """Start at once."""
        self._items = queue.Queue(maxsize=ahead)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(iterator,), daemon=True)
        self._thread.start()

    def _run(self, iterator):
        try:
            for item in iterator:
                if not self._put((item, None)):
                    return
            self._put((None, StopIteration()))
        except BaseException as error:  # noqa: BLE001 - raised again by the consumer
            self._put((None, error))

    def _put(self, pair):
        while not self._stop.is_set():
            try:
                self._items.put(pair, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def __iter__(self):
        """Yield the items, raise what the iterator raised."""
        while True:
            item, error = self._items.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item

    def close(self):
        """Stop the thread and wait for it."""
        self._stop.set()
        self._thread.join(timeout=90)


def ahead(iterator):
    """Yield the items of an iterator, of which a thread has the next one ready.

    Args:
        iterator: any; it is run in that thread, and what it raises rises here.
    """
    with closing(ReadAhead(iterator)) as items:
        yield from items


def stored_in_order(batches, write, writers=2):
    """Write several batches at once, and yield them in order when they are stored.

    Args:
        batches: iterable of batches.
        write: stores one; called in several threads.
        writers: how many at once.

    Yields:
        Batch: each one after it and all before it are stored. What the iterable
        raises rises after all batches before it were yielded.
    """
    batches, pending, error = iter(batches), deque(), None
    with ThreadPoolExecutor(writers) as pool:
        try:
            while error is None:
                try:
                    batch = next(batches)
                except StopIteration:
                    break
                except Exception as raised:  # noqa: BLE001 - raised again below
                    error = raised
                    break
                pending.append((batch, pool.submit(write, batch)))
                del batch
                # one more than can be written, so that no writer waits for the next
                if len(pending) > writers:
                    yield _stored(pending)
            while pending:
                yield _stored(pending)
        finally:
            # after a failure nothing more is begun; what has begun is waited for
            pool.shutdown(wait=False, cancel_futures=True)
    if error is not None:
        raise error


def _stored(pending):
    batch, future = pending.popleft()
    future.result()
    return batch
