"""A real server process, and the two clients as a new user of the AWS manual would set them up."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import boto3
from botocore.config import Config

REGION = "us-east-1"
ACCOUNT = "000000000000"
START_LIMIT_S = 30
# What the server's log says of each request, and nothing else but what is wrong.
LOG = "warn,rheos_server=debug"
# The root key of servers that are told one, so that a program can use several servers.
ROOT_KEY = ("AKIACOMPATCOMPAT0000", "compat/secret+0123456789abcdefghijklmnopq")
LISTENING = re.compile(r"^rheos listening on (?:(http://\S+))?(?: and )?(https://\S+)?", re.MULTILINE)


class Server:
    """`rheos serve` on a data directory of its own. It can be stopped, killed and started again."""

    def __init__(self, directory, *flags, key=None):
        self.directory = Path(directory)
        self.given_key = key
        self.data = self.directory / "data"
        self.flags = flags
        self.log = self.directory / "server.log"
        self.process = None
        self.start()

    def start(self):
        begun = self.log.stat().st_size if self.log.exists() else 0
        environment = clean_environment() | {"RHEOS_LOG": LOG, "RHEOS_LOG_FORMAT": "json"}
        if self.given_key:
            environment |= {"AWS_ACCESS_KEY_ID": self.given_key[0], "AWS_SECRET_ACCESS_KEY": self.given_key[1]}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [program(), "serve", "--listen", "127.0.0.1:0", "--data-dir", str(self.data), *self.flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd=self.directory,
            )
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            text = self.log.read_bytes()[begun:].decode(errors="replace")
            if found := LISTENING.search(text):
                self.endpoint, self.tls_endpoint = found.groups()
                break
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{text}")
            time.sleep(0.01)
        else:
            self.kill()
            raise AssertionError(f"the server did not start in {START_LIMIT_S} s:\n{text}")
        self.key = self.given_key
        if self.key is None and "--dev" not in self.flags:
            stored = json.loads((self.data / "root-credentials.json").read_text())
            self.key = (stored["access_key_id"], stored["secret_access_key"])

    def kill(self):
        """What a power switch does to a process: SIGKILL."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """What a service manager does: SIGTERM, and wait."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=30) == 0, self.log.read_text(errors="replace")

    @property
    def authority(self):
        """The certificate authority of a server with `--dev-tls`."""
        return self.data / "dev-ca.pem"

    def admitted(self):
        """What the server itself says of the requests that it let in: operation, protocol, version of HTTP, user agent."""
        requests = []
        for line in self.log.read_text(errors="replace").splitlines():
            if line.startswith("{") and '"admitted"' in line:
                requests.append(json.loads(line))
        return requests

    def boto3(self, service="kinesis", *, region=REGION, key=None, token=None, tls=False, authority=True, **config):
        """A boto3 client: nothing but the endpoint, the key, the region and whom it trusts differs from AWS."""
        access_key_id, secret = key or self.key
        return boto3.session.Session().client(
            service,
            endpoint_url=self.tls_endpoint if tls else self.endpoint,
            verify=str(self.authority) if tls and authority else None,
            region_name=region,
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(**config),
        )

    def cli(self):
        """The AWS CLI, set up by its environment variables."""
        return Cli(self.endpoint, self.key)


class CliError(Exception):
    """What the AWS CLI says when the service refuses."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status
        found = re.search(r"An error occurred \((\w+)\) when calling the (\w+) operation(?: \([^)]*\))?: (.*)", text, re.S)
        self.code, self.operation, self.message = found.groups() if found else (None, None, text)


class Cli:
    """`aws kinesis …` as a process for each call, and its JSON as Python values."""

    def __init__(self, endpoint, key):
        self.environment = clean_environment() | {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": key[0],
            "AWS_SECRET_ACCESS_KEY": key[1],
            "AWS_DEFAULT_REGION": REGION,
            "AWS_DEFAULT_OUTPUT": "json",
            "AWS_PAGER": "",
        }

    def __call__(self, *words):
        done = subprocess.run(
            [str(Path(sys.executable).with_name("aws")), "kinesis", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=120,
        )
        if done.returncode != 0:
            raise CliError(done.returncode, done.stderr.strip())
        return json.loads(done.stdout) if done.stdout.strip() else None


def program():
    path = os.environ.get("RHEOS_BIN")
    assert path, "run this by `cargo xtask compat`, or set RHEOS_BIN to the program"
    return path


def clean_environment():
    """The environment without settings of Rheos or AWS, which would change what is tested."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RHEOS_", "AWS_"))}
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true"}
    return kept | nowhere
