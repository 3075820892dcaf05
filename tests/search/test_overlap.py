# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Reading ahead and writing in threads preserves the order, is bounded, and ends."""

import threading
import time

import pytest

from invenio_stats_dashboard.search.concurrent_batches import ahead, stored_in_order


class FailedError(Exception):
    """Makes something fail."""


def until(condition):
    """Wait for other threads."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def numbers(made, count, fail=False):
    """Yield numbers and record them; fail at the end if requested."""
    for number in range(count):
        made.append(number)
        yield number
    if fail:
        raise FailedError


@pytest.fixture(autouse=True)
def no_thread_stays():
    """Check that all threads have ended."""
    before = threading.active_count()
    yield
    until(lambda: threading.active_count() == before)


def test_items_are_yielded_in_order():
    assert list(ahead(iter(range(100)))) == list(range(100))


def test_only_the_next_item_is_read_ahead():
    made = []
    items = ahead(numbers(made, 100))
    assert next(items) == 0
    # one item waits to be taken, another one waits for its place in the queue
    until(lambda: made == [0, 1, 2])
    time.sleep(0.05)
    assert made == [0, 1, 2]
    items.close()


def test_an_error_of_the_reader_is_raised_after_its_items():
    items = ahead(numbers([], 3, fail=True))
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(FailedError):
        next(items)


def test_batches_are_yielded_in_order_when_they_are_stored():
    stored = []

    def write(batch):
        time.sleep(0.01 if batch % 2 else 0)
        stored.append(batch)

    for number, batch in enumerate(stored_in_order(range(30), write, writers=3)):
        assert batch == number
        assert set(range(number + 1)) <= set(stored)
    assert sorted(stored) == list(range(30))


def test_no_more_batches_are_made_than_writers_can_take():
    made, go_on = [], threading.Event()
    batches = stored_in_order(numbers(made, 100), lambda _: go_on.wait(10), writers=2)
    reader = threading.Thread(target=lambda: next(batches))
    reader.start()
    until(lambda: len(made) == 3)
    time.sleep(0.05)
    assert made == [0, 1, 2]
    go_on.set()
    reader.join()
    batches.close()


def test_nothing_is_written_after_a_failure():
    begun = []

    def write(batch):
        begun.append(batch)
        if batch == 3:
            raise FailedError

    yielded = []
    with pytest.raises(FailedError):
        for batch in stored_in_order(range(100), write, writers=1):
            yielded.append(batch)
    assert yielded == [0, 1, 2]
    assert begun[-1] <= 5


def test_batches_made_before_the_iterable_failed_are_stored_and_yielded():
    stored, yielded = [], []
    with pytest.raises(FailedError):
        for batch in stored_in_order(numbers([], 4, fail=True), stored.append):
            yielded.append(batch)
    assert sorted(stored) == yielded == [0, 1, 2, 3]
