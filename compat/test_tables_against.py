"""The lease tables call by call against other implementations: the same generated calls to both, the answers compared. What
differs is either explained here, and in docs/differences.md, or an error. dynalite knows no transactions; dynoxide does.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from harness import REGION, Server, clean_environment
from programs import cache, execute, once
from table_calls import Calls, answer, plain, same_again
from test_tables import dynamodb

CALLS = int(os.environ.get("RHEOS_TABLES_CALLS", "1000"))
SEED = int(os.environ.get("RHEOS_TABLES_SEED", "1"))
DYNALITE = Path(__file__).parent / "dynalite"
DYNOXIDE = "3.2.0"


def needs(tool, how):
    if shutil.which(tool) is None:
        missing = f"{tool} is not installed: {how}"
        pytest.fail(missing) if os.environ.get("RHEOS_COMPAT_ALL") else pytest.skip(missing)


def dynalite(port):
    """The command that serves dynalite, in memory."""
    needs("npm", "apt-get install npm")
    folder = cache("dynalite")

    def install():
        project = folder / "project"
        shutil.rmtree(project, ignore_errors=True)
        shutil.copytree(DYNALITE, project)
        words = ["npm", "clean-install", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", f"--cache={folder / 'packages'}"]
        execute(*words, "--prefer-offline", cwd=project)

    once(DYNALITE, folder, install)
    program = folder / "project" / "node_modules" / "dynalite" / "cli.js"
    return ["node", str(program), "--port", str(port)] + [f"--{it}TableMs=0" for it in ("create", "update", "delete")]


def dynoxide(port):
    """The command that serves dynoxide, in memory."""
    needs("cargo", "https://rustup.rs")
    folder = cache("dynoxide")
    program = folder / DYNOXIDE / "bin" / "dynoxide"
    if not program.exists():
        words = ["cargo", "install", "dynoxide-rs", "--version", DYNOXIDE, "--locked", "--no-default-features"]
        words += ["--features", "native-sqlite,http-server,cli", "--root", folder / DYNOXIDE, "--debug"]
        execute(*words, cwd=folder, CARGO_TARGET_DIR=str(folder / "target"))
        shutil.rmtree(folder / "target")
    return [str(program), "serve", "--host", "127.0.0.1", "--port", str(port)]


@contextlib.contextmanager
def served(command):
    """A boto3 client of another implementation."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = command(port)
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, env=clean_environment())
    try:
        client = boto3.session.Session().client(
            "dynamodb", endpoint_url=f"http://127.0.0.1:{port}", region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b",
            config=Config(parameter_validation=False, retries={"max_attempts": 0}),
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                client.list_tables()
                break
            except Exception:
                assert process.poll() is None and time.monotonic() < deadline, f"{words[0]} does not start"
                time.sleep(0.1)
        yield client
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def ours(tmp_path):
    server = Server(tmp_path)
    yield dynamodb(server, parameter_validation=False, retries={"max_attempts": 0})
    server.stop()


ORDERED = ("<", "<=", ">", ">=", "BETWEEN")


def explained_dynalite(operation, call, ours, theirs):
    """Why the answers of dynalite differ, if it is known."""
    text = " ".join(str(call.get(name, "")) for name in ("ConditionExpression", "FilterExpression", "UpdateExpression"))
    if "Internal" in theirs[0] or theirs[0] == "500":
        return "dynalite fails"
    if ours[0] == theirs[0] != "ok":
        return "another wording, or another of several problems is named"
    if ours[0] == "ValidationException" and "operand type" in ours[1] and any(it in ours[1] for it in (f": {op}," for op in ORDERED)):
        return "dynalite orders what has no order"
    updates = call.get("AttributeUpdates")
    if updates and all(it.get("Action") == "DELETE" for it in updates.values()):
        return "a legacy update that only takes away makes no item"
    if ours[0] == theirs[0] == "ok" and theirs[1].get("Attributes") == {} and "Attributes" not in ours[1]:
        return "no attributes are no member, dynalite answers an empty one"
    if ours[0] == "ValidationException" and "BEGINS_WITH is not valid for N" in ours[1]:
        return "dynalite does not look at the types of Expected"
    if "NOT NOT" in text:
        return "dynalite knows no NOT NOT"
    if "IndexName" in call and "Limit" in call:
        return "the order among items of one key of an index"
    if re.search(r"(=|<>) (size\(|[a-z#])", text):
        return "dynalite takes what is absent for equal to what is absent"
    if "attribute_type" in text or "attribute_exists" in text or "IN (" in text:
        return "dynalite takes false and the empty text for absent"
    return None


# Of the call itself, whatever the items are.
STATIC = re.compile(
    r"Invalid (Condition|Update|Filter|KeyCondition|Projection)Expression: |ExpressionAttributeNames can only be specified"
    r"|Value provided in ExpressionAttribute|One or more parameter values were invalid: (ComparisonOperator|Type mismatch) "
)


def explained_dynoxide(operation, call, ours, theirs):
    """Why the answers of dynoxide differ, if it is known."""
    if ours[0] == theirs[0] != "ok" and ours[2:] == theirs[2:]:
        return "another wording, or another of several problems is named"
    if ours[0] == "ValidationException" and STATIC.match(ours[1]):
        return "dynoxide finds out about the call when it comes to the item, and about the token before"
    if theirs[0] == "ValidationException" and re.search(r"\[ \d", str(call)):
        return "dynoxide knows no space within brackets"
    if ours[0] == "TransactionCanceledException" and any(code == "ValidationError" for code, _ in ours[3]) and theirs[0] == "ValidationException":
        return "dynoxide does not say which action of a transaction has a key that is none"
    if ours[0] != "ok" or theirs[0] != "ok":
        return None
    if operation == "query" and "IndexName" in call and "Limit" in call:
        return "the order among items of one key of an index"
    if operation == "update_item" and ours[1] == {} and theirs[1].get("Attributes") == plain(call["Key"]):
        return "dynoxide has an old item before there was any"
    if operation == "transact_get_items":
        bare = [{name: it for name, it in got.get("Item", {}).items() if name not in ("h", "r")} for got in theirs[1]["Responses"]]
        mine = [{name: it for name, it in got.get("Item", {}).items() if name not in ("h", "r")} for got in ours[1]["Responses"]]
        if bare == mine and "ProjectionExpression" in str(call):
            return "dynoxide adds the key to a projection, or leaves out an item that has nothing of it"
    return None


# The command, whether transactions are part of the calls, and why answers may differ.
OTHERS = {"dynalite": (dynalite, False, explained_dynalite), "dynoxide": (dynoxide, True, explained_dynoxide)}
SCHEMA = {
    "TableName": "pairs",
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in [("h", "S"), ("r", "N"), ("own", "S")]],
    "KeySchema": [{"AttributeName": "h", "KeyType": "HASH"}, {"AttributeName": "r", "KeyType": "RANGE"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by-own",
            "KeySchema": [{"AttributeName": "own", "KeyType": "HASH"}, {"AttributeName": "r", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
    "BillingMode": "PAY_PER_REQUEST",
}


@pytest.mark.parametrize("name", OTHERS)
def test_the_same_calls_have_the_same_answers(ours, name):
    command, transactions, explained = OTHERS[name]
    with served(command) as other:
        for client in (ours, other):
            client.create_table(**SCHEMA)
            client.get_waiter("table_exists").wait(TableName="pairs", WaiterConfig={"Delay": 1})
        calls = Calls(SEED, transactions)
        differences, counts, outcomes = Counter(), Counter(), Counter()
        wrong = []
        for _ in range(CALLS):
            operation, call = calls.next()
            mine, theirs = answer(ours, operation, call), answer(other, operation, call)
            counts[operation] += 1
            outcomes[mine[0]] += 1
            if mine == theirs:
                updates = call.get("AttributeUpdates") or {"": {}}
                if all(it.get("Action") == "DELETE" for it in updates.values()):
                    same_again((ours, other), call)  # What is made of what is not there differs, and nothing tells it.
                continue
            why = explained(operation, call, mine, theirs)
            differences[why] += 1
            if why is None or os.environ.get("RHEOS_TABLES_SHOW") == why:
                wrong.append((operation, plain(call), mine, theirs))
            if operation in ("put_item", "update_item", "delete_item", "batch_write_item", "transact_write_items"):
                same_again((ours, other), call)
    report = {"calls": sum(counts.values()), "of": dict(counts), "outcomes": dict(outcomes), "differences": {str(k): v for k, v in differences.items()}}
    print(json.dumps(report))
    if path := os.environ.get("RHEOS_TABLES_REPORT"):
        Path(path).write_text(json.dumps({"report": report, "wrong": wrong}, indent=1, default=str))
    assert not differences[None], json.dumps(wrong[:5], indent=1, default=str)
