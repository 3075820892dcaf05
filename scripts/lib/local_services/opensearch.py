# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Run OpenSearch, laid out from published jars, with one process per node.

All nodes share the jars. Any node may be started alone: node 0 creates the cluster
the first time, and the others join the cluster on the lowest ports.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from . import opensearch_layout, probes
from .errors import ServicesError
from .native import NativeService
from .settings import MAX_NODES

# Absolute and low, so that the disk gates really work, but a developer's nearly full
# disk does not make every index read-only.
CONFIGURATION = """\
cluster.name: stats-{cluster}
node.name: node-{number}
network.host: 127.0.0.1
http.port: {port}
transport.port: {transport}
discovery.seed_hosts: [{seeds}]
path.data: {data}
path.logs: {folder}/log
path.repo: {repository}
cluster.routing.allocation.disk.threshold_enabled: true
cluster.routing.allocation.disk.watermark.low: 2gb
cluster.routing.allocation.disk.watermark.high: 1gb
cluster.routing.allocation.disk.watermark.flood_stage: 500mb
"""

LOGGING = """\
status = error
appender.file.type = File
appender.file.name = file
appender.file.fileName = ${sys:opensearch.logs.base_path}/opensearch.log
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] %m%n
rootLogger.level = warn
rootLogger.appenderRef.file.ref = file
"""

# OpenSearch 2 needs the security manager, which Java 24 removed.
JAVA_VERSIONS = range(17, 24)


def find_java() -> Path | None:
    """Return a Java that can run OpenSearch."""
    candidates = [Path(os.environ["JAVA_HOME"])] if "JAVA_HOME" in os.environ else []
    on_path = shutil.which("java")
    if on_path:
        candidates.append(Path(on_path).resolve().parents[1])
    candidates += sorted(Path("/usr/lib/jvm").glob("*"))
    for candidate in candidates:
        program = candidate / "bin" / "java"
        if program.exists() and _java_version(program) in JAVA_VERSIONS:
            return program
    return None


def _java_version(program: Path) -> int:
    # Java stores its version in a file, which is quicker than running it.
    try:
        text = (program.parents[1] / "release").read_text()
    except OSError:
        command = [str(program), "-version"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        text = done.stderr
    found = re.search(r'(?:JAVA_VERSION=|version )"(\d+)', text)
    return int(found[1]) if found else 0


class OpenSearch(NativeService):
    """One node of the search cluster."""

    purpose = "search"
    port_variable = "SERVICES_PORT_OPENSEARCH"

    @property
    def label(self) -> str:  # type: ignore[override]
        """The name in messages."""
        return f"OpenSearch node {self.number}"

    def folder_name(self) -> str:
        """Return the name of the folder under the home."""
        return f"search/node-{self.number}"

    @property
    def address(self) -> str:
        """The host and port of the node."""
        return f"localhost:{self.port}"

    def used_ports(self) -> dict[int, str]:
        """Return each port that the process listens on, with its variable."""
        variable = "SERVICES_PORT_OPENSEARCH_TRANSPORT"
        transport = self.settings.port(variable, self.number)
        return {**super().used_ports(), transport: variable}

    def prepare(self) -> None:
        """Create folders and configuration."""
        user = self.settings.user
        user.make_folder(self.folder.parent)
        for name in ("", "config", "log", "tmp"):
            user.make_folder(self.folder / name)
        user.make_folder(self.data)
        repository = user.make_folder(self.settings.home / "search" / "snapshots")
        variable = "SERVICES_PORT_OPENSEARCH_TRANSPORT"
        transports = [self.settings.port(variable, n) for n in range(MAX_NODES)]
        configuration = CONFIGURATION.format(
            cluster=self.port - self.number,
            port=self.port,
            number=self.number,
            transport=transports[self.number],
            seeds=", ".join(f'"127.0.0.1:{port}"' for port in transports),
            folder=self.folder,
            data=self.data,
            repository=repository,
        )
        if self.number == 0:
            configuration += "cluster.initial_cluster_manager_nodes: [node-0]\n"
        user.write(self.folder / "config" / "opensearch.yml", configuration)
        user.write(self.folder / "config" / "log4j2.properties", LOGGING)

    def command(self) -> list[str]:
        """Return the command line of the node."""
        java = find_java()
        if java is None:
            raise ServicesError("No Java between 17 and 23 is installed.")
        home = self.settings.distribution
        heap = self.settings.heap
        return [
            str(java),
            *(f"-Xms{heap}", f"-Xmx{heap}", "-XX:+UseG1GC"),
            *("-XX:+ExitOnOutOfMemoryError", "-XX:-OmitStackTraceInFastThrow"),
            "-Djava.security.manager=allow",
            "-Dfile.encoding=UTF-8",
            f"-Djava.io.tmpdir={self.folder / 'tmp'}",
            *("-Djna.nosys=true", "-Dio.netty.noUnsafe=true"),
            *("-Dlog4j2.disable.jmx=true", "-Dlog4j.shutdownHookEnabled=false"),
            f"-Dopensearch.path.home={home}",
            f"-Dopensearch.path.conf={self.folder / 'config'}",
            *self.settings.java_options,
            *("-cp", f"{home / 'lib'}/*", "org.opensearch.bootstrap.OpenSearch"),
        ]

    def start(self) -> str:
        """Start the node after checking that all jars exist."""
        opensearch_layout.check(self.settings.distribution, self.settings.opensearch)
        return super().start()

    def probe(self) -> str:
        """Return the version of the running node once it is in a cluster."""
        url = f"http://127.0.0.1:{self.port}"
        version = probes.search_node(url)
        # Returns 503 while no cluster manager is elected.
        probes.get_json(url, "/_cluster/health")
        return version
