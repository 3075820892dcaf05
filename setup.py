# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Make the long description; all else is in setup.cfg and pyproject.toml.

The long description is README.md with CHANGES.md. Their relative links become the
addresses of the files in the repository at the tag of this version, because the page of
a package index has no such files.
"""

import re
import runpy
from configparser import ConfigParser
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
PAGES = ("README.md", "CHANGES.md")
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^]]*)\]\((?!\w+:|#)(?P<path>[^)\s]+)\)")


def repository() -> str:
    """Return the address of the repository."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = config["metadata"]["project_urls"].strip().splitlines()
    urls = dict(re.split(r"\s*=\s*", line, maxsplit=1) for line in lines)
    return urls["Repository"]


def long_description() -> str:
    """Return the pages, with absolute links."""
    version = runpy.run_path(str(ROOT / "invenio_stats_dashboard/version.py"))
    address = f"{repository()}/{{kind}}/v{version['__version__']}/"

    def absolute(link: re.Match[str]) -> str:
        base = address.format(kind="raw" if link["image"] else "blob")
        return f"{link['image']}[{link['text']}]({base}{link['path']})"

    pages = [(ROOT / page).read_text(encoding="utf-8") for page in PAGES]
    return LINK.sub(absolute, "\n".join(pages))


if __name__ == "__main__":
    setup(
        long_description=long_description(),
        long_description_content_type="text/markdown",
    )
