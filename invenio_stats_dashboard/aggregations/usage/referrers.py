# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read the host name of a referrer.

Anybody can send any text as a referrer, and its host becomes a public label. So only
what can be a name in the DNS counts, in one spelling for each name.
"""

import re
from urllib.parse import urlsplit

import idna

LONGEST = 253
"""Maximum number of characters of a host name in the DNS (RFC 1035)."""

_NAME = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*"
    r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
"""Labels of letters, digits and hyphens, of 1 to 63 characters (RFC 1123)."""

_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""The last label of an IPv4 address in any of its notations (WHATWG URL)."""

_ENCODED = "xn--"


def host_of(referrer: str | None) -> str | None:
    """Return the host name of a referrer.

    Names in other scripts are returned as the DNS stores them (IDNA 2008, after the
    mapping of UTS 46), so that a name in Unicode and its Punycode are equal, and no
    label of a page contains letters that look like others.

    Args:
        referrer: a URL, or any other text.

    Returns:
        The name in lower case, without user, port and final dot. None if there is none
        or if it is invalid. An IP address is not a name: it can be that of a person's
        own device.
    """
    try:
        name = urlsplit(referrer).hostname if referrer else None
        if not name or len(name) > LONGEST + 1:
            return None
        if not name.isascii():
            name = idna.encode(name, uts46=True).decode()
    except ValueError:  # also those of IDNA
        return None
    name = name.removesuffix(".")
    if len(name) > LONGEST or not _NAME.fullmatch(name):
        return None
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return None
    if not all(_is_valid(label) for label in labels if label.startswith(_ENCODED)):
        return None
    return name


def _is_valid(label: str) -> bool:
    """Return whether a Punycode label stands for a valid one in Unicode."""
    try:
        return idna.alabel(idna.ulabel(label)) == label.encode()
    except ValueError:
        return False
