"""Workers of the KCL for Java and of `rheos kcl` in one application: they balance, outlive each other's deaths, and hand leases over in both
directions, whoever leads."""

import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import application
from harness import REGION, ROOT_KEY, clean_environment, program
from jvm import Event, Host, serve
from programs import SOURCES
from reading import wait_active
from test_kcl import NEWEST
from test_kcl_daemon import kclpy

SHARDS = 8
# As QUICK of the workers for Java.
QUICK = {
    "failoverTimeMillis": 3000,
    "leaseAssignmentIntervalMillis": 1000,
    "workerMetricsReporterFreqInMillis": 2000,
    "parentShardPollIntervalMillis": 500,
    "shardSyncIntervalMillis": 1000,
    "taskBackoffTimeMillis": 200,
    "idleTimeBetweenReadsInMillis": 250,
    "retrievalMode": "POLLING",
}


class Rust:
    """A worker of `rheos kcl` with kclpy; to a test it is what `jvm.Worker` is."""

    def __init__(self, name, directory, endpoint, stream, application):
        self.name, self.out, self.log = name, directory / f"{name}.out", directory / f"{name}.log"
        self.out.touch()
        self.was_killed = self.has_stopped = False
        properties = directory / f"{name}.properties"
        lines = QUICK | {
            "executableName": f"{sys.executable} {SOURCES / 'kcl-python' / 'worker.py'}",
            "streamName": stream,
            "applicationName": application,
            "workerId": name,
            "initialPositionInStream": "TRIM_HORIZON",
            "regionName": REGION,
            "kinesisEndpoint": endpoint,
            "dynamoDBEndpoint": endpoint,
        }
        properties.write_text("".join(f"{key} = {value}\n" for key, value in lines.items()))
        environment = clean_environment() | {
            "AWS_ACCESS_KEY_ID": ROOT_KEY[0],
            "AWS_SECRET_ACCESS_KEY": ROOT_KEY[1],
            "PYTHONPATH": str(kclpy()),
            "WORKER_OUT": str(self.out),
            "WORKER_NAME": name,
            "WORKER_STREAM": stream,
        }
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [program(), "kcl", "--properties-file", str(properties)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )

    @property
    def events(self):
        # What was cut by a process's death was not told.
        return [Event.of(line.split("\t")) for line in self.out.read_text().split("\n")[:-1]]

    def records(self):
        return [event for event in self.events if event.kind == "record"]

    @property
    def data(self):
        return {event.data for event in self.records()}

    def kill(self):
        self.was_killed = True
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=90) == 0, self.log.read_text(errors="replace")[-4000:]
        self.has_stopped = True

    def story(self):
        return self.log.read_text(errors="replace")[-3000:]


class Fleet:
    """The workers of the application, and a trickle of records, so that leases have a weight."""

    def __init__(self, server, directory):
        self.server, self.directory = server, directory
        self.kinesis, self.tables = server.boto3(), server.boto3("dynamodb")
        self.hosts, self.workers, self.written, self.stopped = {}, {}, set(), threading.Event()
        self.kinesis.create_stream(StreamName="words", ShardCount=SHARDS)
        wait_active(self.kinesis, "words")
        self.trickle = threading.Thread(target=self.write, daemon=True)
        self.trickle.start()

    def write(self):
        kinesis, number = self.server.boto3(), 0
        while not self.stopped.wait(0.05):
            text = f"word-{number:06}"
            kinesis.put_record(StreamName="words", PartitionKey=text, Data=text.encode())
            self.written.add(text)
            number += 1

    def java(self, name, **settings):
        self.hosts[name] = Host(NEWEST, self.directory / f"{name}.log")
        self.workers[name] = self.hosts[name].start(name, self.server.endpoint, "words", "mixed", **settings)

    def rust(self, name):
        self.workers[name] = Rust(name, self.directory, self.server.endpoint, "words", "mixed")

    def measures(self, name):
        """What a worker says of its processors: the figures, and how much of them it may use."""
        row = next((row for row in self.rows() if row["leaseKey"]["S"] == name), {})
        figures = [row.get(part, {"M": {}})["M"].get("C", {"L": []})["L"] for part in ("sts", "opr")]
        return tuple([float(figure["N"]) for figure in each] for each in figures)

    def kill(self, name):
        (self.hosts.get(name) or self.workers[name]).kill()

    def rows(self):
        try:
            return self.tables.scan(TableName="mixed", ConsistentRead=True)["Items"]
        except self.tables.exceptions.ResourceNotFoundException:
            return []

    def leases(self):
        """How many shards each worker processes, and what the leader's row says."""
        rows = self.rows()
        leases = [row for row in rows if row.get("entityType", {"S": "LEASE"})["S"] == "LEASE"]
        owners = [(row.get("checkpointOwner") or row.get("leaseOwner") or {"S": "nobody"})["S"] for row in leases]
        leader = [row["ownerName"]["S"] for row in rows if row["leaseKey"]["S"] == "Leader"]
        return Counter(owners), (leader or [None])[0]

    def until(self, holds, what):
        deadline = time.monotonic() + 180
        while not holds():
            if time.monotonic() > deadline:
                story = "".join(f"\n--- {name}\n{worker.story()}" for name, worker in self.workers.items() if isinstance(worker, Rust))
                raise AssertionError(f"not in 180 s: {what}; {self.leases()}{story}")
            time.sleep(0.2)

    def until_shared(self, *names):
        """Each of these has a fair share, and nobody else has anything."""
        fair = SHARDS // len(names)

        def is_shared():
            owners, _ = self.leases()
            return set(owners) == set(names) and sum(owners.values()) == SHARDS and max(owners.values()) - min(owners.values()) <= max(1, fair - 1)

        self.until(is_shared, f"shards for {names}")

    def until_read(self):
        """What has been written by now is processed."""
        written = set(self.written)
        self.until(lambda: set().union(*(worker.data for worker in self.workers.values())) >= written, "records")

    def end(self):
        self.stopped.set()
        self.trickle.join()

    def close(self):
        self.end()
        for host in self.hosts.values():
            host.kill()
        for worker in self.workers.values():
            if isinstance(worker, Rust) and worker.process.poll() is None:
                worker.kill()
        self.server.stop()


