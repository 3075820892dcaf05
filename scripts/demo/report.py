# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""How the demonstration looks in a terminal."""

from rich.table import Table

GOOD, BAD = "[green]✓[/]", "[red]✗[/]"


def print_content(console, prepared):
    """Print what content and which events there are."""
    console.print(
        f"{prepared['communities']} communities, {prepared['records']} records in "
        f"{prepared['versions']} versions, {prepared['views']:,} views and "
        f"{prepared['downloads']:,} downloads in {prepared['months']} months."
    )


def writer_figures(writer):
    """Return what the writer did."""
    return {
        "rate": writer.rate,
        "sent": writer.sent,
        "stored": writer.stored,
        "retries": writer.retries,
        "longest_wait_seconds": round(writer.longest_wait, 3),
    }


def reader_figures(readers):
    """Return what the readers saw."""
    return {
        reader.alias: {
            "totals_seen": reader.seen,
            "first": reader.first,
            "last": reader.last,
            "wrong": reader.wrong,
            "slowest_seconds": round(reader.slowest, 3),
        }
        for reader in readers
    }


def print_life(console, writer, readers):
    """Print what writer and readers did while the migration ran."""
    stored = sum(writer.stored.values())
    console.print(
        f"The writer stored {stored:,} events meanwhile, {writer.rate} a second, one "
        f"in ten for an earlier month; {writer.retries} were refused at first and "
        f"sent again; the longest wait was {writer.longest_wait:.2f} s."
    )
    for reader in readers:
        console.print(
            f"{BAD if reader.wrong else GOOD} {reader.alias}: {reader.seen:,} totals "
            f"read, from {reader.first or 0:,} to {reader.last or 0:,}; "
            f"{len(reader.wrong)} of them wrong"
        )
        for line in reader.wrong[:5]:
            console.print(f"    [red]{line}[/]")


def print_proof(console, months):
    """Print written and found events of each month."""
    table = Table("", "month", "type", "written", "found", "checksum", box=None)
    table.add_column("in …", overflow="fold")
    for month in months:
        same = month.written_checksum == month.found_checksum
        table.add_row(
            GOOD if month.complete and not month.overlooked else BAD,
            month.month,
            month.event_type,
            f"{month.written:,}",
            f"{month.found:,}",
            f"{month.found_checksum}{'' if same else ' ≠ ' + month.written_checksum}",
            ", ".join(name[name.find(month.month) :] for name in month.indices),
        )
    console.print(table)
    for month in months:
        for what in ("missing", "surplus", "twice", "changed", "overlooked"):
            if value := getattr(month, what):
                console.print(
                    f"  [red]{month.month} {month.event_type}: {what} {value}[/]"
                )
    waiting = sum(month.unenriched - month.overlooked for month in months)
    if waiting:
        console.print(
            f"{waiting:,} events of the writer came after the switch of their month "
            "and are not enriched: it writes as the stock indexer does."
        )


def print_aggregations(console, result):
    """Print whether the stock aggregations say the same as before."""
    different = result["different"]
    console.print(
        f"{BAD if different else GOOD} Stock aggregations of {result['days']} days, "
        f"{result['documents']:,} documents: "
        + (f"{len(different)} days differ" if different else "the same as before")
    )
    console.print(
        f"{BAD if result['failed'] else GOOD} The stock aggregation task ran on the "
        f"migrated events: {result['stored']:,} documents stored"
    )


def print_counted(console, counted):
    """Print whether the deltas of the instance hold every event."""
    for kind, count in counted.items():
        same = count["counted"] == count["due"]
        console.print(
            f"{GOOD if same else BAD} {count['due']:,} {kind}s are to be counted, "
            f"{count['counted']:,} are"
        )


def print_own_indices(console, indices):
    """Print how many indices the extension has, beside those of the usage events."""
    shards = sum(indices.values())
    console.print(
        f"The extension has {len(indices)} indices of its own, with {shards} primary "
        "shards, beside the months of usage events."
    )


def print_times(console, seconds, outcomes):
    """Print how long each step took."""
    console.rule("[bold]Times[/]")
    table = Table("step", "seconds", box=None)
    table.columns[1].justify = "right"
    for name, value in seconds.items():
        table.add_row(name, f"{value:.1f}")
    for outcome in outcomes:
        table.add_row(outcome.line, f"{outcome.seconds:.1f}")
    console.print(table)


def print_verdict(console, failures):
    """Print whether all went as it should."""
    console.rule("[bold]Outcome[/]")
    if not failures:
        console.print(
            "[green]Every event that was written is there, once, with its native "
            "fields as they were; no reader saw a wrong total.[/]"
        )
    for sentence in failures:
        console.print(f"{BAD} {sentence}")


def print_further(console, settings):
    """Print what to try next and how to remove it all."""
    host = settings.search_hosts[0]
    console.rule("[bold]To look further[/]")
    console.print(
        f"""\
. {settings.root}/activate   # points `invenio` at the demonstration
invenio community-stats --help
invenio community-stats community-events status
invenio community-stats usage-events status
invenio community-stats status --all
invenio community-stats read --community genomics --family usage-delta
invenio community-stats usage-events cleanup --dry-run
invenio community-stats usage-events rollback --help
curl '{host}/_cat/indices/{settings.prefix}*events-stats-*?v&s=index'
curl '{host}/_cat/aliases/{settings.prefix}events-stats-*?v&s=index'
curl '{host}/{settings.prefix}events-stats-record-view/_search?size=1&pretty'
curl '{host}/{settings.prefix}stats-community-events/_search?size=1&pretty'

./run-demo.sh                # again, on the same content
scripts/services down        # stop the services; with --remove also their data
rm -r {settings.root}""",
        markup=False,
        soft_wrap=True,
    )
