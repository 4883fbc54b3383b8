"""The Kinesis Client Library for Java, unmodified, in three major versions: workers that have their leases, their metrics and
their records from one server."""

import threading

import pytest

import application
from jvm import Host, serve
from reading import put, read_shard, wait_active
from test_reshards import merge, split

AREA = "consumer applications"
NEWEST = "3.5.1"


def client_of(parameters):
    """Whose row of the table a test is for."""
    return f"KCL {parameters.get('version', NEWEST)}"


pytestmark = pytest.mark.at_once
hosts, starting = {}, threading.Lock()


@pytest.fixture(scope="module", autouse=True)
def one_process_for_each_version():
    yield
    while hosts:
        hosts.popitem()[1].kill()


def host(version, directory):
    """The process for workers on a version, which tests share."""
    with starting:
        if version not in hosts:
            hosts[version] = Host(version, directory.parent / f"kcl-{version}.log")
        return hosts[version]


def texts(word, count):
    return [f"{word}-{number:04}" for number in range(count)]


def write(kinesis, stream, words):
    put(kinesis, stream, [(word, word.encode()) for word in words])


def make(kinesis, stream, shards):
    kinesis.create_stream(StreamName=stream, ShardCount=shards)
    wait_active(kinesis, stream)


@pytest.mark.parametrize(
    "version,retrieval", [("1.15.3", "polling"), ("2.7.2", "polling"), ("2.7.2", "fan-out"), (NEWEST, "polling"), (NEWEST, "fan-out")]
)
def test_a_stream_is_read_from_its_beginning_through_a_split_and_a_merge(version, retrieval, tmp_path):
    server = serve(tmp_path, "--limits", "open", "--transition-ms", "20")
    try:
        kinesis, stream, name = server.boto3(), "orders", f"reads-{retrieval}"
        more = {} if version.startswith("1.") else {"retrieval": retrieval}
        workers = []

        def start(number):
            worker = host(version, tmp_path).start(f"{name}-{number}", server.endpoint, stream, name, **more)
            workers.append(worker)
            return worker

        make(kinesis, stream, 2)
        before = texts("before", 200)
        write(kinesis, stream, before)
        first = start(1)
        first.until(lambda: first.data >= set(before), "the records from before")
        split(kinesis, stream, "shardId-000000000000")
        after = texts("after", 100)
        write(kinesis, stream, after)
        first.until(lambda: first.data >= set(after), "the records from after the split")
        if version.startswith("3."):
            first.stop()
        else:
            # Before version 3 a worker that still has the lease of an ended shard, which it has for minutes, waits for its end in vain.
            first.halt()

        merge(kinesis, stream, "shardId-000000000002", "shardId-000000000003")
        later = texts("later", 50)
        write(kinesis, stream, later)
        second = start(2)
        second.until(lambda: second.data >= set(later), "the records from after the merge")
        application.check(kinesis, stream, application.contents(server, stream), workers)
        assert not set(before) & second.data, "it goes on where the first was"

        # What the library tells of itself.
        cloudwatch = server.boto3("cloudwatch")

        def told():
            names = {metric["MetricName"] for metric in cloudwatch.list_metrics(Namespace=name)["Metrics"]}
            return {"RecordsProcessed", "MillisBehindLatest"} <= names

        second.until(told, "metrics of the application")
        calls = {request["operation"] for request in server.admitted()}
        assert ("SubscribeToShard" in calls) == (retrieval == "fan-out"), calls
        second.halt()
    finally:
        server.stop()


