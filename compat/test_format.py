"""The format on disk, as docs/format.md draws it: a reader that knows nothing else finds exactly what was acknowledged."""

import json
import os
import re
import shutil
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

import format_reader
from harness import ACCOUNT, REGION, ROOT_KEY, Server, clean_environment, program
from reading import put, shards, wait_active

KEY = "alias/aws/kinesis"
OTHER_KEY = "alias/other"
SMALL_DISK = "37m"

# What the document draws and no test here can bring about.
NOT_SEEN = {
    "change 6: trim": "records live for a day at least",
    "retired-floor": "a deleted stream is remembered for an hour",
    "UNFINISHED of a repair": "a repair does not stop half way by itself",
    "spare and fresh": "files have these names for a moment",
    "positions passed over in LOST": "only a batch that is lost as a whole leaves some",
}
SEEN = {f"change {kind}: {what}" for kind, what in format_reader.CHANGES.items()} - NOT_SEEN.keys() | {
    "manifest",
    "manifest without a root",
    "root of format 1",
    "root of format 2",
    "log file",
    "zeros behind the last batch",
    "batches of an earlier life",
    "batch",
    "closing batch",
    "record",
    "record without a partition key",
    "sealed record",
    "segment",
    "run of a segment",
    "index of more than one entry",
    "snapshot",
    "file of a backup",
}

# The names that the document gives to the files of a data directory.
NAMES = re.compile(
    r"LOCK|MANIFEST|LOST|root-credentials\.json|encryption-key\.json|dev-ca\.pem|dev-ca-key\.pem|repaired-[^/]+/.+"
    r"|log/([0-9a-f]{16}\.log|spare|fresh)|objects/[0-9a-f]{16}\.(segment|snapshot)(\.tmp)?"
)


class History:
    """What a server acknowledged: records (key, data; no key is None) by stream, shard and sequence number."""

    def __init__(self, kinesis):
        self.kinesis, self.acknowledged = kinesis, {}

    def put(self, stream, records):
        if records[0][0] is None:
            answer = self.kinesis.put_records(StreamName=stream, Records=[{"Data": data} for _, data in records])
            assert answer["FailedRecordCount"] == 0, answer
            places = [(entry["ShardId"], entry["SequenceNumber"]) for entry in answer["Records"]]
        else:
            places = put(self.kinesis, stream, records)
        self.acknowledged |= {(stream, *place): record for place, record in zip(places, records)}


def make(kinesis, stream, count, **members):
    kinesis.create_stream(StreamName=stream, ShardCount=count, **members)
    wait_active(kinesis, stream)
    return kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]


def numbered(count, what, size=0):
    return [(f"{what}-{i}", b"%s %d " % (what.encode(), i) + os.urandom(size)) for i in range(count)]


def run(*words, code=0):
    done = subprocess.run([program(), *map(str, words)], capture_output=True, text=True, env=clean_environment(), timeout=60)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout


def wait_for(what, patience_s=30):
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not after {patience_s} s")


@dataclass
class Written:
    data: Path
    first_manifest: bytes
    acknowledged: dict
    shards: dict  # of each stream, as the API tells them
    backup: Path
    before_backup: dict  # what had been acknowledged then


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """What a server leaves that was killed twice, and a backup that was taken in between."""
    server = Server(tmp_path_factory.mktemp("format"), "--limits", "open", "--dev-tls")
    try:
        yield write(server)
    finally:
        server.kill()


