# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Commands for usage events."""

import click


@click.group("usage-events")
def usage_events():
    """Migrate view and download events and look after them."""


@click.command("migrate-events")
def migrate_events():
    """Move legacy events to enriched indices."""
