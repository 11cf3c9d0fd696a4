"""A board by labgrid: its environment file, or a place of its coordinator, says how it is switched and read.

labgrid (26.0, https://labgrid.readthedocs.io) is an optional part: nothing else here imports it. One
environment is used at a time in a process, since labgrid keeps one connection to a coordinator a process.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bootwright.bench.deploying import Deployer
from bootwright.bench.lines import Address
from bootwright.bench.settings import BoardSettings
from bootwright.foundation.errors import BootwrightError, Missing, Refused, ToolFailed

_AVAILABLE_SECONDS = 15.0
_POLL = 0.2


@contextlib.contextmanager
def _explained(doing: str) -> Iterator[None]:
    """Whatever labgrid or one of its drivers raises, as one of our errors."""
    try:
        yield
    except BootwrightError:
        raise
    except subprocess.CalledProcessError as error:
        said = error.output or error.stderr or b""
        text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise ToolFailed(f"labgrid: {doing}", text or str(error)) from error
    except Exception as error:  # drivers raise whatever their libraries do
        said = _said(error)
        raise ToolFailed(f"labgrid: {doing}", said, hint="try the same with labgrid-client") from error


def _said(error: BaseException) -> str:
    """An error in one line, and the one that it comes from: labgrid tells only there what is wrong."""
    line = f"{type(error).__name__}: {error}".replace("\n", " ")
    cause = error.__cause__ or error.__context__
    if cause is None or str(cause) in line:
        return line
    return f"{line[:200]} ({_said(cause)[:200]})"


class LabgridBoard:
    """One target of an environment file; its place, where it has one, is acquired until `close`."""

    def __init__(
        self, environment: Path, target: str, settings: BoardSettings, *, release: bool = False
    ) -> None:
        """`release`: also a place that is ours already, left by a process that was killed.

        Raises `Missing` without labgrid, `Refused` and `ToolFailed` as labgrid says.
        """
        try:
            from labgrid import Environment
        except ImportError as error:
            raise Missing(
                f"labgrid is not installed ({error})", hint="pip install 'bootwright[bench]'"
            ) from error
        self._path, self._name, self._settings = environment, target, settings
        self._session: Any = None
        self._acquired: list[str] = []
        self._release = release
        self._places: tuple[str, ...] = ()
        with _explained(f"read {environment}"):
            self._environment = Environment(str(environment))
        self._target: Any = None
        try:
            with _explained(f"acquire the place of {target}"):
                self._acquire()
            with _explained(f"open {target}"):
                self._target = self._environment.get_target(target)
                self._power = self._driver_of("PowerProtocol")
                self._serial = self._driver_of("ConsoleProtocol")
            if self._power is None:
                raise Refused(
                    f"{environment}: nothing switches {target}",
                    hint="bind a NetworkPowerDriver, an ExternalPowerDriver or another PowerProtocol",
                )
            if self._serial is not None and type(self._serial).__name__ != "SerialDriver":
                raise Refused(
                    f"{environment}: {target}: {type(self._serial).__name__} is not recorded",
                    hint="bind a SerialDriver to a serial port",
                )
            self._deployer = Deployer(self._target, settings.deploy, f"{environment}: {target}")
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """`pi5 (place pi5-a)`."""
        place = f" (place {', '.join(self._places)})" if self._places else ""
        return f"{self._name}{place}"

    @property
    def key(self) -> str:
        """The same for everybody who means the same board: its place, else this file's target."""
        if self._places:
            return f"place {self._coordinator()} {' '.join(sorted(self._places))}"
        return f"target {self._path.resolve()} {self._name}"

    @property
    def is_acquired(self) -> bool:
        """Whether we acquired its place, and release it in the end."""
        return bool(self._acquired)

    def check(self) -> None:
        """Raises `Refused` where an image could not be brought to it."""
        self._deployer.check()

    def deploy(self, image: Path) -> str:
        """See `Board`."""
        with _explained("bring the image to the board"):
            return self._deployer.deploy(image)

    def power_on(self) -> None:
        """See `Board`."""
        with _explained("switch the board on"):
            self._target.activate(self._power)
            self._power.on()

    def power_off(self) -> None:
        """See `Board`."""
        with _explained("switch the board off"):
            self._target.activate(self._power)
            self._power.off()

    def console(self) -> Address | None:
        """Where it is now; waits for a port that is only just being exported."""
        if self._serial is None:
            return None
        with _explained("find the console"):
            return self._console()

    def facts(self) -> dict[str, object]:
        """What is kept with an observation."""
        drivers = [type(driver).__name__ for driver in self._target.drivers]
        facts: dict[str, object] = {"engine": _version(), "target": self._name, "drivers": drivers}
        facts |= {"environment": str(self._path)}
        if self._places:
            facts |= {"places": list(self._places), "coordinator": self._coordinator()}
        tags = {
            key: value
            for resource in self._target.resources
            for key, value in dict(getattr(resource, "tags", {})).items()
        }
        return facts | ({"tags": tags} if tags else {})

    def close(self) -> None:
        """Let go of drivers, and of the place where we acquired it."""
        if self._target is not None:
            with contextlib.suppress(BootwrightError), _explained("let go of the board"):
                self._deployer.close()
                self._target.cleanup()
        self._target = None
        session, self._session = self._session, None
        if session is None:
            return
        for place in self._acquired:
            with contextlib.suppress(BootwrightError), _explained(f"release {place}"):
                session.loop.run_until_complete(_release(session, place))
        self._acquired.clear()
        with contextlib.suppress(BootwrightError), _explained("leave the coordinator"):
            session.loop.run_until_complete(_leave(session))

    def _driver_of(self, protocol: str) -> Any:  # noqa: ANN401
        from labgrid import protocol as protocols
        from labgrid.exceptions import NoDriverFoundError

        try:
            return self._target.get_driver(getattr(protocols, protocol), activate=False)
        except NoDriverFoundError:
            if any(isinstance(driver, getattr(protocols, protocol)) for driver in self._target.drivers):
                raise  # several, and it cannot be known which
            return None

    def _console(self) -> Address:
        from labgrid.util.proxy import proxymanager

        port = self._serial.port
        end = time.monotonic() + _AVAILABLE_SECONDS
        while True:
            self._target.update_resources()
            is_network = hasattr(port, "host")
            if port.avail and port.port:
                break
            if time.monotonic() > end:
                raise Missing(
                    f"the serial port of {self.name} is not there", hint="is the adapter plugged in?"
                )
            time.sleep(_POLL)
        if not is_network:
            return Address("serial", device=str(port.port), speed=int(port.speed))
        host, number = proxymanager.get_host_and_port(port)
        kind = "telnet" if port.protocol == "rfc2217" else "tcp"
        return Address(kind, speed=int(port.speed or 0), host=str(host), port=int(number))

    def _coordinator(self) -> str:
        default = os.environ.get("LG_COORDINATOR", "127.0.0.1:20408")
        return str(self._environment.config.get_option("coordinator_address", default))

    def _acquire(self) -> None:
        """Acquire the target's places that are free; one of ours stays ours, and is not released."""
        from labgrid import target_factory

        config = self._environment.config.get_targets().get(self._name)
        resources, _ = target_factory.normalize_config(config or {})
        places = [str(name) for name in resources.get("RemotePlace", {})]
        if not places:
            return
        from labgrid.remote.client import start_session
        from labgrid.resource.remote import RemotePlaceManager

        # Its connections to one coordinator share a socket, by which that tells clients apart: there can be
        # one in a process, and the target's resources have to use ours.
        self._session = start_session(self._coordinator(), extra={"env": self._environment})
        manager = RemotePlaceManager.get()
        manager.env, manager.session, manager.loop = self._environment, self._session, self._session.loop
        self._places = tuple(places)
        for place in places:
            self._acquire_place(place)

    def _acquire_place(self, name: str) -> None:
        from labgrid.remote.generated import labgrid_coordinator_pb2 as messages

        session = self._session
        place = session.places.get(name)
        if place is None:
            raise Missing(f"the coordinator has no place {name}", hint="labgrid-client places lists them")
        ours = f"{session.gethostname()}/{session.getuser()}"
        if place.acquired == ours and self._release:
            self._acquired.append(name)
            return
        if place.acquired == ours or ours in place.allowed:
            return
        if place.acquired:
            raise Refused(f"place {name} is acquired by {place.acquired}", hint="wait, or take another place")
        request = messages.AcquirePlaceRequest(placename=name)
        session.loop.run_until_complete(session.stub.AcquirePlace(request))
        session.loop.run_until_complete(session.sync_with_coordinator())
        self._acquired.append(name)


async def _release(session: Any, place: str) -> None:  # noqa: ANN401
    from labgrid.remote.generated import labgrid_coordinator_pb2 as messages

    await session.stub.ReleasePlace(messages.ReleasePlaceRequest(placename=place))


async def _leave(session: Any) -> None:  # noqa: ANN401
    """labgrid keeps its connection for the next target, which may be another coordinator's."""
    from labgrid.resource.common import ResourceManager
    from labgrid.resource.remote import RemotePlaceManager

    ResourceManager.instances.pop(RemotePlaceManager, None)
    await session.stop()
    await session.close()


def _version() -> str:
    from labgrid.util import labgrid_version

    return f"labgrid {labgrid_version()}"
