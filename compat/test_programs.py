"""Every client that is not Python: its program, on every transport that it has."""

import pytest

import table
from harness import ROOT_KEY, Server
from programs import PROGRAMS

@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_client_does_all_it_can(program, tmp_path):
    if missing := program.missing():
        table.absent(program.name, missing)
    servers = {}
    try:
        for run, how in program.runs.items():
            (tmp_path / run).mkdir()
            flags = ["--limits", "open", "--transition-ms", "20"] + (["--dev-tls"] if how.tls else [])
            servers[run] = Server(tmp_path / run, *flags, key=ROOT_KEY)
        authorities = tmp_path / "authorities.pem"
        authorities.write_text("".join(server.authority.read_text() for server in servers.values() if server.tls_endpoint))
        lines = program.run(servers, authorities)
    finally:
        for server in servers.values():
            server.stop()
    failed = [line for line in lines if not line["ok"]]
    for run, how in program.runs.items():
        mine = [line for line in lines if line["run"] == run]
        assert mine, f"{run} tried nothing"
        row = table.Row(mine[0]["client"], mine[0]["version"], servers[run].admitted(), how.tls)
        for line in mine:
            row.note(line["area"], line["ok"])
        table.add(row)
        untried = table.implemented() - how.lacks - row.operations()
        assert failed or not untried, f"{run} never used {sorted(untried)}"
    report = "\n\n".join(f"{line['run']}: {line['area']}: {line['test']}\n{line['detail']}" for line in failed)
    assert not failed, f"{len(failed)} of {len(lines)} failed:\n{report}"
