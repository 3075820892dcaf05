# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The steps of docs/earlier-extension.md work on a site of the earlier extension."""

import os
import re
import shlex
import subprocess
from pathlib import Path

from invenio_stats_dashboard.config_validation import EARLIER_VARIABLES
from scripts.demo.legacy_events import generate, synthetic_records

from .conftest import remove_statistics
from .helpers import content, earlier_site
from .helpers.commands import Outcome, run
from .helpers.stored import aggregates_in
from .helpers.usage import native

TEXT = (Path(__file__).parent.parent / "docs/earlier-extension.md").read_text()
BLOCK = re.compile(
    r"^```(?P<language>\w+)\n(?P<code>.*?)^```\n(?:\n\*(?P<note>[^*]+)\*)?",
    re.DOTALL | re.MULTILINE,
)
PROGRAM = "invenio community-stats "
ATTENTION = (1, "It exits with 1")
EVENTS = 40


def lines():
    """Yield each command line that the page does not mark as not run, and its code."""
    for block in BLOCK.finditer(TEXT):
        note = block["note"] or ""
        if block["language"] in ("console", "shell") and not note.startswith("Not run"):
            for line in block["code"].splitlines():
                code = ATTENTION[0] if note.startswith(ATTENTION[1]) else 0
                yield line.removeprefix("$ "), code


def typed(app, client, names, line, folder):
    """Type a command line in a folder."""
    if line.startswith(PROGRAM):
        return run(app, *shlex.split(line.removeprefix(PROGRAM)))
    host = client.transport.hosts[0]
    done = subprocess.run(
        ["bash", "-euc", line],
        env={
            **os.environ,
            "HOST": f"http://{host['host']}:{host['port']}",
            "PREFIX": names.prefix,
        },
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def test_the_variables_of_the_page_are_those_that_the_start_names():
    rows = re.findall(r"^\| `([A-Z_]+) = …` \| \[`([A-Z_]+)`\]", TEXT, re.MULTILINE)
    assert dict(rows) == EARLIER_VARIABLES


def test_the_steps_of_the_page(fresh, client, names, tmp_path):
    community = content.make_community()
    uuid = content.record_id(content.make_record(communities=[community]))
    views = dict(generate("view", "2026-03", EVENTS, synthetic_records(5), 1))
    events = [earlier_site.event(uuid, "global")]
    site = earlier_site.make(fresh, client, names, events, views.items())
    moved = f"{names.prefix}earlier-stats-community-events-2024"
    outcomes = {}
    try:
        for line, code in lines():
            if "DELETE" in line and line.endswith('stats-community-events-2024"'):
                assert client.count(index=moved)["count"] == 2
            done = typed(fresh, client, names, line, tmp_path)
            assert done.exit_code == code, (line, done)
            outcomes.setdefault(line, done)
        assert site.community_events in outcomes[f"{PROGRAM}status"].out
        assert site.template in (tmp_path / "template.json").read_text()
        assert names.community_events in (tmp_path / "aliases.json").read_text()
        check_counts(client, names, site, community)
        assert not client.indices.exists(index=moved)
    finally:
        earlier_site.remove_template(client, names)
        remove_statistics(client, names)


def check_counts(client, names, site, community):
    """Check that the views were taken over, and that everything was counted again."""
    client.indices.refresh(index=f"{names.prefix}*stats-*")
    alias = names.events_alias("view")
    hits = client.search(index=alias, body={"size": 1000})["hits"]["hits"]
    assert {hit["_id"]: native(hit["_source"]) for hit in hits} == site.views
    assert all(hit["_source"]["enriched_at"] for hit in hits)
    deltas = aggregates_in(client, names, ["usage-delta"])["usage-delta"]
    total = sum(
        document["totals"]["view"]["total_events"]
        for (who, _), document in deltas.items()
        if who == "global"
    )
    assert total == EVENTS
    body = {"query": {"term": {"community_id": community}}}
    assert client.count(index=names.community_events, body=body)["count"] == 1
