"""The Kinesis Client Library for Java, unmodified: a worker that has its leases, its metrics and its records from one server."""

import queue
import shutil
import subprocess
import threading
import time

import pytest

import programs
import table
from harness import REGION, ROOT_KEY, Server, clean_environment

AREA = "consumer applications"
# Each version, and how its first worker ends. Version 2 never ends gracefully while it holds the lease of a shard that has
# ended, which is until it cleans leases up minutes later: it waits for a processor that is gone. So it is killed.
VERSIONS = [("3.5.1", "gracefully"), ("2.7.2", "killed")]
WAIT_S = 90
NEEDS = {"java": "apt-get install default-jdk-headless", "mvn": "apt-get install maven"}


def build(version):
    """The class path of a worker on a version of the library. Registries are asked only for what is not there yet."""
    sources, folder = programs.SOURCES / "kcl", programs.cache(f"kcl-{version}")
    project = folder / "project"

    def work():
        shutil.rmtree(project, ignore_errors=True)
        shutil.copytree(sources, project)
        repository = programs.cache("java") / "repository"
        words = ["mvn", "--quiet", "--batch-mode", f"-Dmaven.repo.local={repository}", f"-Dkcl={version}", "prepare-package"]
        try:
            programs.execute(*words, "--offline", cwd=project)
        except AssertionError:
            programs.execute(*words, cwd=project)

    programs.once(sources, folder, work)
    return f"{project / 'target' / 'classes'}:{project / 'target' / 'lib' / '*'}"


class Worker:
    """A worker process. What it tells is kept in `told`."""

    def __init__(self, version, server, stream, worker, log, **more):
        given = {"endpoint": server.endpoint, "stream": stream, "application": f"app-{version}", "worker": worker} | more
        environment = clean_environment() | {
            "AWS_ACCESS_KEY_ID": ROOT_KEY[0], "AWS_SECRET_ACCESS_KEY": ROOT_KEY[1], "AWS_REGION": REGION,
        }  # fmt: skip
        java = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=info"]
        self.log = log
        self.process = subprocess.Popen(
            [*java, "-cp", build(version), "compat.Worker", *(f"{name}={value}" for name, value in given.items())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(log, "ab"), text=True, env=environment,
        )  # fmt: skip
        self.told, self.lines = [], queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n").split("\t"))
        self.lines.put(None)

    def until(self, is_enough, what):
        """Reads what the worker tells until it is enough."""
        deadline = time.monotonic() + WAIT_S
        while not is_enough(self.told):
            try:
                line = self.lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                line = None
            if line is None:
                end = self.log.read_text(errors="replace")[-6000:]
                raise AssertionError(f"not told in {WAIT_S} s: {what}; last: {self.told[-5:]}\n{end}")
            self.told.append(line)

    def data(self):
        return [line[5] for line in self.told if line[0] == "record"]

    def stop(self):
        """The worker checkpoints and gives its leases back."""
        self.process.stdin.close()
        self.until(lambda told: told[-1:] and told[-1][0] == "stopped", "a graceful end")
        self.process.wait(timeout=30)
        return self.told[-1][1] == "true"

    def kill(self):
        self.process.kill()
        self.process.wait()


def put(kinesis, stream, texts):
    for at in range(0, len(texts), 100):
        records = [{"Data": text.encode(), "PartitionKey": text} for text in texts[at : at + 100]]
        assert kinesis.put_records(StreamName=stream, Records=records)["FailedRecordCount"] == 0


def check_order(told):
    """Of each shard the sequence numbers rise."""
    last = {}
    for line in told:
        if line[0] == "record":
            at = (int(line[2]), int(line[3]))
            assert at > last.get(line[1], (-1, -1)), line
            last[line[1]] = at


@pytest.mark.parametrize("version,end", VERSIONS)
def test_a_worker_reads_a_stream_from_its_beginning_through_a_split(version, end, tmp_path):
    for tool, install in NEEDS.items():
        if shutil.which(tool) is None:
            table.absent("kcl", f"{tool} is not installed: `{install}`")
    server = Server(tmp_path, "--limits", "open", "--transition-ms", "20", key=ROOT_KEY)
    worker = None
    try:
        kinesis, stream = server.boto3(), "orders"
        kinesis.create_stream(StreamName=stream, ShardCount=2)
        kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
        before = [f"before-{n:03}" for n in range(200)]
        put(kinesis, stream, before)
        worker = Worker(version, server, stream, "one", tmp_path / "one.log")
        worker.until(lambda told: len(worker.data()) >= 200, "the records from before")

        parent = kinesis.list_shards(StreamName=stream)["Shards"][0]
        middle = str(int(parent["HashKeyRange"]["EndingHashKey"]) // 2)
        kinesis.split_shard(StreamName=stream, ShardToSplit=parent["ShardId"], NewStartingHashKey=middle)
        kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
        after = [f"after-{n:03}" for n in range(100)]
        put(kinesis, stream, after)
        worker.until(lambda told: len(worker.data()) >= 300, "the records from after the split")
        check_order(worker.told)
        assert sorted(worker.data()) == sorted(before + after), "each once, as nobody died"
        events = [tuple(line[:2]) for line in worker.told]
        children = [shard["ShardId"] for shard in kinesis.list_shards(StreamName=stream)["Shards"] if shard.get("ParentShardId")]
        assert len(children) == 2
        for child in children:
            assert events.index(("end", parent["ShardId"])) < events.index(("begin", child)), "parents before children"
        if end == "gracefully":
            assert worker.stop(), "leases were given back"
        else:
            worker.kill()

        later = [f"later-{n:03}" for n in range(50)]
        put(kinesis, stream, later)
        worker = Worker(version, server, stream, "two", tmp_path / "two.log")
        worker.until(lambda told: set(later) <= set(worker.data()), "the records from later")
        if end == "gracefully":
            assert sorted(worker.data()) == sorted(later), "it goes on where the first stopped"
        else:
            # The last batch may not have been checkpointed when the first died.
            assert not set(before) & set(worker.data()), "it goes on where the first was"

        # What the library tells of itself.
        cloudwatch = server.boto3("cloudwatch")
        names = {metric["MetricName"] for metric in cloudwatch.list_metrics(Namespace=f"app-{version}")["Metrics"]}
        assert "RecordsProcessed" in names and "MillisBehindLatest" in names, names
        puts = [request for request in server.admitted() if request["operation"] == "PutMetricData"]
        assert {request["protocol"] for request in puts} <= {"application/cbor", "text/xml", "application/x-amz-json-1.0"}, puts[:1]
        if end == "gracefully":
            assert worker.stop()
    finally:
        if worker and worker.process.poll() is None:
            worker.kill()
        server.stop()