def test_an_application_begins_where_it_is_told(tmp_path):
    server = serve(tmp_path, "--limits", "open", "--transition-ms", "20")
    try:
        kinesis, stream = server.boto3(), "positions"
        make(kinesis, stream, 1)
        old, middle = texts("old", 20), texts("middle", 20)
        write(kinesis, stream, old)
        at_ms = arrival(kinesis, stream) + 1
        # The clock has to move on, or the records after would have the time of those before.
        while kinesis.put_record(StreamName=stream, PartitionKey="clock", Data=b"clock") and arrival(kinesis, stream) < at_ms:
            pass
        write(kinesis, stream, middle)
        workers = {
            position: host(NEWEST, tmp_path).start(f"from-{position}", server.endpoint, stream, f"from-{position}", position=position)
            for position in ["TRIM_HORIZON", "LATEST", str(at_ms)]
        }
        begin, latest, timed = workers.values()
        begin.until(lambda: begin.data >= {*old, *middle}, "everything")
        timed.until(lambda: timed.data >= set(middle), "what came later")
        assert not timed.data & set(old)
        # What LATEST is, is when the worker asks for it; from the first that it gets on nothing may be missing.
        ticks = 0

        def seen():
            nonlocal ticks
            write(kinesis, stream, [f"tick-{ticks:06}"])
            ticks += 1
            return latest.data

        latest.until(seen, "a first record")
        latest.until(lambda: f"tick-{ticks - 1:06}" in latest.data, "the newest record")
        numbers = sorted(int(text.split("-")[1]) for text in latest.data)
        assert not latest.data & {*old, *middle} and numbers == list(range(numbers[0], ticks)), numbers
        for worker in workers.values():
            worker.stop()
    finally:
        server.stop()


def arrival(kinesis, stream):
    """When the newest record came, in milliseconds."""
    records, _ = read_shard(kinesis, stream, "shardId-000000000000")
    return round(records[-1]["ApproximateArrivalTimestamp"].timestamp() * 1000)


