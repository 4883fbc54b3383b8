"""Fixtures, and the table of what was exercised with which client."""

import concurrent.futures
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import boto3
import pytest

import jvm
import table
import test_aggregation
import test_fluent_bit
import test_kpl
import test_terraform
import test_tls
import test_vector
from harness import Server, clean_environment

for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ.update({name: value for name, value in clean_environment().items() if name.startswith("AWS_")})

results = defaultdict(lambda: defaultdict(list))
logs = []
at_once = {}


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A server without artificial limits, for tests that are not about them."""
    yield from running(Server(tmp_path_factory.mktemp("open"), "--limits", "open"))


@pytest.fixture(scope="session")
def strict(tmp_path_factory):
    """A server as it comes: with the limits of AWS."""
    yield from running(Server(tmp_path_factory.mktemp("aws"), "--stream", "ready:2"))


@pytest.fixture(scope="session")
def slow(tmp_path_factory):
    """A server whose streams stay long enough in a state to be seen there."""
    yield from running(Server(tmp_path_factory.mktemp("slow"), "--transition-ms", "1500"))


def running(server):
    logs.append(server)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def start_server():
    """Servers for one module, with flags of its own."""
    servers = []

    def start(directory, *flags):
        servers.append(Server(directory, *flags))
        logs.append(servers[-1])
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def own_server(tmp_path):
    """A server for one test, which may do to it what it likes."""
    servers = []

    def start(*flags):
        servers.append(Server(tmp_path, *flags))
        logs.append(servers[-1])
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture(scope="session")
def kinesis(server):
    return server.boto3()


@pytest.fixture
def name(request):
    """A stream name of this test's own."""
    return re.sub(r"[^a-zA-Z0-9_.-]", "-", request.node.name)[:128]


@pytest.fixture
def stream(kinesis, name):
    """Makes a stream and waits for it: `stream(shards)` gives its name."""

    def make(shards=1, **members):
        kinesis.create_stream(StreamName=name, ShardCount=shards, **members)
        kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
        return name

    return make


def pytest_configure(config):
    config.addinivalue_line("markers", "at_once: begins when the first of those that have this mark does; its arguments are parameters and tmp_path")
    config.addinivalue_line("markers", "long: takes many minutes, and runs if RHEOS_COMPAT_LONG is set")


def pytest_collection_modifyitems(config, items):
    left = [item for item in items if item.get_closest_marker("long") and not os.environ.get("RHEOS_COMPAT_LONG")]
    items[:] = [item for item in items if item not in left]
    config.hook.pytest_deselected(items=left)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Tests that wait far more than they work run at the same time."""
    if not pyfuncitem.get_closest_marker("at_once"):
        return None
    if not at_once:
        items = [item for item in pyfuncitem.session.items if item.get_closest_marker("at_once")]
        # Enough for all but the long ones, each of which is a fleet of its own.
        pool = concurrent.futures.ThreadPoolExecutor(12)
        for number, item in enumerate(items):
            directory = pyfuncitem.funcargs["tmp_path"].parent / f"at-once-{number}"
            directory.mkdir()
            parameters = item.callspec.params if hasattr(item, "callspec") else {}
            at_once[item.nodeid] = pool.submit(item.obj, tmp_path=directory, **parameters)
    at_once[pyfuncitem.nodeid].result()
    return True


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    # Programs report for themselves, thing by thing.
    run = None
    if hasattr(item.module, "CLIENT"):
        run = getattr(item.module, "PASS", item.module.CLIENT)
    elif hasattr(item.module, "client_of"):
        run = item.module.client_of(item.callspec.params if hasattr(item, "callspec") else {})
    if run and (report.when == "call" or report.outcome != "passed"):
        results[run][item.module.AREA].append(report.outcome == "passed")


def pytest_sessionfinish(session, exitstatus):
    path = os.environ.get("RHEOS_COMPAT_TABLE")
    if not path:
        return
    requests = [request for log in logs for request in log.admitted()]
    for run, (client, version, agent, tls) in PYTHON.items():
        mine = [request for request in requests if agent in request["agent"]]
        # Who adds its name to that of boto3 is not boto3.
        others = [name for _, _, name, _ in PYTHON.values() if name != agent and agent == "Boto3/"]
        mine = [request for request in mine if not any(name in request["agent"] for name in others)]
        if results[run]:
            row = table.Row(client, version, mine, tls)
            for area, outcomes in results[run].items():
                row.areas[area] += outcomes
            table.add(row)
    for run, (client, version, agent, tls) in JAVA.items():
        if results[run]:
            mine = [request for server in jvm.servers for request in server.admitted() if agent in request["agent"]]
            row = table.Row(client, version, mine, tls)
            for area, outcomes in results[run].items():
                row.areas[area] += outcomes
            table.add(row)
    table.write(path)


def cli_version():
    aws = Path(sys.executable).with_name("aws")
    text = subprocess.run([str(aws), "--version"], capture_output=True, text=True, env=clean_environment()).stdout
    return text.split("/")[1].split()[0]


# The passes that Python tests speak for: client, version, how it introduces itself to a server, and whether over TLS.
PYTHON = {
    "boto3": ("boto3", boto3.__version__, "Boto3/", False),
    test_tls.PASS: ("boto3", boto3.__version__, "over-tls", True),
    "AWS CLI": ("AWS CLI", cli_version(), "aws-cli/", False),
}
for module, agent, tls in [
    (test_aggregation, test_aggregation.CLIENT, False),
    (test_terraform, "terraform-provider-aws", False),
    (test_fluent_bit, test_fluent_bit.AGENT, True),
    (test_vector, test_vector.AGENT, False),
]:
    PYTHON[module.CLIENT] = (module.CLIENT, module.VERSION, agent, tls)

# The same of the libraries for Java. The KCL names itself to Kinesis alone, so its versions are told by that of their SDK.
JAVA = {
    "KCL 1.15.3": ("Kinesis Client Library for Java", "1.15.3", "aws-sdk-java/1.12.681 ", False),
    "KCL 2.7.2": ("Kinesis Client Library for Java", "2.7.2", "aws-sdk-java/2.33.0 ", False),
    "KCL 3.5.1": ("Kinesis Client Library for Java", "3.5.1", "aws-sdk-java/2.41.21 ", False),
    f"KPL {test_kpl.VERSION}": ("Kinesis Producer Library", test_kpl.VERSION, "KinesisProducerLibrary/", True),
}
