# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Lay out OpenSearch like its official distribution, from Maven Central.

A file of ``opensearch-jars/`` for each version of OpenSearch names every jar with its
version, its checksum and its folder. Nothing else is fetched, and no jar with another
checksum is run.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .errors import ServicesError
from .settings import OPENSEARCH_LOCKS

POLICIES = Path(__file__).with_name("opensearch-policies")
MAVEN_PLUGIN = (
    "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
)


@dataclass(frozen=True)
class Jar:
    """One line of the lock file."""

    sha256: str
    folder: str
    group: str
    artifact: str
    version: str

    @property
    def name(self) -> str:
        """The name of the file."""
        return f"{self.artifact}-{self.version}.jar"

    @property
    def path(self) -> str:
        """The path of the jar in the distribution."""
        return f"{self.folder}/{self.name}"


@dataclass(frozen=True)
class Module:
    """The descriptor of a module, without versions."""

    name: str
    class_name: str
    extends: str = ""


MODULES = (
    Module("aggs-matrix-stats", "search.aggregations.matrix.MatrixAggregationPlugin"),
    Module("analysis-common", "analysis.common.CommonAnalysisPlugin", "lang-painless"),
    Module("geo", "geo.GeoModulePlugin"),
    Module("ingest-common", "ingest.common.IngestCommonPlugin", "lang-painless"),
    Module("lang-painless", "painless.PainlessPlugin"),
    Module("mapper-extras", "index.mapper.MapperExtrasPlugin"),
    Module("parent-join", "join.ParentJoinPlugin"),
    Module("percolator", "percolator.PercolatorPlugin"),
    Module("reindex", "index.reindex.ReindexPlugin"),
    Module("transport-netty4", "transport.Netty4Plugin"),
)


def lock_of(version: str) -> Path:
    """Return the file that lists the jars of a version of OpenSearch."""
    return OPENSEARCH_LOCKS / f"{version}.txt"


def read_lock(version: str) -> list[Jar]:
    """Return the jars of a version of OpenSearch."""
    lines = lock_of(version).read_text(encoding="utf-8").splitlines()
    entries = [line.split() for line in lines if line and not line.startswith("#")]
    return [Jar(sha, folder, *gav.split(":")) for sha, folder, gav in entries]


def is_complete(distribution: Path, version: str) -> bool:
    """Return whether the distribution was laid out from the current lock file."""
    try:
        return (distribution / "complete").read_text() == _fingerprint(version)
    except FileNotFoundError:
        return False


def check(distribution: Path, version: str) -> None:
    """Check that the distribution exists.

    Raises:
        ServicesError: it does not exist.
    """
    if not is_complete(distribution, version):
        raise ServicesError(
            f"{distribution} does not contain OpenSearch {version}: "
            "run `scripts/services up`."
        )


def lay_out(distribution: Path, version: str, say: Callable[[str], None]) -> None:
    """Fetch the jars, check them, and add the descriptors.

    Raises:
        ServicesError: a jar cannot be fetched or is not the expected one, or the folder
            contains another version.
    """
    _check_empty_of_others(distribution, version)
    jars = read_lock(version)
    shutil.rmtree(distribution, ignore_errors=True)
    work = distribution / "fetch"
    work.mkdir(parents=True)
    say(f"fetching OpenSearch {version}: {len(jars)} jars, Maven Central")
    _fetch(jars, work)
    for jar in jars:
        fetched = work / "jars" / jar.name
        if fetched.exists():  # otherwise verify() reports it
            (distribution / jar.folder).mkdir(parents=True, exist_ok=True)
            fetched.rename(distribution / jar.path)
    verify(jars, distribution)
    for module in MODULES:
        _describe(module, version, distribution / "modules" / module.name)
    for name in ("bin", "plugins"):  # empty, but the server requires them
        (distribution / name).mkdir()
    shutil.rmtree(work)
    (distribution / "complete").write_text(_fingerprint(version))


def _check_empty_of_others(distribution: Path, version: str) -> None:
    """Check that no other version of OpenSearch would be replaced.

    Raises:
        ServicesError: the folder contains another version.
    """
    for jar in (distribution / "lib").glob("opensearch-[0-9]*.jar"):
        if jar.name != f"opensearch-{version}.jar":
            raise ServicesError(
                f"{distribution} contains {jar.name}, but OpenSearch {version} is "
                "requested: set SERVICES_OPENSEARCH_DIST to another folder, or unset it."
            )


def verify(jars: Iterable[Jar], distribution: Path) -> None:
    """Compare each jar with its checksum in the lock file.

    Raises:
        ServicesError: a jar is missing or differs.
    """
    for jar in jars:
        file = distribution / jar.path
        if not file.exists():
            raise ServicesError(f"Maven did not fetch {jar.path}: run `up` again.")
        if hashlib.sha256(file.read_bytes()).hexdigest() != jar.sha256:
            raise ServicesError(
                f"{file} is not the jar that the list of jars expects (its SHA-256 "
                "differs): it is not used; check where Maven fetches from."
            )


def _fetch(jars: Iterable[Jar], work: Path) -> None:
    # A separate repository: nothing is left in the user's, and no changed jar there is
    # trusted. The user's settings (a mirror, a proxy) still apply.
    (work / "pom.xml").write_text(_pom(jars), encoding="utf-8")
    done = subprocess.run(
        [
            *("mvn", "-B", "-q", MAVEN_PLUGIN),
            f"-Dmaven.repo.local={work / 'repository'}",
            f"-DoutputDirectory={work / 'jars'}",
        ],
        cwd=work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        errors = [line for line in done.stdout.splitlines() if "ERROR" in line][:3]
        said = "\n".join(f"    {line}" for line in errors)
        raise ServicesError(
            "Maven could not fetch OpenSearch: check that Maven Central (or the "
            f"mirror in ~/.m2/settings.xml) can be reached; its output:\n{said}"
        )


def _pom(jars: Iterable[Jar]) -> str:
    # The lock file is complete, so dependencies of the jars are left out.
    dependencies = "".join(
        f"<dependency><groupId>{jar.group}</groupId>"
        f"<artifactId>{jar.artifact}</artifactId><version>{jar.version}</version>"
        "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId>"
        "</exclusion></exclusions></dependency>\n"
        for jar in jars
    )
    return (
        "<project><modelVersion>4.0.0</modelVersion><groupId>local</groupId>"
        "<artifactId>opensearch-layout</artifactId><version>1</version>"
        f"<dependencies>\n{dependencies}</dependencies></project>\n"
    )


def _describe(module: Module, version: str, folder: Path) -> None:
    descriptor = {
        "name": module.name,
        "description": f"The {module.name} module",
        "version": version,
        "opensearch.version": version,
        "java.version": "11",
        "classname": f"org.opensearch.{module.class_name}",
        "custom.foldername": "",
        "extended.plugins": module.extends,
        "has.native.controller": "false",
    }
    text = "".join(f"{key}={value}\n" for key, value in descriptor.items())
    (folder / "plugin-descriptor.properties").write_text(text)
    policy = POLICIES / f"{module.name}.policy"
    if policy.exists():
        shutil.copy(policy, folder / "plugin-security.policy")


def _fingerprint(version: str) -> str:
    """Return a digest of everything that determines the layout."""
    digest = hashlib.sha256(repr(MODULES).encode())
    for source in [lock_of(version), *sorted(POLICIES.glob("*.policy"))]:
        digest.update(source.read_bytes())
    return digest.hexdigest()
