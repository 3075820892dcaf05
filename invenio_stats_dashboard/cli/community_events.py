# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Commands for community events."""

import click


@click.group("community-events")
def community_events():
    """Who was in which community when."""


@click.command("generate-community-events")
def generate_community_events():
    """Write the community events that are missing."""
