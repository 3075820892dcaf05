# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Check the contents and the metadata of built distributions.

    python -m scripts.check_package FOLDER

The folder contains one wheel and one source distribution. Each problem is a line; the
exit code is 1 if there is one. ``scripts/check-package`` builds and installs them.
"""

import re
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = "invenio_stats_dashboard"

LABELS = {"Repository", "Documentation", "Changelog", "Issues"}
"""Project URLs that the page of a package index shows."""

NEEDED = (
    "patches/apply_patches.sh",
    "patches/record-communities-service.patch",
    "templates/semantic-ui/invenio_stats_dashboard/dashboard.html",
    "assets/semantic-ui/js/invenio_stats_dashboard/index.js",
    "translations/de/LC_MESSAGES/messages.mo",
    "translations/fr/LC_MESSAGES/messages.mo",
)
"""Files that only the manifest includes, one of each kind."""

SOURCES = (
    *("README.md", "CHANGES.md", "CONTRIBUTING.md", "AUTHORS.md", "LICENSE"),
    *("setup.py", "setup.cfg", "pyproject.toml", "apply_patches.sh", "run-tests.sh"),
    *("docs/install.md", "tests/test_docs.py", ".github/workflows/tests.yml"),
)

_LINK = re.compile(r"\]\(([^)\s]+)\)")


def problems(folder: Path) -> Iterator[str]:
    """Yield a sentence for each problem of the distributions in a folder."""
    [wheel] = folder.glob("*.whl")
    [source] = folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        [path] = [name for name in names if name.endswith(".dist-info/METADATA")]
        metadata = message_from_bytes(archive.read(path))
        [script] = [n for n in archive.infolist() if n.filename.endswith(".sh")]
    yield from _missing(wheel, names, [f"{PACKAGE}/{name}" for name in NEEDED])
    yield from _foreign(wheel, names)
    if not script.external_attr >> 16 & 0o100:
        yield f"{wheel.name}: {script.filename} cannot be executed."
    yield from metadata_problems(metadata)
    with tarfile.open(source) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    yield from _missing(source, inside, SOURCES)
    yield from _missing(source, inside, [f"{PACKAGE}/{name}" for name in NEEDED])


def metadata_problems(metadata: Message) -> Iterator[str]:
    """Yield a sentence for each problem of the metadata of a wheel."""
    lines = metadata.get_all("Project-URL", [])
    urls = dict(re.split(r",\s*", line, maxsplit=1) for line in lines)
    for label in LABELS - urls.keys():
        yield f"The metadata has no project URL {label}."
    if metadata["License-Expression"] != "MIT":
        yield "The metadata has no SPDX licence expression."
    if not metadata["Requires-Python"]:
        yield "The metadata does not say which versions of Python are supported."
    if metadata["Description-Content-Type"] != "text/markdown":
        yield "The long description is not declared as Markdown."
    yield from link_problems(str(metadata.get_payload()), urls.get("Repository", ""))


def link_problems(text: str, repository: str) -> Iterator[str]:
    """Yield a sentence for each link of the long description that leads nowhere.

    Args:
        text: the long description.
        repository: address of the repository.
    """
    for target in _LINK.findall(text):
        if not target.startswith("https://"):
            yield f"The long description has the relative link {target}."
            continue
        tag = rf"{re.escape(repository)}/(?:blob|raw)/v[^/]+"
        inside = re.match(rf"{tag}/([^#]+)", target)
        if inside and not (ROOT / inside[1]).is_file():
            yield f"The long description links to {inside[1]}, which does not exist."


def _missing(archive: Path, names: set[str], needed: Iterable[str]) -> Iterator[str]:
    for name in needed:
        if name not in names:
            yield f"{archive.name} does not contain {name}."


def _foreign(wheel: Path, names: set[str]) -> Iterator[str]:
    """Yield what a wheel would install outside the package."""
    for top in sorted({name.partition("/")[0] for name in names}):
        if top != PACKAGE and not top.endswith(".dist-info"):
            yield f"{wheel.name} installs {top}."


if __name__ == "__main__":
    found = list(problems(Path(sys.argv[1])))
    print("\n".join(found) or "The distributions are complete.")
    sys.exit(bool(found))
