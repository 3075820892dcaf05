# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Parse each publication date once.

InvenioRDM parses the date of a record several times when it is published, which takes a
fifth of the time. All records of the tests have the same few dates.
"""

from functools import lru_cache

from edtf.parser import grammar


class _Parser:
    """A parser of dates that returns the same result for the same text."""

    def __init__(self, parser):
        """Wrap a parser."""
        self.parse_string = lru_cache(parser.parse_string)


def cache_parsed_dates():
    """Cache the results of the EDTF parser in this process."""
    if not isinstance(grammar.edtfParser, _Parser):
        grammar.edtfParser = _Parser(grammar.edtfParser)
