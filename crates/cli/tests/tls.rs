//! The tools against a server with an authority of its own.

#![expect(
    clippy::disallowed_methods,
    clippy::let_underscore_must_use,
    clippy::unwrap_used,
    dead_code,
    reason = "a real process is tested, by a part of the module that tests share"
)]

mod server;

use std::path::Path;
use std::process::{Command, Output};

use server::Server;

fn rheos(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rheos"));
    command.current_dir(directory).env_remove("AWS_CA_BUNDLE").env("NO_PROXY", "*");
    command
}

#[test]
fn the_tools_trust_the_authority_in_the_data_directory_or_the_one_that_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path();
    let mut serve = rheos(home);
    serve.args(["serve", "--dev-tls", "--require-tls=false", "--listen", "127.0.0.1:0", "--stream", "s:1"]);
    serve.args(["--data-dir", "there"]);
    let server = Server::spawn(serve, &home.join("log"));
    let url = format!("https://{}", server.address);
    let ls = |arguments: &[&str]| -> Output {
        let mut command = rheos(home);
        command.args(["stream", "ls", "--endpoint-url", &url, "--data-dir", "there"]).args(arguments);
        command.output().unwrap()
    };
    let said = |output: &Output| String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    for arguments in [&[][..], &["--ca", "there/dev-ca.pem"]] {
        let output = ls(arguments);
        assert!(output.status.success() && said(&output).contains("\"s\""), "{arguments:?}: {}", said(&output));
    }
    // One that has not signed it: a server's own certificate vouches for nobody else.
    let other = tempfile::tempdir().unwrap();
    let mut serve = rheos(other.path());
    serve.args(["serve", "--dev-tls", "--listen", "127.0.0.1:0"]);
    drop(Server::spawn(serve, &other.path().join("log")));
    let output = ls(&["--ca", other.path().join("rheos-data/dev-ca.pem").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let output = ls(&["--ca", "log"]);
    assert!(output.status.code() == Some(2) && said(&output).contains("no certificate"), "{}", said(&output));
}
