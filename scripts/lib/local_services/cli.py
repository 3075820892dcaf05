# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The command line of scripts/services."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import asdict

from .addresses import VARIABLES, exports, read_record
from .errors import ServicesError
from .settings import MAX_NODES, PORTS, Settings, read_settings
from .stack import Stack, locked

EPILOG = f"""\
For each of database, search, cache and queue, the first of these that works is used:
  1. the service that the environment names, if it answers:
     {', '.join(VARIABLES.values())};
  2. a container, if Docker is running (with docker-services-cli);
  3. a separate process: PostgreSQL, Redis and RabbitMQ from Debian's packages, which
     are installed if missing, and OpenSearch laid out from Maven Central.

variables:
  SERVICES_HOME             folder for jars, data, logs (default: .services)
  SERVICES_DATA             disk, or memory: tests are faster, and the data is lost
                            when the services are stopped
  SERVICES_FROM             auto, native or docker; the last two ignore what the
                            environment names
  SERVICES_PORT_OFFSET      number added to every port below
{chr(10).join(f'  {name:<37} {port}' for name, port in PORTS.items())}
                            (search node N uses the port plus N)
  SERVICES_OPENSEARCH_HEAP  Java heap of each node (default: 1g)
  SERVICES_OPENSEARCH_JAVA_OPTS
                            further options for Java; -XX:TieredStopAtLevel=1
                            starts faster and works slower
  SERVICES_OPENSEARCH_DIST  folder of the OpenSearch jars, to share between sets
  SERVICES_OPENSEARCH_VERSION
                            version of OpenSearch, one of those in
                            scripts/lib/local_services/opensearch-jars/
  SERVICES_TIMEOUT          seconds that a service may take to answer (default: 120)
  SERVICES_USER             user that root runs the services as (default: nobody)

examples:
  scripts/services up && eval "$(scripts/services env)"
  a second search cluster, of three nodes, beside the first:
    export SERVICES_HOME=/var/tmp/cluster SERVICES_PORT_OFFSET=100
    export SERVICES_FROM=native SERVICES_OPENSEARCH_DIST=$PWD/.services/opensearch-2.19.6
    scripts/services up --only search --nodes 3
    scripts/services node kill 1      # a lost node; `node start 1` starts it again
    scripts/services down --remove
"""

ACTIONS = ("stop", "start", "kill")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    options = _parser().parse_args(arguments)
    os.umask(0o022)  # the services run as another user and must read the files
    try:
        settings = read_settings(os.environ)
        if settings.note:
            print(settings.note, file=sys.stderr)
        return options.run(options, settings)
    except ServicesError as error:
        print(f"scripts/services: {error}", file=sys.stderr)
        return 1
    except PermissionError as error:
        print(
            f"scripts/services: {error.filename} may not be changed by this user: run "
            "it as the user who started the services, or set SERVICES_HOME.",
            file=sys.stderr,
        )
        return 1
    except OSError as error:
        print(
            f"scripts/services: {error.filename or 'the system'}: {error.strerror}: "
            "fix that and run the same command again.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/services",
        description="Start, stop and check the services for tests and demos.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="start missing services and wait for them")
    up.add_argument("--nodes", type=int, default=0, help="number of search nodes")
    up.add_argument(
        "--only",
        type=_purposes,
        default=list(VARIABLES),
        metavar="NAME,NAME",
        help="only these of database, search, cache, queue",
    )
    up.set_defaults(run=_up)

    down = commands.add_parser("down", help="stop the services that were started")
    down.add_argument("--remove", action="store_true", help="also delete their files")
    down.set_defaults(run=_down)

    status = commands.add_parser(
        "status", help="show the services; exit code 1 if one is missing"
    )
    status.add_argument("--json", action="store_true", help="print JSON")
    status.set_defaults(run=_status)

    env = commands.add_parser("env", help="print shell exports, for eval")
    env.set_defaults(run=_env)

    node = commands.add_parser("node", help="stop, start or kill one search node")
    node.add_argument("action", choices=ACTIONS)
    node.add_argument("number", type=int, metavar="N")
    node.set_defaults(run=_one, purpose="search")

    for purpose in ("database", "cache", "queue"):
        one = commands.add_parser(purpose, help=f"stop, start or kill the {purpose}")
        one.add_argument("action", choices=ACTIONS)
        one.set_defaults(run=_one, purpose=purpose, number=0)
    return parser


def _purposes(text: str) -> list[str]:
    names = text.split(",")
    if not set(names) <= set(VARIABLES):
        raise argparse.ArgumentTypeError(f"choose among {', '.join(VARIABLES)}")
    return [purpose for purpose in VARIABLES if purpose in names]


def _say(text: str) -> None:
    print(text, flush=True)


def _stack(settings: Settings) -> Stack:
    return Stack(settings, os.environ, _say)


def _up(options: argparse.Namespace, settings: Settings) -> int:
    if not 0 <= options.nodes <= MAX_NODES:
        raise ServicesError(f"--nodes must be a number from 1 to {MAX_NODES}.")
    began = time.monotonic()
    with locked(settings, _say):
        _stack(settings).up(options.only, options.nodes)
    _say(f"all services ready after {time.monotonic() - began:.1f} s")
    return 0


def _down(options: argparse.Namespace, settings: Settings) -> int:
    if not settings.home.exists():
        _say("nothing to stop")
        return 0
    with locked(settings, _say):
        _stack(settings).down(options.remove)
    return 0


def _status(options: argparse.Namespace, settings: Settings) -> int:
    reports = _stack(settings).status()
    if options.json:
        _say(json.dumps([asdict(report) for report in reports], indent=2))
    else:
        for report in reports:
            state = "answers" if report.answers else f"does not answer: {report.reason}"
            pid = f"process {report.pid}" if report.pid else ""
            words = (
                f"{report.service:<10} {report.kind:<12} {report.version:<9} {pid:<15}"
            )
            _say(f"{words} {report.address}  {state}")
    return 0 if all(report.answers for report in reports) else 1


def _env(options: argparse.Namespace, settings: Settings) -> int:
    stack = _stack(settings)
    sources = stack.sources(stack.in_use())
    if not read_record(settings.home):
        print("nothing was started yet: run `scripts/services up`.", file=sys.stderr)
    print(exports(sources.values()), end="")
    return 0


def _one(options: argparse.Namespace, settings: Settings) -> int:
    with locked(settings, _say):
        service = _stack(settings).service(options.purpose, options.number)
        if options.action == "start":
            _say(f"{service.label} {service.start()} answers")
        else:
            stopped = service.stop() if options.action == "stop" else service.kill()
            _say(f"{service.label} {'is down' if stopped else 'was not running'}")
    return 0