def write(server):
    kinesis, first_manifest = server.boto3(), (server.data / "MANIFEST").read_bytes()
    history = History(kinesis)
    arn = make(kinesis, "orders", 2, Tags={"kept": "yes", "größe": "ünïcode"})
    history.put("orders", numbered(300, "first"))
    kinesis.split_shard(StreamName="orders", ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**126))
    wait_active(kinesis, "orders")
    history.put("orders", numbered(100, "split"))
    merged = {"ShardToMerge": "shardId-000000000002", "AdjacentShardToMerge": "shardId-000000000003"}
    kinesis.merge_shards(StreamName="orders", **merged)
    wait_active(kinesis, "orders")
    kinesis.increase_stream_retention_period(StreamName="orders", RetentionPeriodHours=72)
    kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="reader")
    wait_active(kinesis, "orders")

    make(kinesis, "secret", 1)
    history.put("secret", numbered(5, "plain"))
    for key in [KEY, OTHER_KEY]:
        kinesis.start_stream_encryption(StreamName="secret", EncryptionType="KMS", KeyId=key)
        wait_active(kinesis, "secret")
        history.put("secret", numbered(10, key) + [("no data", b"")])

    arn = make(kinesis, "spread", 1)
    kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    wait_active(kinesis, "spread")
    kinesis.update_stream_record_distribution_strategy(StreamARN=arn, RecordDistributionStrategy="AUTO")
    wait_active(kinesis, "spread")
    history.put("spread", [(None, b"without a key")] * 20)
    kinesis.update_account_settings(MinimumThroughputBillingCommitment={"Status": "ENABLED"})

    make(kinesis, "gone", 1)
    put(kinesis, "gone", numbered(3, "gone"))
    kinesis.delete_stream(StreamName="gone")

    # Blocks that become several in a segment, and enough of them for the file of the log.
    for _ in range(12):
        history.put("orders", numbered(10, "filling", 40_000))
    wait_for(lambda: b'"segments":["' in (server.data / "MANIFEST").read_bytes())
    history.put("orders", numbered(50, "behind"))
    server.kill()

    server.start()
    kinesis = history.kinesis = server.boto3()
    history.put("orders", numbered(100, "second life"))
    before_backup = dict(history.acknowledged)
    backup = server.directory / "backup"
    run("backup", server.data, backup)
    history.put("orders", numbered(100, "behind the backup"))
    history.put("secret", numbered(10, "behind the backup"))
    described = {stream: shards(kinesis, stream) for stream in ["orders", "secret", "spread"]}
    server.kill()
    return Written(server.data, first_manifest, history.acknowledged, described, backup, before_backup)


@pytest.fixture(scope="module")
def directory(written):
    return format_reader.Directory(written.data)


@pytest.fixture(scope="module")
def backup(written):
    return format_reader.Backup(written.backup)


@pytest.fixture(scope="module")
def restored(written, tmp_path_factory):
    path = tmp_path_factory.mktemp("restored") / "data"
    run("restore", written.backup, path)
    return format_reader.Directory(path)


@pytest.fixture(scope="module")
def reused(tmp_path_factory):
    """What a server leaves whose disk is small and that was written to for long: log files were used again."""
    home = tmp_path_factory.mktemp("reused")
    data, script = home / "data", home / "rheos"
    data.mkdir()
    mount = f"mount -t tmpfs -o size={SMALL_DISK},mode=700 tmpfs '{data}'"
    probe = subprocess.run(["unshare", "-Urm", "sh", "-c", mount], stdin=subprocess.DEVNULL, capture_output=True)
    if probe.returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here (`unshare -Urm`)")
    # The server is the only process that sees the disk, which stays for as long as somebody has it open.
    script.write_text(f"#!/bin/sh\nexec unshare -Urm sh -c \"{mount}\"' && exec \"$@\"' sh '{program()}' \"$@\"\n")
    script.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RHEOS_BIN", str(script))
        server = Server(home, "--limits", "open", "--memory", "128MiB", key=ROOT_KEY)
    disk = os.open(f"/proc/{server.process.pid}/root{data}", os.O_RDONLY)
    try:
        acknowledged = fill_files(server.boto3(), Path(f"/proc/self/fd/{disk}/MANIFEST"))
        server.kill()
        shutil.copytree(f"/proc/self/fd/{disk}", home / "copied")
    finally:
        os.close(disk)
        server.kill()
    directory = format_reader.Directory(home / "copied")
    directory.acknowledged = acknowledged
    return directory


def fill_files(kinesis, manifest):
    """Fills one log file after the other with what is deleted again, and a little that stays, until segments are merged."""
    history = History(kinesis)
    make(kinesis, "quiet", 3)
    for i in range(60):
        history.put("quiet", numbered(20, f"round {i}"))
        filler = f"filler-{i}"
        make(kinesis, filler, 1)
        for _ in range(2):
            # Whether it was too much for the disk just then does not matter.
            kinesis.put_records(StreamName=filler, Records=[{"PartitionKey": "k", "Data": bytes(600_000)}] * 3)
        kinesis.delete_stream(StreamName=filler)
        if b'"format":2' in manifest.read_bytes():
            break
    else:
        raise AssertionError("no segments were merged")
    history.put("quiet", numbered(20, "behind"))
    return history.acknowledged


def of_sequence_number(number):
    """Create second, shard, position and arrival second of a record's sequence number."""
    digits = f"{int(number):047x}"
    fields = [(0, 1), (1, 10), (10, 11), (11, 27), (27, 29), (29, 38), (38, 46), (46, 47)]
    two, created, low, index, zero, arrived, shard, version = (int(digits[begin:end], 16) for begin, end in fields)
    assert (two, zero, version) == (2, 0, 2) and low == shard & 15
    return created, shard, index - 1, arrived


