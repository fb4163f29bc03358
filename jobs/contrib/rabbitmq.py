"""Sends many messages to RabbitMQ and waits for all confirmations at once.

kombu's ``confirm_publish`` waits after each message, and kombu has no seam for another wait. So
this is a connection without that option, on which py-amqp's own channel asks for confirmations
(``confirm_select``) and calls back for each (``events``). py-amqp has no wait for all of them.
"""

from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic
from typing import Any, Final

from celery import Celery

# One more try, at once, replaces a connection that the broker has closed. The dispatcher does all further tries.
RETRY_POLICY: Final = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
CONFIRM_SECONDS: Final = 5.0

# Publishes one message by a producer.
Publish = Callable[[Any], Any]


class Refused(Exception):
    """The broker has answered that it did not take a message, for example as its queue is full."""


class ConfirmedChannel:
    """A channel for batches of messages; it is opened at the first one, and again after an error."""

    def __init__(self, app: Celery) -> None:
        # One object for all connections: it remembers which of several brokers comes next.
        self._connection = app.connection_for_write(transport_options={"confirm_publish": False})
        self._new_producer = partial(app.amqp.Producer, auto_declare=False)
        self._producer: Any = None
        # The broker counts the messages of a channel. By this number: the places in the batch that have no answer yet.
        self._published = 0
        self._waiting: dict[int, int] = {}
        self._answers: dict[int, bool] = {}

    @property
    def is_supported(self) -> bool:
        """Whether the broker is reached by py-amqp; no other transport has confirmations."""
        return bool(self._connection.transport.driver_name == "py-amqp")

    def send(self, messages: Sequence[Publish]) -> tuple[set[int], Exception | None]:
        """Send the messages, and wait ``CONFIRM_SECONDS`` at most for the broker's answers.

        Returns the places of those that it has confirmed, and what went wrong with the others, which it may have, too.
        """
        self._answers.clear()
        was_open = self._producer is not None
        error = self._send(messages)
        if was_open and error and not isinstance(error, TimeoutError | Refused):
            error = self._send(messages)  # the broker had closed the connection while it was idle
        return {place for place, is_taken in self._answers.items() if is_taken}, error

    def _send(self, messages: Sequence[Publish]) -> Exception | None:
        """Send those without an answer."""
        try:
            if self._producer is None:
                self._open()
            until = monotonic() + CONFIRM_SECONDS
            for place, publish in enumerate(messages):
                if place not in self._answers:
                    self._published += 1
                    self._waiting[self._published] = place
                    publish(self._producer)
                    _left(until)
            while self._waiting:
                self._connection.drain_events(timeout=_left(until))
        except Exception as error:  # noqa: BLE001 – the broker is away, or a message cannot be sent; the caller tells
            self._close()
            return error
        return None if all(self._answers.values()) else Refused("the broker has refused a message")

    def _open(self) -> None:
        self._connection.ensure_connection(**RETRY_POLICY)
        # For what has no limit of its own: opening a channel, declaring a queue, writing to a broker that is blocked.
        self._connection.connection.sock.settimeout(CONFIRM_SECONDS)
        channel = self._connection.channel()
        channel.confirm_select()
        channel.events["basic_ack"].add(partial(self._note, True))
        channel.events["basic_nack"].add(partial(self._note, False))
        self._producer = self._new_producer(channel)

    def _close(self) -> None:
        """Give the connection up, without a word to the broker: it may not answer. Late answers are never seen."""
        self._producer = None
        self._published = 0
        self._waiting.clear()
        self._connection.collect()
        self._connection.maybe_switch_next()

    def _note(self, is_taken: bool, tag: int, multiple: bool) -> None:
        for one in [one for one in self._waiting if one <= tag] if multiple else [tag]:
            self._answers[self._waiting.pop(one)] = is_taken


def _left(until: float) -> float:
    """Return the seconds until then.

    Raises:
        TimeoutError: there are none.
    """
    if (seconds := until - monotonic()) <= 0:
        raise TimeoutError("the broker has not confirmed in time")
    return seconds
