# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Write the list of jars from which scripts/services lays out a version of OpenSearch.

    python -m scripts.lock_opensearch VERSION

Maven resolves the server and each of its modules from Maven Central. The list has the
checksum of each jar, and is to be reviewed before it is committed. Needs ``mvn``.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "scripts" / "lib"))

from local_services.opensearch_layout import MODULES, lock_of  # noqa: E402

PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"

OPTIONAL = ("org.locationtech.jts:jts-core", "org.locationtech.spatial4j:spatial4j")
"""Dependencies of the server that are optional, but without which no shape is mapped."""

WITHOUT_CLIENT = ("analysis-common", "geo", "ingest-common", "lang-painless")
"""Modules whose artifact has the name of the module, without ``-client``."""

HEADER = """\
# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT
#
# Every jar of OpenSearch as scripts/services lays it out:
# SHA-256, folder, group:artifact:version
"""

Jars = dict[str, Path]
"""``group:artifact:version`` -> file."""


def resolve(coordinates: Iterable[str], work: Path) -> Jars:
    """Fetch jars with their dependencies, and return all.

    Args:
        coordinates: ``group:artifact:version`` of each.
        work: a folder; jars that were fetched there before are not fetched again.
    """
    dependencies = "".join(
        "<dependency><groupId>{}</groupId><artifactId>{}</artifactId>"
        "<version>{}</version></dependency>".format(*text.split(":"))
        for text in coordinates
    )
    folder = Path(tempfile.mkdtemp(dir=work))
    (folder / "pom.xml").write_text(
        "<project><modelVersion>4.0.0</modelVersion><groupId>local</groupId>"
        "<artifactId>lock</artifactId><version>1</version>"
        f"<dependencies>{dependencies}</dependencies></project>"
    )
    jars = folder / "jars"
    subprocess.run(
        [
            *("mvn", "-B", "-q", PLUGIN, "-DincludeScope=runtime"),
            f"-Dmaven.repo.local={work / 'repository'}",
            # the path of a jar then shows its coordinates
            *("-Dmdep.useRepositoryLayout=true", f"-DoutputDirectory={jars}"),
        ],
        cwd=folder,
        check=True,
    )
    return {_coordinates(jar.relative_to(jars)): jar for jar in jars.rglob("*.jar")}


def _coordinates(path: Path) -> str:
    *group, artifact, version, _ = path.parts
    return f"{'.'.join(group)}:{artifact}:{version}"


def read_server(version: str, work: Path) -> Jars:
    """Fetch the jars of ``lib``."""
    server = f"org.opensearch:opensearch:{version}"
    loader = f"org.opensearch:opensearch-plugin-classloader:{version}"
    logging = next(
        text
        for text in resolve([server], work)
        if text.startswith("org.apache.logging.log4j:log4j-api:")
    )
    optional = [f"{name}:{_version_in_pom(name, version, work)}" for name in OPTIONAL]
    logger = logging.replace("log4j-api", "log4j-core")
    return resolve([server, loader, logger, *optional], work)


def _version_in_pom(name: str, version: str, work: Path) -> str:
    """Return the version of an optional dependency of the server."""
    folder = work / "repository" / "org/opensearch/opensearch" / version
    pom = (folder / f"opensearch-{version}.pom").read_text()
    artifact = name.partition(":")[2]
    after = pom.partition(f"<artifactId>{artifact}</artifactId>")[2]
    return after.partition("<version>")[2].partition("</version>")[0].strip()


def read_module(name: str, version: str, work: Path) -> Jars:
    """Fetch the jars of a module."""
    artifact = name if name in WITHOUT_CLIENT else f"{name}-client"
    return resolve([f"org.opensearch.plugin:{artifact}:{version}"], work)


def lines_of(folder: str, jars: Jars) -> list[str]:
    """Return the lines of a folder."""
    return [
        f"{hashlib.sha256(jars[text].read_bytes()).hexdigest()}  {folder}  {text}"
        for text in sorted(jars)
    ]


def main(arguments: list[str]) -> int:
    """Write the list of a version."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__)
        return 2
    (version,) = arguments
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        server = read_server(version, work)
        known = {text.rpartition(":")[0] for text in server}
        lines = lines_of("lib", server)
        for module in MODULES:
            print(module.name, file=sys.stderr, flush=True)
            jars = read_module(module.name, version, work)
            own = {t: f for t, f in jars.items() if t.rpartition(":")[0] not in known}
            lines += lines_of(f"modules/{module.name}", own)
    lock_of(version).write_text(HEADER + "\n".join(lines) + "\n")
    print(lock_of(version).relative_to(REPOSITORY))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