class Catalog:
    def __init__(self, state):
        self.values = {key: value if key == "token-key" else json.loads(value) for key, (_, value) in state.keys.items()}

    def stream(self, name):
        return self.values[f"stream/{ACCOUNT}/{REGION}/{name}"]

    def shard(self, name, number):
        return self.values[f"shard/{self.stream(name)['uid']:016x}/{number:010}"]


def check_records(found, state, acknowledged, root_key=None):
    """What was found is what was acknowledged: where its sequence number says, and as it was written."""
    catalog, wanted, data_keys = Catalog(state), {}, {}
    for (stream, shard_id, number), (key, data) in acknowledged.items():
        created, shard, position, arrived = of_sequence_number(number)
        assert f"shardId-{shard:012}" == shard_id
        stored = catalog.shard(stream, shard)
        assert stored["created_s"] == created
        record = wanted[stored["key"], position] = found[stored["key"], position]
        plain = record.data
        if record.sealed:
            which = stream, int.from_bytes(record.data[:4], "little")
            if which not in data_keys:
                data_keys[which] = data_key(catalog.stream(stream), *which, root_key)
            plain = format_reader.open_record(record, data_keys[which], which[1], arn(stream), shard)
        assert (record.key, plain, record.time_ms // 1000) == (key, data, arrived)
    assert wanted == {place: record for place, record in found.items() if place[0] in state.shards}
    counts = Counter(shard for shard, _ in wanted)
    assert all(counts[shard] == known.next - known.first for shard, known in state.shards.items())


def arn(stream):
    return f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{stream}"


def data_key(stored, stream, number, root_key):
    [key] = [key for key in stored["encryption"]["keys"] if key["number"] == number]
    return root_key.unwrap(key["wrapped"], arn(stream), stored["uid"], number, key["key_id"])


def root_key(directory):
    return format_reader.RootKey(directory.path / "encryption-key.json")


def test_the_records_are_those_that_were_acknowledged(directory, written):
    check_records(directory.records(), directory.state(), written.acknowledged, root_key(directory))
    kinds = Counter(record.sealed for record in directory.records().values())
    assert kinds[True] >= 32 and kinds[False] > 600
    assert {record.key for record in directory.records().values()} >= {None, "no data"}


def test_what_segments_have_is_what_the_log_had(directory):
    in_segments, in_log = {}, {}
    for block in [block for blocks in directory.segments.values() for block in blocks]:
        in_segments |= block.placed()
    for block in [block for batch in directory.batches for block in batch.blocks]:
        in_log |= block.placed()
    both = in_segments.keys() & in_log.keys()
    assert len(both) > 400 and all(in_segments[place] == in_log[place] for place in both)


@pytest.mark.parametrize("which", ["directory", "restored", "reused"])
def test_every_snapshot_is_what_the_batches_make(which, request):
    opened = request.getfixturevalue(which)
    starts = list(opened.snapshots.values()) + [format_reader.State()] * (opened.batches[0].number == 1)
    assert len(starts) == 2, "two snapshots, or one and the whole log"
    first, second = [opened.state(start) for start in starts]
    assert first == second


def test_the_catalog(directory, written):
    state, catalog = directory.state(), Catalog(directory.state())
    kinds = Counter(key.split("/")[0] for key in catalog.values)
    assert kinds == {"stream": 3, "shard": 7, "consumer": 1, "account": 1, "retired": 1, "token-key": 1}
    assert len(catalog.values["token-key"]) == 32
    orders = catalog.stream("orders")
    assert (orders["status"], orders["mode"], orders["retention_hours"], orders["next_shard"]) == ("ACTIVE", "PROVISIONED", 72, 5)
    assert orders["tags"] == {"kept": "yes", "größe": "ünïcode"}
    assert catalog.values[f"consumer/{orders['uid']:016x}/reader"]["status"] == "ACTIVE"
    assert catalog.stream("spread")["distribution"] == "AUTO" and catalog.stream("spread")["mode"] == "ON_DEMAND"
    assert [key["key_id"] for key in catalog.stream("secret")["encryption"]["keys"]] == [KEY, OTHER_KEY]
    assert f"retired/{ACCOUNT}/{REGION}/gone" in catalog.values
    for stream, described in written.shards.items():
        for shard in described:
            number = int(shard["ShardId"].rpartition("-")[2])
            stored = catalog.shard(stream, number)
            known = state.shards[stored["key"]]
            ranges = shard["SequenceNumberRange"]
            hash_keys = shard["HashKeyRange"]
            assert stored["range"] == {"start": hash_keys["StartingHashKey"], "end": hash_keys["EndingHashKey"]}
            parents = [shard[which] for which in ("ParentShardId", "AdjacentParentShardId") if which in shard]
            assert [f"shardId-{parent:012}" for parent in stored["parents"]] == parents
            assert of_sequence_number(ranges["StartingSequenceNumber"]) == (stored["created_s"], number, -1, stored["created_s"])
            assert known.closed == ("EndingSequenceNumber" in ranges) == (stored["closed"] is not None)
            if not known.closed:
                assert known.retention == catalog.stream(stream)["retention_hours"]
            else:
                _, _, end, _ = of_sequence_number(ranges["EndingSequenceNumber"])
                assert end == 2**63 - 2


@pytest.mark.parametrize("which", ["directory", "restored", "reused"])
def test_names_of_files(which, request):
    path = request.getfixturevalue(which).path
    names = [str(file.relative_to(path)) for file in path.rglob("*") if not file.is_dir()]
    assert [name for name in names if not NAMES.fullmatch(name)] == []


def test_files_that_were_used_again(reused):
    assert reused.batches[0].number > 1 and reused.root["format"] == 2
    check_records(reused.records(), reused.state(), reused.acknowledged)


def test_a_backup(backup, written):
    key = format_reader.RootKey(backup.path / "log/1.encryption-key.json")
    check_records(backup.records(), backup.state(), written.before_backup, key)


def test_a_restored_directory(backup, restored, written):
    check_records(restored.records(), restored.state(), written.before_backup, root_key(restored))
    assert restored.log_id != bytes.fromhex(backup.listed["log_id"])[::-1]
    assert restored.listed["generation"] == backup.listed["generation"] + 1
    again = lambda batch: (batch.number, batch.time_ms, batch.durable_upto, batch.changes, batch.blocks)
    assert [again(batch) for batch in restored.batches[:-1]] == [again(batch) for batch in backup.batches]
    last = restored.batches[-1]
    assert again(last) == (backup.listed["last_batch"] + 1, backup.listed["last_ms"], backup.listed["last_batch"], [], [])


def test_an_unfinished_restore(written, tmp_path):
    damaged, target = tmp_path / "backup", tmp_path / "data"
    shutil.copytree(written.backup, damaged)
    [batches] = (damaged / "log").glob("*.batches")
    flip(batches, batches.stat().st_size // 2)
    run("restore", damaged, target, code=1)
    assert (target / "UNFINISHED").read_text() == "restore"


def test_an_unfinished_batch(directory, tmp_path):
    torn, last = tmp_path / "data", directory.batches[-1]
    shutil.copytree(directory.path, torn)
    flip(torn / "log" / f"{last.file_id:016x}.log", last.offset + 128)
    opened = format_reader.Directory(torn)
    assert opened.seen["unfinished batch"] == 1
    assert opened.batches == directory.batches[:-1]
    assert json.loads(run("log", "check", "--data-dir", torn))["torn"]


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        [byte] = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 0x55]))


