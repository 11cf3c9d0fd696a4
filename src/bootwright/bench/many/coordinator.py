"""A labgrid coordinator: which places it has, and reservations of them by their tags.

labgrid 26, `remote/proto/labgrid-coordinator.proto`. A client is known by its stream of messages;
reservations belong to the client's name (host and user), and so does a place that a process of the same user
acquires.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import queue
import socket
import threading
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from attrs import frozen

from bootwright.foundation.errors import Missing

_TIMEOUT = 10.0
_ALLOCATED = frozenset({1, 2})
"""ReservationState.allocated and .acquired (labgrid/remote/common.py)."""
_WAITING = 0


@frozen
class Place:
    """A place of the coordinator."""

    name: str
    tags: Mapping[str, str]
    acquired: str
    """`host/user` of who has it; empty where nobody has."""


class CoordinatorLost(Exception):
    """The coordinator does not answer, or does not know us any more: connect anew."""


class Coordinator:
    """A client's connection. Not shared between threads."""

    def __init__(self, address: str) -> None:
        """Raises `Missing` without labgrid, `CoordinatorLost` where nobody answers."""
        # It tells on stderr of every process that is begun, and none of ours uses it after a fork.
        os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
        try:
            self._grpc = import_module("grpc")
            self._messages: Any = import_module("labgrid.remote.generated.labgrid_coordinator_pb2")
            stubs = import_module("labgrid.remote.generated.labgrid_coordinator_pb2_grpc")
            version = import_module("labgrid.util").labgrid_version()
        except ImportError as error:
            raise Missing("labgrid is not installed", hint="pip install 'bootwright[bench]'") from error
        # labgrid's own connections of this process must stay other clients.
        self._channel = self._grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        self._stub = stubs.CoordinatorStub(self._channel)
        self._outgoing: queue.SimpleQueue[Any] = queue.SimpleQueue()
        hello = self._messages.ClientInMessage()
        hello.startup.version = version
        host = os.environ.get("LG_HOSTNAME", socket.gethostname())
        hello.startup.name = f"{host}/{os.environ.get('LG_USERNAME', getpass.getuser())}"
        sync = self._messages.ClientInMessage()
        sync.sync.id = 1
        self._outgoing.put(hello)
        self._outgoing.put(sync)
        # Whether it knows us; False once it does not answer. A living reader is no sign of that: it tells
        # that nobody answers a moment before it ends.
        known: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, args=(known,), daemon=True)
        self._reader.start()
        if not _first(known, _TIMEOUT):
            self.close()
            raise CoordinatorLost(f"no coordinator answers at {address}")

    def places(self) -> list[Place]:
        """Every place."""
        answer = self.call("GetPlaces", self._messages.GetPlacesRequest())
        return [Place(place.name, dict(place.tags), place.acquired) for place in answer.places]

    def reserve(self, tags: Mapping[str, str]) -> str:
        """Ask for a place with these tags; the reservation's token."""
        wanted = self._messages.Reservation.Filter(filter=dict(tags))
        request = self._messages.CreateReservationRequest(filters={"main": wanted}, prio=0.0)
        return str(self.call("CreateReservation", request).reservation.token)

    def allocated(self, token: str) -> str | None:
        """The place that a reservation was given, or None while it waits; keeps it from expiring.

        Raises `KeyError` where there is no such reservation any more.
        """
        answer = self.call("PollReservation", self._messages.PollReservationRequest(token=token))
        reservation = answer.reservation
        if reservation.state in _ALLOCATED:
            return str(reservation.allocations["main"])
        if reservation.state != _WAITING:
            raise KeyError(token)
        return None

    def cancel(self, token: str) -> None:
        """Give a reservation back; one that is gone is given back already."""
        with contextlib.suppress(KeyError):
            self.call("CancelReservation", self._messages.CancelReservationRequest(token=token))

    def close(self) -> None:
        """Leave the coordinator."""
        self._outgoing.put(None)
        self._channel.close()

    def call(self, method: str, request: Any) -> Any:  # noqa: ANN401 - generated messages
        """A method of the coordinator's service; raises `KeyError` for what it refuses, `CoordinatorLost`."""
        try:
            return getattr(self._stub, method)(request, timeout=_TIMEOUT)
        except self._grpc.RpcError as error:
            if error.code() is self._grpc.StatusCode.FAILED_PRECONDITION:
                raise KeyError(error.details()) from error
            raise CoordinatorLost(str(error.details())) from error

    def _read(self, known: queue.SimpleQueue[bool]) -> None:
        """Updates are read so that the coordinator can send them; what they say is asked for when needed."""
        with contextlib.suppress(self._grpc.RpcError, ValueError):
            for message in self._stub.ClientStream(self._outgoing_messages()):
                if message.HasField("sync"):
                    known.put(True)
        known.put(False)

    def _outgoing_messages(self) -> Iterator[Any]:
        while (message := self._outgoing.get()) is not None:
            yield message


def _first(known: queue.SimpleQueue[bool], seconds: float) -> bool:
    try:
        return known.get(timeout=seconds)
    except queue.Empty:
        return False
