# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Build the site and print where its static files are."""

import sys
import time

from .build import BuildError, build
from .node import NodeMissingError


def main():
    """Build; return 0 if it went well."""
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