def test_a_repaired_directory(directory, written, tmp_path):
    damaged = tmp_path / "data"
    shutil.copytree(directory.path, damaged)
    # Of both open shards of the stream there are records before and behind.
    behind = [batch for batch in directory.batches if batch.number > directory.flushed_upto]
    batch = [batch for batch in behind if len(batch.blocks) == 2 and not batch.changes][1]
    block, offset = batch.blocks[0], batch.offset + 128 + 40 * len(batch.blocks) + 3
    flip(damaged / "log" / f"{batch.file_id:016x}.log", offset)
    with pytest.raises(format_reader.FormatError, match="the CRC of the records of .* a batch behind the end"):
        format_reader.Directory(damaged)
    run("log", "check", "--data-dir", damaged, code=1)
    run("log", "repair", "--yes", "--data-dir", damaged)

    [lost] = json.loads((damaged / "LOST").read_text())
    assert set(lost) == {"shard", "first", "next", "after_ms", "before_ms", "passed_over"} and not lost["passed_over"]
    assert set(block.placed()) == {(lost["shard"], position) for position in range(lost["first"], lost["next"])}
    assert 0 < lost["after_ms"] <= batch.time_ms <= lost["before_ms"]
    [aside] = damaged.glob("repaired-*")
    assert {path.name for path in aside.iterdir()} >= {"MANIFEST", "log"}
    repaired, wanted = format_reader.Directory(damaged), directory.records()
    assert repaired.seen["run behind a gap"] == 1
    for place in block.placed():
        del wanted[place]
    state, before = repaired.state(), directory.state()
    assert (state.keys, state.shards, state.version, state.free_shard) == (before.keys, before.shards, before.version, before.free_shard)
    assert repaired.records() == wanted


def test_everything_that_the_document_draws_was_there(directory, backup, restored, reused, written):
    decoder = format_reader.Decoder()
    decoder.manifest(written.first_manifest)
    seen = directory.seen + backup.seen + restored.seen + reused.seen + decoder.seen
    assert set(seen) == SEEN