def handed_over(fleet, old, new):
    """The shards that one worker has handed over and the other has begun after that."""
    over = {event.shard: event.at_ns for event in fleet.workers[old].events if event.kind == "handed over"}
    begun = [event for event in fleet.workers[new].events if event.kind == "begin"]
    return {event.shard for event in begun if event.at_ns > over.get(event.shard, event.at_ns)}


def test_java_and_rust_share_an_application(tmp_path):
    server = serve(tmp_path, "--limits", "open", "--transition-ms", "20")
    fleet = Fleet(server, tmp_path)
    try:
        fleet.java("java-1")
        fleet.rust("rust-1")
        # Two workers for Java that begin an application at one moment may stand in each other's way for good.
        fleet.until(lambda: any(row.get("cv") == {"S": "CLIENT_VERSION_3X"} for row in fleet.rows()), "the first worker for Java to have begun")
        fleet.java("java-2")
        fleet.rust("rust-2")
        fleet.until_shared("java-1", "java-2", "rust-1", "rust-2")
        fleet.until_read()
        # A death of either kind.
        fleet.kill("java-1")
        fleet.until_shared("java-2", "rust-1", "rust-2")
        fleet.kill("rust-1")
        fleet.until_shared("java-2", "rust-2")
        fleet.until_read()
        # A worker for Java that stops leaves everything to Rust, which then leads, and gives a new one its share.
        fleet.workers["java-2"].stop()
        fleet.until_shared("rust-2")
        fleet.until(lambda: fleet.leases()[1] == "rust-2", "a leader")
        fleet.java("java-3")
        fleet.until_shared("rust-2", "java-3")
        fleet.until(lambda: handed_over(fleet, "rust-2", "java-3"), "a hand-over from Rust to Java")
        # And the other way round.
        fleet.workers["rust-2"].stop()
        fleet.until_shared("java-3")
        fleet.until(lambda: fleet.leases()[1] == "java-3", "a leader")
        fleet.rust("rust-3")
        fleet.until_shared("rust-3", "java-3")
        fleet.until(lambda: handed_over(fleet, "java-3", "rust-3"), "a hand-over from Java to Rust")
        fleet.end()
        fleet.until_read()
        fleet.workers["rust-3"].stop()
        fleet.workers["java-3"].stop()
        again = application.check(fleet.kinesis, "words", application.contents(server, "words"), list(fleet.workers.values()))
        print(f"{len(fleet.written)} records, {again} came again")
    finally:
        fleet.close()


def test_a_rust_worker_measures_its_processors_where_the_others_do(tmp_path):
    """The leader is one for Java: what it takes of the rows its log says."""
    fleet = Fleet(serve(tmp_path, "--limits", "open", "--transition-ms", "20"), tmp_path)
    try:
        fleet.java("java-1", **{"lease.workerUtilizationAwareAssignmentConfig.workerMetricList": "linux.LinuxCpuWorkerMetric"})
        fleet.until(lambda: fleet.measures("java-1")[0], "figures of Java")
        fleet.until(lambda: fleet.leases()[1] == "java-1", "a leader")
        fleet.rust("rust-1")
        fleet.until(lambda: len(fleet.measures("rust-1")[0]) >= 2, "figures of Rust")
        figures, limits = fleet.measures("rust-1")
        assert all(0 <= figure <= 100 for figure in figures) and limits == [100] == fleet.measures("java-1")[1], (figures, limits)
        log, begun = fleet.hosts["java-1"].jvm.log, len(fleet.hosts["java-1"].jvm.log.read_text())

        def taken():
            lines = log.read_text()[begun:].splitlines()
            return {line.rpartition(": ")[2] for line in lines if "Total active WorkerMetricStats (excluding failing)" in line}

        fleet.until(lambda: "2" in taken(), "both workers among those that the leader counts")
        assert "invalid entries: [rust-1]" not in log.read_text()
        # Without the others it says nothing of the kind any more.
        fleet.kill("java-1")
        fleet.until(lambda: fleet.measures("rust-1") == ([], []), "a row without figures")
    finally:
        fleet.close()
