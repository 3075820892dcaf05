# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Build the site, and print the folder of its static files."""

import sys
import time

from .build import BuildError, build
from .node import NodeMissingError


def main():
    """Build the site; return 0 if that succeeds."""
    begun = time.monotonic()

    def say(what):
        print(f"{time.monotonic() - begun:6.1f} s  {what}", file=sys.stderr)

    try:
        static = build(say)
    except (BuildError, NodeMissingError) as error:
        print(error, file=sys.stderr)
        return 1
    say("done")
    print(static)
    return 0


if __name__ == "__main__":
    sys.exit(main())
