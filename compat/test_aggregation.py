"""Records that the Kinesis Producer Library would pack, with Amazon's own library for Python that packs and unpacks them."""

import base64
import importlib.metadata
import json
import subprocess

import pytest
from aws_kinesis_agg.aggregator import RecordAggregator
from aws_kinesis_agg.deaggregator import iter_deaggregate_records

from harness import REGION, clean_environment, program
from reading import hash_of, read_shard, shard_of, shards

CLIENT = "aws-kinesis-agg"
AREA = "aggregated records"
VERSION = importlib.metadata.version("aws-kinesis-agg")


def written(kinesis, name, records):
    """Packs the records, a batch for each call, and writes them under the hash key of the first as KPL does."""
    packer, full = RecordAggregator(50 * 1024), []
    packer.on_record_complete(full.append, execute_on_new_thread=False)
    for key, data in records:
        packer.add_user_record(key, data, str(hash_of(key)))
    full.append(packer.clear_and_get())
    entries = []
    for packed in full:
        key, hash_key, data = packed.get_contents()
        entries.append({"PartitionKey": key, "ExplicitHashKey": hash_key, "Data": data})
    answer = kinesis.put_records(StreamName=name, Records=entries)
    assert answer["FailedRecordCount"] == 0
    return [entry["ShardId"] for entry in answer["Records"]]


def unpacked(stored):
    """What was in the records. The library gives what it has unpacked in base64, and a plain record as it was."""
    for record in iter_deaggregate_records(stored, data_format="Boto3"):
        found = record["kinesis"]
        yield found["partitionKey"], base64.b64decode(found["data"]) if found.get("aggregated") else found["data"]


def test_packed_and_unpacked(server, stream):
    kinesis, name = server.boto3(user_agent_extra=CLIENT), stream(1)
    records = [(f"key {i % 7}", f"record {i} ".encode() * (i % 50)) for i in range(3000)]
    places = written(kinesis, name, records)
    assert 1 < len(places) < 100
    stored, _ = read_shard(kinesis, name, "shardId-000000000000")
    assert len(stored) == len(places) and list(unpacked(stored)) == records


def test_plain_records_pass_between(server, stream):
    kinesis, name = server.boto3(user_agent_extra=CLIENT), stream(1)
    kinesis.put_record(StreamName=name, PartitionKey="plain", Data=b"plain")
    written(kinesis, name, [("packed", b"1"), ("packed", b"2")])
    stored, _ = read_shard(kinesis, name, "shardId-000000000000")
    assert list(unpacked(stored)) == [("plain", b"plain"), ("packed", b"1"), ("packed", b"2")]


def test_each_pack_goes_where_its_hash_key_says(server, stream):
    kinesis, name = server.boto3(user_agent_extra=CLIENT), stream(4)
    known = shards(kinesis, name)
    for key in ["a", "b", "c", "d", "e"]:
        assert written(kinesis, name, [(key, b"x"), ("other", b"y")]) == [shard_of(known, hash_of(key))]


def rheos(server, *arguments, lines=""):
    """A command of our own against the server; what it printed."""
    key = {"AWS_ACCESS_KEY_ID": server.key[0], "AWS_SECRET_ACCESS_KEY": server.key[1], "AWS_REGION": REGION}
    command = [program(), *arguments, "--endpoint-url", server.endpoint]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, env=clean_environment() | key)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("order", [[], ["--strict-order"]], ids=["any-order", "strict-order"])
def test_what_we_pack_is_unpacked_by_amazons_library(server, stream, order):
    kinesis, name = server.boto3(user_agent_extra=CLIENT), stream(4)
    records = [(f"key {i % 97}", f"record {i} ".encode() * (i % 20)) for i in range(5000)]
    lines = "".join(f"{key}|{data.decode()}\n" for key, data in records)
    rheos(server, "put", name, "-K", "|", "--aggregate", *order, lines=lines)
    found, stored_count = [], 0
    for shard in shards(kinesis, name):
        stored, _ = read_shard(kinesis, name, shard["ShardId"])
        mine = list(unpacked(stored))
        assert all(shard_of([shard], hash_of(key)) for key, _ in mine), "each record in the shard that owns its key"
        found, stored_count = found + mine, stored_count + len(stored)
    assert sorted(found) == sorted(records) and stored_count < 100
    for key in {key for key, _ in records} if order else ():
        assert [data for k, data in found if k == key] == [data for k, data in records if k == key], "in order"


def test_what_amazons_library_packs_is_unpacked_by_tail(server, stream):
    kinesis, name = server.boto3(user_agent_extra=CLIENT), stream(1)
    records = [(f"key {i % 7}", f"record {i}".encode()) for i in range(100)]
    written(kinesis, name, records)
    kinesis.put_record(StreamName=name, PartitionKey="plain", Data=b"plain")
    shown = [json.loads(line) for line in rheos(server, "tail", name, "--since", "trim-horizon", "-o", "json").splitlines()]
    assert [(line["key"], line["data"].encode(), line.get("sub_sequence")) for line in shown] == [
        *((key, data, at) for at, (key, data) in enumerate(records)),
        ("plain", b"plain", None),
    ]
    stored = rheos(server, "tail", name, "--since", "trim-horizon", "-o", "json", "--as-stored").splitlines()
    assert len(stored) == 2 and base64.b64decode(json.loads(stored[0])["data_base64"]).startswith(b"\xf3\x89\x9a\xc2")
