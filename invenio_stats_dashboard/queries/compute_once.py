# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Compute an answer once, however many requests ask for it at the same time.

Threads of a process wait for the thread that computes. Processes wait for the process
that holds a lock in the site's cache, and then read its answer there. The holder renews
its lock. If it dies, the others notice that the lock does not change any more, and one
of them computes.
"""

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from flask import Flask
from invenio_cache import current_cache

from .caching import cache, cached

LEASE = 15.0
"""Seconds after which the lock of a process that has died is free."""

RETAINED = 24 * 60 * 60
"""Seconds for which an answer stays in the cache; its key has the version of the data."""

_POLL = 0.1
_OF_ONE_PROCESS = ("NullCache", "SimpleCache")
"""Kinds of caches that other processes cannot read."""

logger = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")


class ComputeOnce:
    """Shares computations among the threads of a process and among processes.

    Args:
        lease: seconds after which the lock of a process that has died is free.
    """

    def __init__(self, lease: float = LEASE) -> None:
        self._lease = lease
        self._mutex = threading.Lock()
        self._running: dict[str, Future[Any]] = {}

    def answer(
        self,
        key: str,
        compute: Callable[[], _Answer],
        seconds: int = RETAINED,
    ) -> _Answer:
        """Return an answer from the cache, from another request, or computed now.

        Args:
            key: the key of the answer; it has the version of the data.
            compute: returns the answer, which can be pickled and is not None.
            seconds: time for which the answer is stored. With 0 it is only shared with
                requests to this process that ask meanwhile.

        Raises:
            Exception: what ``compute`` raises, for all who wait in this process.
        """
        future: Future[_Answer] = Future()
        with self._mutex:
            running = self._running.setdefault(key, future)
        if running is not future:
            return running.result()
        try:
            future.set_result(self._from_cache(key, compute, seconds))
        except BaseException as error:
            future.set_exception(error)
            raise
        finally:
            with self._mutex:
                del self._running[key]
        return future.result()

    def _from_cache(
        self, key: str, compute: Callable[[], _Answer], seconds: int
    ) -> _Answer:
        """Return the answer from the cache, or compute and store it."""
        if not seconds:
            return compute()
        lock = _CacheLock(f"{key}:lock", self._lease)
        while True:
            if found := cached({key: key}):
                return cast(_Answer, found[key])
            if lock.take():
                break
            time.sleep(_POLL)
        with lock.held():
            # another process may have stored it between the two look-ups
            if found := cached({key: key}):
                return cast(_Answer, found[key])
            answer = compute()
            cache({key: answer}, seconds)
        return answer


class _CacheLock:
    """A lock in the site's cache.

    Its value changes with each renewal. It is free if it does not exist, or if this
    process has seen no change for one lease period: an expiry alone is not enough,
    since Redis sets a value and its expiry in two steps, and a process can die between
    them.

    Args:
        name: key in the cache.
        lease: seconds.
    """

    def __init__(self, name: str, lease: float) -> None:
        self._name, self._lease = name, lease
        self._holder = f"{os.getpid()} {secrets.token_hex(8)}"
        self._seen: tuple[object, float] = (None, 0.0)
        # the cache of Flask needs an application context, which threads do not have
        self._cache = current_cache.cache

    def take(self) -> bool:
        """Take the lock, if it is free.

        Returns:
            Whether this process may compute. True if the cache does not answer.
        """
        try:
            if self._cache.add(self._name, self._value(0), timeout=self._expiry()):
                return True
            value = self._cache.get(self._name)
            if value != self._seen[0]:
                self._seen = (value, time.monotonic())
            elif time.monotonic() - self._seen[1] >= self._lease:
                logger.info("the lock %s is free: its holder has died", self._name)
                self._cache.delete(self._name)
        except Exception as error:  # noqa: BLE001 - of any kind of cache
            logger.warning("the cache does not answer: %s", error)
            return True
        return False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Renew the lock in a thread, and release it at the end."""
        ended = threading.Event()
        thread = threading.Thread(target=self._renew, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self._release()

    def _renew(self, ended: threading.Event) -> None:
        number = 0
        while not ended.wait(self._lease / 4):
            number += 1
            try:
                self._cache.set(self._name, self._value(number), timeout=self._expiry())
            except Exception as error:  # noqa: BLE001 - of any kind of cache
                logger.warning("the cache does not renew a lock: %s", error)

    def _release(self) -> None:
        try:
            value = self._cache.get(self._name)
            if value and value[0] == self._holder:
                self._cache.delete(self._name)
        except Exception as error:  # noqa: BLE001 - of any kind of cache
            logger.warning("the cache does not release a lock: %s", error)

    def _value(self, number: int) -> tuple[str, int]:
        return self._holder, number

    def _expiry(self) -> int:
        return max(1, round(self._lease))


def warn_if_not_shared(app: Flask) -> None:
    """Log a warning if the processes of the site share no cache."""
    extension = app.extensions.get("invenio-cache")
    kind = type(extension.cache.cache).__name__ if extension else "none"
    if extension is None or kind in _OF_ONE_PROCESS:
        logger.warning(
            "The site's cache (%s) is not shared by its processes, so each process "
            "computes COUNTER reports and the most used records itself. Set CACHE_TYPE "
            "to a shared cache, such as Redis.",
            kind,
        )