class Trickle:
    """Records that keep coming while a test does something else."""

    def __init__(self, kinesis, *streams):
        self.kinesis, self.streams = kinesis, streams
        self.written, self.over = [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.over.wait(0.05):
            number = len(self.written)
            words = [f"{number:06}-{part}" for part in range(8)]
            for stream in self.streams:
                write(self.kinesis, stream, words)
            self.written.append(words)

    def stop(self):
        """Everything that it wrote."""
        self.over.set()
        self.thread.join()
        return {word for words in self.written for word in words}


def test_leases_are_handed_over_without_repetition(tmp_path):
    server = serve(tmp_path, "--limits", "open", "--transition-ms", "20")
    try:
        kinesis, stream = server.boto3(), "handover"
        make(kinesis, stream, 4)
        jvm, trickle = host(NEWEST, tmp_path), Trickle(kinesis, stream)
        one = jvm.start("holder", server.endpoint, stream, "handover")
        one.until(lambda: len(one.shards("record")) == 4, "records of every shard")
        two = jvm.start("joiner", server.endpoint, stream, "handover")
        two.until(lambda: two.shards("record") & one.shards("handed over"), "a shard that the first handed over")
        # And back, when one of them leaves.
        two.stop()
        written = trickle.stop()
        one.until(lambda: one.data | two.data >= written, "all that was written")
        one.stop()
        again = application.check(kinesis, stream, application.contents(server, stream), [one, two])
        # On a machine that stood still for longer than a lease lasts it may have been lost after all.
        assert again == 0 or one.shards("lost") | two.shards("lost"), f"{again} records came again"
    finally:
        server.stop()


def test_an_application_of_two_streams(tmp_path):
    server = serve(tmp_path, "--limits", "open", "--transition-ms", "20")
    try:
        kinesis, streams, names = server.boto3(), ["left", "right"], []
        for stream in streams:
            make(kinesis, stream, 2)
            described = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
            account, created = described["StreamARN"].split(":")[4], int(described["StreamCreationTimestamp"].timestamp())
            names.append(f"{account}:{stream}:{created}")
            write(kinesis, stream, texts(f"{stream}-before", 100))
        worker = host(NEWEST, tmp_path).start("both", server.endpoint, ",".join(names), "multi-stream")
        wanted = {text for stream in streams for text in texts(f"{stream}-before", 100)}
        worker.until(lambda: worker.data >= wanted, "the records of both")
        split(kinesis, "left", "shardId-000000000001")
        write(kinesis, "left", texts("left-after", 100))
        worker.until(lambda: worker.data >= set(texts("left-after", 100)), "the records from after the split")
        worker.stop()
        found = {(record.stream, record.data) for record in worker.records()}
        assert all(data.startswith(stream) for stream, data in found), "each of its stream"
        assert len(worker.records()) == len(found) == 300 or worker.shards("lost"), "each once"
        rows = server.boto3("dynamodb").scan(TableName="multi-stream")["Items"]
        leases = [row for row in rows if row.get("entityType", {"S": "LEASE"})["S"] == "LEASE"]
        assert {row["streamName"]["S"] for row in leases} == set(names)
    finally:
        server.stop()


BOTH_VERSIONS = {"coordinator.clientVersionConfig": "CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X"}


def migration(server):
    """How far an application is on its way from version 2 to version 3."""
    key = {"leaseKey": {"S": "Migration3.0"}}
    return server.boto3("dynamodb").get_item(TableName="migration", Key=key, ConsistentRead=True)["Item"]["cv"]["S"]


def test_workers_of_version_2_are_replaced_by_those_of_version_3(tmp_path):
    """The first of the two deployments of a migration: workers of both versions side by side, then none of version 2."""
    server = serve(tmp_path, "--limits", "open", "--transition-ms", "20")
    try:
        kinesis, stream = server.boto3(), "migration"
        make(kinesis, stream, 4)
        trickle = Trickle(kinesis, stream)
        old, new = host("2.7.2", tmp_path), host(NEWEST, tmp_path)
        workers = [old.start(f"old-{number}", server.endpoint, stream, "migration") for number in (1, 2)]
        for worker in workers:
            worker.until(lambda: worker.shards("record"), "records")
        for number in (1, 2):
            worker = new.start(f"new-{number}", server.endpoint, stream, "migration", **BOTH_VERSIONS)
            workers.append(worker)
            worker.until(lambda: worker.shards("record"), "records beside the other version")
            workers[number - 1].stop()
        written = trickle.stop()
        worker.until(lambda: set().union(*(each.data for each in workers)) >= written, "all that was written")
        application.check(kinesis, stream, application.contents(server, stream), workers)
        assert migration(server) == "CLIENT_VERSION_UPGRADE_FROM_2X"
        for worker in workers[2:]:
            worker.stop()
    finally:
        server.stop()


@pytest.mark.long
def test_a_migration_to_version_3_comes_to_its_end(tmp_path):
    """The library wants ten minutes in which nothing changes before it changes how leases are assigned."""
    server = serve(tmp_path, "--limits", "open", "--transition-ms", "20")
    try:
        kinesis, stream = server.boto3(), "migration"
        make(kinesis, stream, 4)
        trickle = Trickle(kinesis, stream)
        old, new = host("2.7.2", tmp_path), host(NEWEST, tmp_path)
        workers = [old.start("last-of-2", server.endpoint, stream, "migration")]
        workers[0].until(lambda: workers[0].shards("record"), "records")
        for number in (1, 2):
            worker = new.start(f"of-both-{number}", server.endpoint, stream, "migration", **BOTH_VERSIONS)
            workers.append(worker)
            worker.until(lambda: worker.shards("record"), "records")
        workers[0].stop()
        worker.until(lambda: migration(server) == "CLIENT_VERSION_3X_WITH_ROLLBACK", "the new way to assign leases", 1200)
        # The second deployment.
        for number in (1, 2):
            workers[number].stop()
            workers.append(new.start(f"of-3-{number}", server.endpoint, stream, "migration"))
            workers[-1].until(lambda: workers[-1].shards("record"), "records")
        worker.until(lambda: migration(server) == "CLIENT_VERSION_3X", "the end of the migration")
        written = trickle.stop()
        workers[-1].until(lambda: set().union(*(each.data for each in workers)) >= written, "all that was written")
        application.check(kinesis, stream, application.contents(server, stream), workers)
        for worker in workers[3:]:
            worker.stop()
    finally:
        server.stop()
