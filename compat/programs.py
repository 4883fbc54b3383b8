"""Clients that are not Python: a small program for each, in a folder of its own here.

A program takes arguments `RUN=ENDPOINT`, uses each endpoint with everything its client can do, and prints a line of JSON for
each thing it tried: `{"client", "version", "run", "area", "test", "ok", "detail"}`. Key, region and certificate authority are
in the environment variables that its client knows. What it spoke is not for the program to say: the server's log does.
"""

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from harness import REGION, ROOT_KEY, clean_environment, program as server_program

SOURCES = Path(__file__).parent
TIME_LIMIT_S = 240


@dataclass(frozen=True)
class Run:
    """One pass of a program: over TLS or not, and the operations that its client does not have."""

    tls: bool = False
    lacks: frozenset = frozenset()


@dataclass(frozen=True)
class Program:
    """A client's program: what it needs on the machine, how it is built, and its passes."""

    name: str
    needs: dict
    build: object
    runs: dict = field(default_factory=dict)

    def missing(self):
        """The first tool that is not there, and how it is installed."""
        for tool, install in self.needs.items():
            if shutil.which(tool) is None:
                return f"{tool} is not installed: `{install}`"
        return None

    def sources(self):
        """The program's folder."""
        return SOURCES / self.name

    def run(self, servers, authorities):
        """Runs it against the servers, by run, and gives the lines it printed."""
        command = self.build(self, cache(self.name))
        environment = clean_environment() | {
            "AWS_ACCESS_KEY_ID": ROOT_KEY[0],
            "AWS_SECRET_ACCESS_KEY": ROOT_KEY[1],
            "AWS_REGION": REGION,
        }
        # The AWS SDK for Go; rustls; Node; and what our Java program asks for.
        for name in ["AWS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "COMPAT_CA"]:
            environment[name] = str(authorities)
        arguments = [f"{run}={server.tls_endpoint if self.runs[run].tls else server.endpoint}" for run, server in servers.items()]
        done = subprocess.run(
            [*command, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, timeout=TIME_LIMIT_S
        )
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        assert done.returncode == 0, f"{self.name} ended with {done.returncode} after {len(lines)} lines:\n{done.stderr[-4000:]}"
        return lines


def cache(name):
    """The folder for what is downloaded and built: below cargo's target folder, outside the sources."""
    folder = Path(os.environ["RHEOS_COMPAT_CACHE"]) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def execute(*words, cwd, **environment):
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        env=clean_environment() | environment,
    )
    assert done.returncode == 0, f"{' '.join(map(str, words))} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-4000:]}"


def fingerprint(folder):
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def once(sources, folder, work):
    """Does the work that leads from the sources to the folder, unless it was done for the very same sources."""
    stamp, wanted = folder / "built.txt", fingerprint(sources)
    if not stamp.exists() or stamp.read_text() != wanted:
        stamp.unlink(missing_ok=True)
        work()
        stamp.write_text(wanted)


def build_go(program, folder):
    def work():
        # Folders of Go's cache are read-only unless told otherwise, and `cargo clean` could not remove them.
        caches = {"GOMODCACHE": str(folder / "modules"), "GOCACHE": str(folder / "objects")}
        execute("go", "build", "-modcacherw", "-o", folder / "compat", ".", cwd=program.sources(), GOFLAGS="-mod=readonly", GOTOOLCHAIN="local", **caches)

    once(program.sources(), folder, work)
    return [folder / "compat"]


def build_rust(program, folder):
    """`cargo xtask compat` has built it along with the server."""
    return [Path(server_program()).with_name("rheos-compat")]


def build_java(program, folder):
    def work():
        # Maven writes beside its sources, so it gets a copy. It asks registries only if something is not there yet.
        project = folder / "project"
        shutil.rmtree(project, ignore_errors=True)
        shutil.copytree(program.sources(), project)
        words = ["mvn", "--quiet", "--batch-mode", f"-Dmaven.repo.local={folder / 'repository'}", "prepare-package"]
        try:
            execute(*words, "--offline", cwd=project)
        except AssertionError:
            execute(*words, cwd=project)

    once(program.sources(), folder, work)
    built = folder / "project" / "target"
    # A short life on few cores: the quick compiler, and the collector without helpers.
    return ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{built / 'classes'}:{built / 'lib' / '*'}", "compat.Main"]


def build_js(program, folder):
    def work():
        # Modules are looked for beside the sources, so they are copied.
        project = folder / "project"
        shutil.rmtree(project, ignore_errors=True)
        shutil.copytree(program.sources(), project)
        words = ["npm", "clean-install", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", f"--cache={folder / 'packages'}"]
        execute(*words, "--prefer-offline", cwd=project)

    once(program.sources(), folder, work)
    return ["node", "--no-warnings", folder / "project" / "main.mjs"]


# Newer than the last release of each SDK, or never there.
SUBSCRIPTIONS = frozenset({"SubscribeToShard"})
JAVA_2 = frozenset({"UpdateStreamRecordDistributionStrategy"})
JAVA_1 = SUBSCRIPTIONS | JAVA_2 | {
    "TagResource", "UntagResource", "ListTagsForResource", "UpdateMaxRecordSize", "UpdateStreamWarmThroughput",
    "DescribeAccountSettings", "UpdateAccountSettings",
}  # fmt: skip


def both(name, **how):
    """A pass in clear text and one over TLS."""
    return {name: Run(**how), f"{name}-tls": Run(tls=True, **how)}


PROGRAMS = [
    Program("go", {"go": "apt-get install golang-go"}, build_go, both("go")),
    Program("js", {"node": "apt-get install nodejs", "npm": "apt-get install npm"}, build_js, both("js")),
    Program(
        "java",
        {"java": "apt-get install default-jdk-headless", "mvn": "apt-get install maven"},
        build_java,
        both("java2-sync", lacks=SUBSCRIPTIONS | JAVA_2) | both("java2-async", lacks=JAVA_2) | both("java1", lacks=JAVA_1),
    ),
    Program("rust", {}, build_rust, both("rust")),
]
