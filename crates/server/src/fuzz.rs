//! Entry points for fuzzing: the first bytes of a connection, and the files that the server itself reads. Each function
//! panics where what is promised of their reading does not hold.

use std::pin::{Pin, pin};
use std::str::FromStr;
use std::task::{Context, Poll, Waker};

use rheos_types::limits::Override;
use tokio::io::{AsyncRead, ReadBuf};

use crate::chaos::Chaos;
use crate::config::{self, FileText, Flags, StreamSpec};
use crate::credentials::AccessKey;
use crate::listener::hello::{Hello, PREFACE, hear};
use crate::{compose, tls};

/// A connection on which the bytes come in pieces.
struct Pieces<'a> {
    rest: &'a [u8],
    piece_bytes: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let count = self.piece_bytes.min(self.rest.len()).min(buf.remaining());
        let (piece, rest) = self.rest.split_at(count);
        buf.put_slice(piece);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}

/// What a connection speaks: the first byte says in what pieces the others come.
pub fn hello(input: &[u8]) {
    let Some((first, bytes)) = input.split_first() else { return };
    let heard = |piece_bytes| {
        let poll = |future: Pin<&mut dyn Future<Output = Option<(Hello, Vec<u8>)>>>| match future
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(heard) => heard,
            Poll::Pending => panic!("everything is there"),
        };
        poll(pin!(async {
            let (hello, mut stream) = hear(Pieces { rest: bytes, piece_bytes }).await.ok()?;
            let mut all = Vec::new();
            tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut all).await.ok()?;
            Some((hello, all))
        }))
    };
    let expected = match bytes {
        [0x16, ..] => Some(Hello::Tls),
        all if all.starts_with(PREFACE) => Some(Hello::Http2),
        part if PREFACE.starts_with(part) => None,
        _ => Some(Hello::Http1),
    };
    for piece_bytes in [1, usize::from(*first).max(1), usize::MAX] {
        assert_eq!(heard(piece_bytes), expected.map(|hello| (hello, bytes.to_vec())), "no piece makes a difference");
    }
}

/// Beginnings of connections.
#[must_use]
pub fn hello_seeds() -> Vec<Vec<u8>> {
    let begins = [
        &b"POST / HTTP/1.1\r\nhost: a\r\n\r\n"[..],
        &PREFACE[..],
        b"\x16\x03\x01\x02\0\x01",
        b"PRI * HTTP/2.0\r\n\r\nXX",
    ];
    begins.iter().map(|bytes| [&[3], *bytes].concat()).collect()
}

/// The configuration file, and the texts that flags and variables hold.
pub fn config(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Err(error) = config::resolve(Flags::default(), |_| None, Some(FileText { name: "rheos.toml", text })) {
        let told = error.to_string();
        assert!(!told.is_empty() && told.len() <= 8192 + 4 * text.len(), "an error is told in few words: {told}");
    }
    // Those that are in no file go the same way.
    let name = ["RHEOS_LIMIT", "RHEOS_CHAOS", "RHEOS_STREAM", "RHEOS_MEMORY", "RHEOS_LISTEN", "RHEOS_TLS_NAME"];
    for name in name {
        drop(config::resolve(Flags::default(), |asked| (asked == name).then(|| text.to_owned()), None));
    }
    if let Ok(chaos) = Chaos::from_str(text) {
        assert_eq!(Chaos::from_str(&chaos.to_string()).as_ref(), Ok(&chaos), "faults read back");
        for operation in rheos_wire::Operation::ALL {
            let _injected = chaos.decide(input.len() as u64, *operation);
        }
    }
    if let Ok(one) = Override::from_str(text) {
        assert_eq!(Override::from_str(&one.to_string()), Ok(one), "a limit reads back");
    }
    if let Ok(size) = config::parse_size(text) {
        assert_eq!(config::parse_size(&size.to_string()), Ok(size), "a size reads back");
    }
    drop(StreamSpec::from_str(text));
}

/// Configuration files, and texts of single settings.
#[must_use]
pub fn config_seeds() -> Vec<Vec<u8>> {
    let file = "data_dir = '/var/lib/rheos'\nlisten = '0.0.0.0:4566'\nlimits = 'open'\nregion = 'eu-west-1'\n\
                account_id = '123456789012'\ntransition_ms = 7\nlong_poll_ms = 100\nmemory = '1GiB'\ndev = true\n\
                stream_ids = true\nstream = ['a:1', 'b:2']\nlog_format = 'json'\nlog = 'info,rheos_log=debug'\n\
                chaos = 'throttle=0.1'\nlimit = ['write_bytes_per_s=2097152']\n";
    let tls = "tls_cert = 'cert.pem'\ntls_key = 'key.pem'\nrequire_tls = true\n";
    let dev = "dev_tls = true\ntls_name = ['rheos.example', '*.a.example', '10.0.0.1']\n";
    let table = "memory = 268435456\n[limit]\nwrite_bytes_per_s = 'none'\ncalls_per_s.DescribeStream = 5\n";
    let chaos = "seed=1,throttle=0.05,error=0.01,unknown=0.1,drop=0.2,latency_ms=20..200";
    let texts =
        [file, tls, dev, table, chaos, "calls_per_s.DescribeStream=none", "256MiB", "orders:4", "localhost:4566"];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// The files of the root access key, of the root key of encryption, and of certificates and their keys.
pub fn key_files(input: &[u8]) {
    if let Ok(key) = AccessKey::parse(input) {
        let written = key.to_file().map(|text| AccessKey::parse(&text));
        assert!(matches!(written, Ok(Ok(again)) if again == key), "a key reads back");
    }
    if let Ok(key) = compose::root_key::parse(input) {
        assert_eq!(key.id().len(), 16);
    }
    let path = std::path::Path::new("a.pem");
    if let (Ok(chain), Ok(key)) = (tls::read_chain(path, input), tls::read_key(path, input)) {
        assert!(!chain.is_empty());
        drop(tls::server_config(chain, key));
    }
}

/// Files of keys.
#[must_use]
pub fn key_files_seeds() -> Vec<Vec<u8>> {
    let access =
        br#"{"access_key_id":"AKIAIOSFODNN7EXAMPLE","secret_access_key":"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}"#;
    let root = br#"{"root_key":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=","id":"0000000000000000"}"#;
    let mut seeds = vec![access.to_vec(), root.to_vec()];
    // A new one each time would be another seed each time: what is kept is what earlier runs have found of it.
    let pem = "-----BEGIN CERTIFICATE-----\nMIIBAAAA\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nMIGHAgEAAAAA\n-----END PRIVATE KEY-----\n";
    seeds.push(pem.as_bytes().to_vec());
    seeds
}
