# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The base class of services that run as separate processes."""

from __future__ import annotations

import signal
import time
from abc import ABC, abstractmethod
from pathlib import Path

from . import processes
from .errors import NoAnswer, ServicesError
from .ports import check_free
from .settings import Settings


class NativeService(ABC):
    """One process of a service, with its folder, its port and its log."""

    purpose: str
    """Its purpose: database, search, cache or queue."""
    label: str
    """Its name in messages."""
    port_variable: str
    stop_signal = signal.SIGTERM

    def __init__(self, settings: Settings, number: int = 0):
        """Describe node ``number`` of the service, without touching anything."""
        self.settings = settings
        self.number = number
        self.folder = settings.home / self.folder_name()

    def folder_name(self) -> str:
        """Return the name of the folder under the home."""
        return self.purpose

    @property
    def data(self) -> Path:
        """The folder of its data."""
        return self.settings.data / self.folder_name() / "data"

    @property
    def port(self) -> int:
        """The port that clients connect to."""
        return self.settings.port(self.port_variable, self.number)

    @property
    def pid_file(self) -> Path:
        """The file that names the process."""
        return self.folder / "process"

    @property
    def log(self) -> Path:
        """The file for the output of the process."""
        return self.folder / "log" / "console.log"

    @property
    @abstractmethod
    def address(self) -> str:
        """The address in the format that an application expects."""

    @abstractmethod
    def prepare(self) -> None:
        """Create folders and configuration; quick if they exist."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command line of the process."""

    @abstractmethod
    def probe(self) -> str:
        """Return the version of the running service or raise NoAnswer."""

    def environ(self) -> dict[str, str]:
        """Return additional variables for the environment of the process."""
        return {"LANG": "C.UTF-8", "HOME": str(self.folder)}

    def used_ports(self) -> dict[int, str]:
        """Return each port that the process listens on, with its variable."""
        return {self.port: self.port_variable}

    def running(self) -> processes.Process | None:
        """Return the process if it is alive, or None."""
        return processes.running(self.pid_file)

    def start(self) -> str:
        """Start the process if it is not running, wait for it, and return its version.

        Raises:
            ServicesError: a port is taken, or the service does not start.
        """
        if self.running() is None:
            self.check_ports()
            self.prepare()
            self.log.write_bytes(b"")
            self.pid_file.with_name(f"{self.pid_file.name}-port").write_text(
                str(self.port)
            )
            processes.start(
                self.command(),
                pid_file=self.pid_file,
                log=self.log,
                user=self.settings.user,
                environ=self.environ(),
                folder=self.folder,
            )
        else:
            self.check_same_port()
        return self.wait()

    def check_ports(self) -> None:
        """Check that the ports of a service that is not running are free.

        Raises:
            ServicesError: a port is taken.
        """
        for port, variable in self.used_ports().items():
            check_free(port, self.label, variable)

    def check_same_port(self) -> None:
        """Check that a running process uses the port of the current settings.

        Raises:
            ServicesError: it was started with another port.
        """
        port_file = self.pid_file.with_name(f"{self.pid_file.name}-port")
        if port_file.exists() and int(port_file.read_text()) != self.port:
            raise ServicesError(
                f"{self.label} runs on port {port_file.read_text()}, not on {self.port}:"
                f" set SERVICES_PORT_OFFSET or {self.port_variable} as when it was "
                "started, or run `scripts/services down` first."
            )

    def wait(self) -> str:
        """Wait until the service answers, and return its version."""
        deadline = time.monotonic() + self.settings.timeout
        while True:
            try:
                return self.probe()
            except NoAnswer as error:
                reason = str(error)
            if self.running() is None:
                self.pid_file.unlink(missing_ok=True)
                raise ServicesError(
                    f"{self.label} ended while starting{processes.last_words(self.log)}"
                )
            if time.monotonic() > deadline:
                raise ServicesError(
                    f"{self.label} does not answer on port {self.port} after "
                    f"{self.settings.timeout:.0f} s ({reason}): set SERVICES_TIMEOUT "
                    f"to wait longer{processes.last_words(self.log)}"
                )
            time.sleep(0.1)

    def stop(self) -> bool:
        """Stop the process properly; return whether it was running."""
        return processes.stop(self.pid_file, self.stop_signal)

    def kill(self) -> bool:
        """Kill the process as a crash would; return whether it was running."""
        return processes.stop(self.pid_file, signal.SIGKILL)
