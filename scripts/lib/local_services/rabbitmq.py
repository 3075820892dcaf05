# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Run RabbitMQ from the system's packages, as a separate node.

Erlang nodes find each other through a daemon, epmd, which the first node would start
and leave running. This node has its own epmd on its own port, which is stopped with the
node and is never shared with another RabbitMQ of the machine.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from pathlib import Path

from . import probes
from .errors import NoAnswer
from .native import NativeService

# The wrapper of that name on the path requires its own user and folders.
SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

CONFIGURATION = """\
listeners.tcp.default = 127.0.0.1:{port}
loopback_users.guest = true
disk_free_limit.absolute = 100MB
load_definitions = {definitions}
log.file.level = warning
log.console = false
"""

VIRTUAL_HOSTS = ("/", *(f"gw{number}" for number in range(4)))
"""The default one, and one for each process that runs tests in parallel."""


def definitions() -> str:
    """Return the definitions of a new broker: virtual hosts, and a user for them.

    A broker with definitions creates no user itself.
    """
    salt = bytes(4)
    digest = hashlib.sha256(salt + b"guest").digest()
    user = {
        "name": "guest",
        "password_hash": base64.b64encode(salt + digest).decode(),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": "administrator",
    }
    everything = {"configure": ".*", "read": ".*", "write": ".*"}
    return json.dumps(
        {
            "users": [user],
            "vhosts": [{"name": name} for name in VIRTUAL_HOSTS],
            "permissions": [
                {"user": "guest", "vhost": name, **everything} for name in VIRTUAL_HOSTS
            ],
        }
    )


def find_rabbitmq() -> Path | None:
    """Return the server's own start script."""
    if SERVER.exists():
        return SERVER
    found = shutil.which("rabbitmq-server")
    return Path(found).resolve() if found else None


class Epmd(NativeService):
    """The daemon through which Erlang nodes find each other."""

    purpose = "queue"
    label = "epmd (for RabbitMQ)"
    port_variable = "SERVICES_PORT_RABBITMQ_EPMD"

    @property
    def pid_file(self) -> Path:
        """The file that names the process."""
        return self.folder / "process-epmd"

    @property
    def log(self) -> Path:
        """The file for the output of the process."""
        return self.folder / "log" / "epmd.log"

    @property
    def address(self) -> str:
        """The address of the daemon."""
        return f"localhost:{self.port}"

    def prepare(self) -> None:
        """Create the folders."""
        self.settings.user.make_folder(self.folder)
        self.settings.user.make_folder(self.log.parent)

    def command(self) -> list[str]:
        """Return the command line of the daemon."""
        program = shutil.which("epmd") or "epmd"
        return [program, "-port", str(self.port), "-address", "127.0.0.1"]

    def probe(self) -> str:
        """Check that the daemon accepts connections; it has no version."""
        try:
            probes.connect("127.0.0.1", self.port).close()
        except OSError as error:
            raise NoAnswer(str(error)) from None
        return ""


class RabbitMQ(NativeService):
    """The queue."""

    purpose = "queue"
    label = "RabbitMQ"
    port_variable = "SERVICES_PORT_RABBITMQ"

    @property
    def address(self) -> str:
        """The URL of the broker."""
        return f"amqp://guest:guest@localhost:{self.port}//"

    @property
    def epmd(self) -> Epmd:
        """The daemon of this node."""
        return Epmd(self.settings)

    def used_ports(self) -> dict[int, str]:
        """Return each port that the process listens on, with its variable."""
        variable = "SERVICES_PORT_RABBITMQ_DISTRIBUTION"
        return {**super().used_ports(), self.settings.port(variable): variable}

    def check_ports(self) -> None:
        """Check that the ports of the node and its daemon are free."""
        super().check_ports()
        if self.epmd.running() is None:
            self.epmd.check_ports()

    def prepare(self) -> None:
        """Create folders and configuration, and start the daemon."""
        user = self.settings.user
        for name in ("", "log"):
            user.make_folder(self.folder / name)
        user.make_folder(self.data)
        file = user.write(self.folder / "definitions.json", definitions())
        configuration = CONFIGURATION.format(port=self.port, definitions=file)
        user.write(self.folder / "rabbitmq.conf", configuration)
        user.write(self.folder / "enabled_plugins", "[].\n")
        # Otherwise the one in /etc is read, which belongs to another node.
        user.write(self.folder / "rabbitmq-env.conf", "")
        self.epmd.start()

    def command(self) -> list[str]:
        """Return the command line of the server."""
        return [str(find_rabbitmq() or "rabbitmq-server")]

    def environ(self) -> dict[str, str]:
        """Return the environment that separates this node from any other."""
        distribution = self.settings.port("SERVICES_PORT_RABBITMQ_DISTRIBUTION")
        return {
            **super().environ(),
            "ERL_EPMD_PORT": str(self.epmd.port),
            "RABBITMQ_NODENAME": f"stats{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.data),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.data / "pid"),
            # Otherwise a shell runs between this script and the server.
            "RUNNING_UNDER_SYSTEMD": "true",
            # Waiting schedulers must not use the processor.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-start_epmd false +sbwt none +sbwtdcpu none +sbwtdio none "
                "-kernel inet_dist_use_interface {127,0,0,1}"
            ),
        }

    def probe(self) -> str:
        """Return the version of the running server."""
        return probes.queue(self.address)

    def stop(self) -> bool:
        """Stop the node and its daemon properly."""
        stopped = super().stop()
        self.epmd.stop()
        return stopped
