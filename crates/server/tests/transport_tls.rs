//! One port, six ways to speak to it; certificates, and what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that finds nothing has failed")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use rheos_server::config::{Bounds, Certificate};
use rheos_server::{Config, Machine};
use rheos_testkit::{Answer, Call, Connection, H2, Home, TestServer, tls, tls_of};
use rheos_types::Clock;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn list() -> Call {
    Call::new("ListStreams", &json!({}))
}

fn put() -> Call {
    Call::new("PutRecord", &json!({"StreamName": "s", "PartitionKey": "k", "Data": "QQ=="}))
}

fn development(config: &mut Config) {
    config.tls.certificate = Some(Certificate::Development { names: vec!["*.rheos.example".to_owned()] });
}

async fn start(configure: impl FnOnce(&mut Config)) -> TestServer {
    TestServer::start_with(Home::default(), |config| {
        development(config);
        configure(config);
    })
    .await
}

/// A call over HTTP/1.1 on whatever this is.
async fn over_http1(server: &TestServer, mut connection: Connection, call: &Call) -> Answer {
    connection.send(&server.bytes(call)).await;
    connection.answer().await.expect("an answer")
}

#[tokio::test]
async fn one_port_speaks_six_ways() {
    let server = start(|_| {}).await;
    server.create_stream("s", 1).await;
    for (call, expected) in [(list(), "StreamNames"), (put(), "SequenceNumber")] {
        let good = |answer: Answer| {
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert!(answer.json().get(expected).is_some(), "{}", answer.text());
            assert_eq!(answer.header("x-amzn-requestid").len(), 36);
        };
        good(over_http1(&server, server.connect().await, &call).await);
        good(server.h2().await.send(server.request(&call)).await.unwrap());
        for alpn in [&[][..], &["http/1.1"]] {
            let stream = server.tls(alpn).await;
            assert_eq!(stream.get_ref().1.alpn_protocol(), alpn.first().map(|name| name.as_bytes()));
            good(over_http1(&server, Connection::over(stream), &call).await);
        }
        for alpn in [&[][..], &["http/1.1", "h2"]] {
            let stream = server.tls(alpn).await;
            // The server prefers HTTP/2.
            assert_eq!(stream.get_ref().1.alpn_protocol(), (!alpn.is_empty()).then_some(&b"h2"[..]));
            good(H2::over(stream).await.send(server.request(&call)).await.unwrap());
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_signature_counts_the_authority_of_http2_and_the_path() {
    let server = start(|_| {}).await;
    let mut h2 = server.h2().await;
    let good = server.request(&list());
    assert!(!good.headers().contains_key("host"));
    assert_eq!(h2.send(good.clone()).await.unwrap().status, 200);
    for address in ["http://elsewhere.example/".to_owned(), format!("{}?a=b", good.uri())] {
        let mut other = good.clone();
        *other.uri_mut() = address.parse().unwrap();
        let answer = h2.send(other).await.unwrap();
        assert_eq!((answer.status, answer.header("x-amzn-errortype")), (400, "InvalidSignatureException"), "{address}");
    }
    // What a client did not hash may only come where nobody can change it.
    let unsigned = list().header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    assert_eq!(h2.send(server.request(&unsigned)).await.unwrap().status, 400);
    server.stop().await;
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken() {
    let server = start(|_| {}).await;
    let stream = server.tls(&[]).await;
    assert_eq!(stream.get_ref().1.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    let authority = server.authority().unwrap();
    let only = [&rustls::version::TLS12];
    let stream = tls_of(&only, server.address(), authority, "localhost", &["h2"]).await.unwrap();
    assert_eq!(stream.get_ref().1.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2));
    assert_eq!(H2::over(stream).await.send(server.request(&list())).await.unwrap().status, 200);
    server.stop().await;
}

#[tokio::test]
async fn the_authority_vouches_for_its_names_and_for_no_others() {
    let server = start(|_| {}).await;
    let authority = server.authority().unwrap();
    for (name, is_vouched_for) in [
        ("localhost", true),
        ("127.0.0.1", true),
        ("::1", true),
        ("kinesis.rheos.example", true),
        ("rheos.example", false),
        ("10.0.0.1", false),
    ] {
        let shaken = tls(server.address(), authority, name, &[]).await;
        assert_eq!(shaken.is_ok(), is_vouched_for, "{name}: {:?}", shaken.err());
    }
    let other = start(|_| {}).await;
    assert!(tls(other.address(), authority, "localhost", &[]).await.is_err());
    other.stop().await;
    server.stop().await;
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "what the server keeps is looked at, and taken away")]
async fn the_authority_is_kept_and_never_replaced_unasked() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::directory();
    let Home::Directory(directory) = &home else { unreachable!() };
    let data = directory.path().join("data");
    let server = TestServer::start_with(home.clone(), development).await;
    let authority = server.authority().unwrap().to_owned();
    assert_eq!(std::fs::read_to_string(data.join("dev-ca.pem")).unwrap(), authority);
    let mode = |name: &str| std::fs::metadata(data.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("dev-ca-key.pem"), 0o600);
    server.stop().await;

    // A start that ended between the two files leaves the key.
    std::fs::remove_file(data.join("dev-ca.pem")).unwrap();
    let server = TestServer::start_with(home.clone(), development).await;
    let again = server.authority().unwrap().to_owned();
    assert!(tls(server.address(), &authority, "localhost", &[]).await.is_ok());
    assert!(tls(server.address(), &again, "localhost", &[]).await.is_ok());
    server.stop().await;

    let key = std::fs::read(data.join("dev-ca-key.pem")).unwrap();
    let refused = async |expected: &str| {
        let mut config = Config { data_dir: data.clone(), listen: ([127, 0, 0, 1], 0).into(), ..Config::default() };
        development(&mut config);
        let error = rheos_server::start(&config, Machine::system()).await.err().expect("no start").to_string();
        assert!(error.contains("dev-ca") && error.contains(expected), "{error}");
    };
    std::fs::remove_file(data.join("dev-ca-key.pem")).unwrap();
    refused("is missing").await;
    std::fs::write(data.join("dev-ca-key.pem"), "nonsense").unwrap();
    refused("is not the key").await;
    std::fs::write(data.join("dev-ca-key.pem"), key).unwrap();
    std::fs::write(data.join("dev-ca.pem"), "nonsense").unwrap();
    refused("does not belong to").await;
}

#[tokio::test]
async fn the_certificate_is_renewed_before_it_expires() {
    let server = start(|config| config.tls.check_ms = 5).await;
    let certificate = async || {
        let stream = server.tls(&[]).await;
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let first = certificate().await;
    assert_eq!(certificate().await, first);
    server.clock.advance(61 * 24 * 60 * 60 * 1000);
    // From the day before the new one is valid, which a client with the real time cannot check: so nobody does.
    let mut renewed = false;
    for _ in 0..1000 {
        renewed = tls(server.address(), server.authority().unwrap(), "localhost", &[]).await.is_err();
        if renewed {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(renewed);
    assert!(server.clock.wall_ms() > 0);
    server.stop().await;
}

/// PEM files of a certificate.
struct Pair {
    authority: String,
    chain: PathBuf,
    key: PathBuf,
}

impl Pair {
    #[expect(clippy::disallowed_methods, reason = "somebody renews a certificate")]
    fn write(directory: &Path) -> Self {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (chain, key) = (directory.join("cert.pem"), directory.join("key.pem"));
        std::fs::write(&key, signing_key.serialize_pem()).unwrap();
        std::fs::write(&chain, cert.pem()).unwrap();
        Self { authority: cert.pem(), chain, key }
    }

    fn configure(&self, config: &mut Config) {
        config.tls.certificate = Some(Certificate::Files { chain: self.chain.clone(), key: self.key.clone() });
        config.tls.check_ms = 5;
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "somebody renews a certificate, badly at first")]
async fn files_are_read_again_when_they_change() {
    let directory = tempfile::tempdir().unwrap();
    let first = Pair::write(directory.path());
    let server = TestServer::start_with(Home::default(), |config| first.configure(config)).await;
    let knows = async |pair: &Pair| tls(server.address(), &pair.authority, "localhost", &["h2"]).await;
    let mut kept = H2::over(knows(&first).await.unwrap()).await;

    // One that is no good changes nothing, however often it is looked at.
    std::fs::write(&first.chain, "nonsense").unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(knows(&first).await.is_ok());
    std::fs::remove_file(&first.chain).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(knows(&first).await.is_ok());

    let second = Pair::write(directory.path());
    let mut taken = false;
    for _ in 0..1000 {
        taken = knows(&second).await.is_ok();
        if taken {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(taken && knows(&first).await.is_err());
    // Connections that are there stay.
    assert_eq!(kept.send(server.request(&list())).await.unwrap().status, 200);
    server.stop().await;
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "files with mistakes")]
async fn files_that_are_no_good_are_named_with_what_would_be() {
    let directory = tempfile::tempdir().unwrap();
    let pair = Pair::write(directory.path());
    let (chain, key) = (std::fs::read(&pair.chain).unwrap(), std::fs::read(&pair.key).unwrap());
    let other = rcgen::KeyPair::generate().unwrap().serialize_pem().into_bytes();
    let refused = async |expected: &str| {
        let mut config = Config { data_dir: directory.path().join("data"), ..Config::default() };
        config.listen = ([127, 0, 0, 1], 0).into();
        pair.configure(&mut config);
        let error = rheos_server::start(&config, Machine::system()).await.err().expect("no start").to_string();
        assert!(error.contains(expected), "{error}");
        // Before anything else happens.
        assert!(!directory.path().join("data").exists());
    };
    std::fs::write(&pair.chain, &key).unwrap();
    refused("cert.pem: has no certificate: expected PEM").await;
    std::fs::write(&pair.chain, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    refused("cert.pem and the key").await;
    std::fs::write(&pair.chain, "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
    refused("cert.pem: is damaged").await;
    std::fs::write(&pair.chain, vec![b' '; 2 << 20]).unwrap();
    refused("larger than 1 MiB").await;
    std::fs::remove_file(&pair.chain).unwrap();
    refused("cannot read").await;
    std::fs::write(&pair.chain, &chain).unwrap();
    std::fs::write(&pair.key, &chain).unwrap();
    refused("key.pem: has no private key").await;
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    std::fs::write(&pair.key, encrypted).unwrap();
    refused("key.pem: the private key is encrypted").await;
    std::fs::write(&pair.key, other).unwrap();
    refused("the key is not that of the first certificate").await;
}

#[tokio::test]
async fn clear_text_is_refused_where_tls_is_required() {
    let server = start(|config| config.tls.required = true).await;
    let refused = |answer: Answer| {
        assert_eq!((answer.status, answer.header("x-amzn-errortype")), (400, "AccessDeniedException"));
        assert!(answer.text().contains("https://"), "{}", answer.text());
    };
    refused(server.send(&list()).await);
    refused(server.h2().await.send(server.request(&list())).await.unwrap());
    // Who looks after the server need not know its certificate.
    let health = Call::raw("None", "").method("GET").path("/health/ready").unsigned();
    assert_eq!(server.send(&health).await.status, 200);
    let encrypted = Connection::over(server.tls(&[]).await);
    assert_eq!(over_http1(&server, encrypted, &list()).await.status, 200);
    let mut encrypted = H2::over(server.tls(&["h2"]).await).await;
    assert_eq!(encrypted.send(server.request(&list())).await.unwrap().status, 200);
    server.stop().await;
}

#[tokio::test]
async fn without_a_certificate_a_handshake_is_hung_up_on() {
    let server = TestServer::start().await;
    let mut connection = server.connect().await;
    connection.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await;
    assert_eq!(connection.rest().await, b"");
    assert_eq!(server.send(&list()).await.status, 200);
    server.stop().await;
}

/// Bounds that tests need not wait for.
fn hasty(config: &mut Config) {
    config.bounds =
        Bounds { head_ms: 300, first_byte_ms: 300, handshake_ms: 300, write_stall_ms: 300, ..Bounds::default() };
}

#[tokio::test]
async fn who_says_nothing_or_half_of_it_is_not_waited_for() {
    let server = start(hasty).await;
    let mut waiting = Vec::new();
    for begin in [&b""[..], b"\x16\x03\x01\x02\x00\x01", b"PRI * HTT", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut connection = server.connect().await;
        connection.send(begin).await;
        waiting.push(connection);
    }
    for alpn in [&[][..], &["h2"], &["http/1.1"]] {
        waiting.push(Connection::over(server.tls(alpn).await));
        let mut half = Connection::over(server.tls(alpn).await);
        half.send(b"PRI * HTT").await;
        waiting.push(half);
    }
    for connection in waiting {
        // It ends: that is the test. HTTP/1.1 and HTTP/2 may say why.
        connection.rest().await;
    }
    assert_eq!(server.send(&list()).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn nonsense_behind_tls_hurts_nobody() {
    let server = start(hasty).await;
    for alpn in [&[][..], &["h2"], &["http/1.1"]] {
        for nonsense in [&b"\x16\x03\x01\x02\x00"[..], b"hello\r\n\r\n", b"\0\0\0\0", &[0xff; 4096]] {
            let mut stream = server.tls(alpn).await;
            stream.write_all(nonsense).await.unwrap();
            let mut said = Vec::new();
            // A reset is as good as an end.
            drop(stream.read_to_end(&mut said).await);
            assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 400 "), "{alpn:?} {nonsense:?}: {said:?}");
        }
    }
    let mut connection = server.connect().await;
    let record = [&b"\x16\x03\x01\x40\x00"[..], &[0xff; 0x4000]].concat();
    connection.send(&record).await;
    connection.rest().await;
    assert_eq!(server.send(&list()).await.status, 200);
    server.stop().await;
}
