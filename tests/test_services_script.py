# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test the script that starts the services, without an application."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import pytest
from kombu import Connection

from .helpers.ports import HTTP, QUEUE, free_offset
from .helpers.services import QUICK_START, shared_jars

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPT = REPOSITORY / "scripts" / "services"
NAMED = ("SQLALCHEMY_DATABASE_URI", "SEARCH_HOSTS", "CACHE_REDIS_URL", "BROKER_URL")

sys.path.insert(0, str(REPOSITORY / "scripts" / "lib"))

from local_services import memory, opensearch_layout, processes  # noqa: E402
from local_services.errors import ServicesError  # noqa: E402
from local_services.settings import (  # noqa: E402
    OPENSEARCH_LOCKS,
    OPENSEARCH_VERSION,
)

OPENSEARCH_VERSIONS = sorted(path.stem for path in OPENSEARCH_LOCKS.glob("*.txt"))


@pytest.fixture
def home():
    """Give a folder that the user of the services may enter, unlike tmp_path."""
    folder = Path(tempfile.mkdtemp(prefix="services-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def call(home, *arguments, **variables):
    """Run the script in an environment without our or anybody's services."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if name not in NAMED and not name.startswith("SERVICES_")
    }
    environ.update(SERVICES_HOME=str(home), **variables)
    return subprocess.run(
        [str(SCRIPT), *arguments],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def exported(home, **variables):
    """Return what the exports of the script set, as a shell understands them."""
    done = call(home, "env", **variables)
    assert done.returncode == 0, done.stderr
    shown = subprocess.run(
        ["env", "-i", "bash", "-c", 'eval "$1"; env -0', "bash", done.stdout],
        capture_output=True,
        text=True,
        check=True,
    )
    pairs = (entry.partition("=") for entry in shown.stdout.split("\0"))
    return {name: value for name, _, value in pairs}


def test_env_names_services_as_pytest_invenio_and_an_instance_read_them(home):
    variables = exported(home, SERVICES_FROM="native")

    uri = "postgresql+psycopg2://invenio:invenio@localhost:25432/invenio"
    assert variables["SQLALCHEMY_DATABASE_URI"] == uri
    assert variables["INVENIO_SQLALCHEMY_DATABASE_URI"] == uri
    assert variables["SEARCH_HOSTS"] == '["localhost:29200"]'
    assert variables["INVENIO_SEARCH_HOSTS"] == '["localhost:29200"]'
    assert variables["BROKER_URL"] == "amqp://guest:guest@localhost:25672//"
    assert variables["INVENIO_CELERY_BROKER_URL"] == variables["BROKER_URL"]


def test_env_gives_each_use_of_redis_a_database_of_its_own(home):
    variables = exported(
        home, CACHE_REDIS_URL="redis://:secret@cache.example:6380/3", BROKER_URL="x://y"
    )

    urls = {
        value
        for name, value in variables.items()
        if name.startswith("INVENIO_") and value.startswith("redis:")
    }
    assert urls == {f"redis://:secret@cache.example:6380/{n}" for n in range(3, 8)}


def test_ports_follow_the_offset_and_a_named_port_stays(home):
    variables = exported(
        home,
        SERVICES_FROM="native",
        SERVICES_PORT_OFFSET="100",
        SERVICES_PORT_REDIS="7777",
    )

    assert variables["SEARCH_HOSTS"] == '["localhost:29300"]'
    assert variables["CACHE_REDIS_URL"] == "redis://localhost:7777/0"


def test_our_own_address_in_the_environment_counts_as_ours(home):
    done = call(home, "status", "--json", BROKER_URL="amqp://guest:guest@localhost:1//")
    named = {report["service"]: report["kind"] for report in json.loads(done.stdout)}
    assert named["queue"] == "environment"

    done = call(
        home,
        *("status", "--json"),
        BROKER_URL="amqp://guest:guest@localhost:1//",
        SERVICES_PORT_RABBITMQ="1",
    )
    named = {report["service"]: report["kind"] for report in json.loads(done.stdout)}
    assert named["queue"] != "environment"


def test_a_port_in_use_is_named_with_its_holder_and_the_variable_to_set(home):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        done = call(
            home,
            *("up", "--only", "cache"),
            SERVICES_FROM="native",
            SERVICES_PORT_REDIS=port,
        )

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"Port {port}, meant for Redis" in done.stderr
    assert f"(process {os.getpid()})" in done.stderr
    assert "SERVICES_PORT_REDIS" in done.stderr


def test_a_named_service_that_does_not_answer_is_reported_with_its_variable(home):
    done = call(home, "up", "--only", "search", SEARCH_HOSTS='["localhost:1"]')

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert 'SEARCH_HOSTS names ["localhost:1"], which does not answer' in done.stderr


def test_a_folder_that_cannot_be_written_is_reported_with_the_variable_to_set():
    done = call("/proc/services", "up", SERVICES_FROM="native")

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "/proc/services" in done.stderr
    assert "SERVICES_HOME" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs services as another user")
def test_a_folder_that_the_user_of_the_services_may_not_enter_is_reported(home):
    home.chmod(0o700)
    done = call(home / "inner", "up", SERVICES_FROM="native")

    assert done.returncode == 1
    assert f"user nobody, who may not enter {home}" in done.stderr
    assert "SERVICES_HOME" in done.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SERVICES_PORT_REDIS", "high"),
        ("SERVICES_FROM", "podman"),
        ("SERVICES_DATA", "tape"),
        ("SERVICES_OPENSEARCH_VERSION", "1.3"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(home, variable, value):
    done = call(home, "env", **{variable: value})

    assert done.returncode == 1
    assert f"{variable} is '{value}', but must be" in done.stderr


def test_status_of_nothing_started_fails_and_says_so(home):
    done = call(home, "status", SERVICES_FROM="native", SERVICES_PORT_OFFSET="20000")

    assert done.returncode == 1
    assert done.stdout.count("not started") == 4


@pytest.mark.system
def test_status_does_not_take_the_service_of_another_clone_for_its_own(home):
    native, other = {"SERVICES_FROM": "native"}, home / "other"
    offset = free_offset()
    ours = {**native, "SERVICES_PORT_OFFSET": str(offset)}
    theirs = {**native, "SERVICES_PORT_OFFSET": str(offset + 10)}
    try:
        for folder, variables in ((home, ours), (other, theirs)):
            done = call(folder, "up", "--only", "cache", **variables)
            assert done.returncode == 0, done.stderr
        assert call(home, "status", **ours).returncode == 0
        mistaken = call(home, "status", **theirs)
        assert mistaken.returncode == 1
        assert "set SERVICES_PORT_OFFSET" in mistaken.stdout + mistaken.stderr
    finally:
        for folder, variables in ((home, ours), (other, theirs)):
            call(folder, "down", **variables)


def test_down_where_nothing_was_started_succeeds(home):
    assert call(home, "down").returncode == 0


def test_remove_leaves_what_is_not_ours(home):
    (home / "search" / "node-0").mkdir(parents=True)
    (home / "letter.txt").touch()

    assert call(home, "down", "--remove").returncode == 0
    assert [entry.name for entry in home.iterdir()] == ["letter.txt"]


@pytest.fixture
def in_memory(tmp_path, monkeypatch):
    """Return a file system that takes the place of the one in memory."""
    monkeypatch.setattr(memory, "FILE_SYSTEM", tmp_path)
    monkeypatch.setattr(memory, "LEAST", 0)
    return tmp_path


def test_data_is_on_the_disk_unless_memory_is_requested(home, in_memory):
    assert memory.choose_data("", home) == (home, "")
    data, note = memory.choose_data("memory", home)
    assert (data.parent, note) == (in_memory, "")


def test_data_stays_where_it_is_when_nothing_is_requested(home, in_memory):
    data, _ = memory.choose_data("memory", home)
    data.mkdir()
    assert memory.choose_data("", home) == (data, "")
    assert memory.choose_data("disk", home) == (home, "")


def test_data_is_on_the_disk_where_memory_is_scarce(home, in_memory, monkeypatch):
    monkeypatch.setattr(memory, "LEAST", 1 << 60)
    data, note = memory.choose_data("memory", home)
    assert data == home
    assert f"so data is stored in {home}" in note


def test_a_folder_in_memory_that_is_a_link_is_refused(home, in_memory):
    memory.folder_in_memory(home).symlink_to(home)
    with pytest.raises(ServicesError, match="belongs to another user"):
        memory.choose_data("memory", home)


@pytest.mark.system
def test_a_broker_in_memory_outlives_a_kill_and_is_removed_when_it_is_stopped(home):
    offset = free_offset()
    variables = {"SERVICES_FROM": "native", "SERVICES_PORT_OFFSET": str(offset)}
    folder = memory.folder_in_memory(home)
    broker = f"amqp://guest:guest@localhost:{QUEUE + offset}/"

    def messages():
        confirmed = {"confirm_publish": True}  # so that it is stored before the kill
        with Connection(f"{broker}gw1", transport_options=confirmed) as connection:
            queue = connection.SimpleQueue("letters")
            queue.put("one more", delivery_mode="persistent")
            return queue.qsize()

    try:
        done = call(home, "up", "--only", "queue", SERVICES_DATA="memory", **variables)
        assert done.returncode == 0, done.stderr
        assert messages() == 1
        assert list(folder.glob("queue/data/*"))
        for action in ("kill", "start"):
            done = call(home, "queue", action, **variables)
            assert done.returncode == 0, done.stderr
        assert messages() == 2
    finally:
        call(home, "down", **variables)
    assert not folder.exists()


def test_a_jar_that_is_another_one_is_refused(tmp_path):
    jar = opensearch_layout.read_lock(OPENSEARCH_VERSION)[0]
    file = tmp_path / jar.path
    file.parent.mkdir(parents=True)
    file.write_bytes(b"something else")

    with pytest.raises(ServicesError, match="is not the jar"):
        opensearch_layout.verify([jar], tmp_path)


def test_the_jars_of_another_version_are_not_replaced(tmp_path):
    (tmp_path / "lib").mkdir()
    jar = tmp_path / "lib" / "opensearch-2.1.0.jar"
    jar.touch()

    with pytest.raises(ServicesError, match=r"contains opensearch-2\.1\.0\.jar"):
        opensearch_layout.lay_out(tmp_path, OPENSEARCH_VERSION, print)
    assert jar.exists()


@pytest.mark.parametrize("version", OPENSEARCH_VERSIONS)
def test_every_module_of_opensearch_has_its_jars_in_the_lock_file(version):
    folders = {jar.folder for jar in opensearch_layout.read_lock(version)}
    modules = {f"modules/{module.name}" for module in opensearch_layout.MODULES}

    assert folders == modules | {"lib"}


def test_a_process_file_of_a_process_that_died_is_not_taken_for_another(tmp_path):
    file = tmp_path / "process"
    started = processes.started_at(os.getpid())

    file.write_text(f"{os.getpid()} {started}")
    assert processes.running(file) == processes.Process(os.getpid(), started)
    file.write_text(f"{os.getpid()} {started - 1}")
    assert processes.running(file) is None


@pytest.mark.system
@pytest.mark.cluster
def test_a_cluster_of_three_survives_the_loss_of_a_node(home):
    jars = shared_jars()
    offset = free_offset()
    variables = {
        "SERVICES_FROM": "native",
        "SERVICES_PORT_OFFSET": str(offset),
        "SERVICES_OPENSEARCH_HEAP": "384m",
        "SERVICES_OPENSEARCH_JAVA_OPTS": QUICK_START,
        "SERVICES_TIMEOUT": "300",
    }
    if jars:
        variables["SERVICES_OPENSEARCH_DIST"] = jars

    def has_nodes(number):
        query = f"wait_for_nodes={number}&timeout=60s"
        url = f"http://localhost:{HTTP + offset + 1}/_cluster/health?{query}"
        with urllib.request.urlopen(url, timeout=90) as answer:
            return json.load(answer)["number_of_nodes"] == number

    try:
        done = call(home, "up", "--only", "search", "--nodes", "3", **variables)
        assert done.returncode == 0, done.stderr
        assert has_nodes(3)
        assert call(home, "node", "kill", "0", **variables).returncode == 0
        assert has_nodes(2)
        assert call(home, "node", "start", "0", **variables).returncode == 0
        assert has_nodes(3)
    finally:
        call(home, "down", "--remove", **variables)
