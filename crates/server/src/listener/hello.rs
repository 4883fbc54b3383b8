//! The first bytes of a connection, which tell the protocols on the one port apart.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// How a client begins that knows beforehand that the server speaks HTTP/2 (RFC 9113, 3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The type of a TLS record that holds a ClientHello (RFC 8446, 5.1). No method of HTTP begins with it.
const HANDSHAKE: u8 = 0x16;

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hello {
    /// A TLS handshake comes; what is inside is not known yet.
    Tls,
    /// HTTP/2.
    Http2,
    /// Anything else: HTTP/1.1, or something that its parser refuses.
    Http1,
}

/// Reads until it is clear what a client speaks: one byte, but for the preface of HTTP/2.
///
/// # Errors
/// Those of the connection, and `UnexpectedEof` when the client goes away before it has said enough.
pub(crate) async fn hear<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<(Hello, Replayed<S>)> {
    let mut ahead = [0; PREFACE.len()];
    let mut heard = 0;
    loop {
        let more = stream.read(&mut ahead[heard..]).await?;
        if more == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        heard += more;
        let hello = match &ahead[..heard] {
            [HANDSHAKE, ..] => Hello::Tls,
            all if all == PREFACE => Hello::Http2,
            part if PREFACE.starts_with(part) => continue,
            _ => Hello::Http1,
        };
        return Ok((hello, Replayed { stream, ahead, heard, replayed: 0 }));
    }
}

/// A connection that gives back what was read of it to find out what it is. Afterwards it costs one comparison a read.
#[derive(Debug)]
pub(crate) struct Replayed<S> {
    stream: S,
    ahead: [u8; PREFACE.len()],
    heard: usize,
    replayed: usize,
}

impl<S> Replayed<S> {
    /// A connection of which nothing has been read.
    pub(super) fn nothing(stream: S) -> Self {
        Self { stream, ahead: [0; PREFACE.len()], heard: 0, replayed: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Replayed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.replayed < self.heard {
            let end = self.heard.min(self.replayed + buf.remaining());
            buf.put_slice(&self.ahead[self.replayed..end]);
            self.replayed = end;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Replayed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is heard in these pieces, and everything that is read afterwards.
    async fn heard(pieces: &[&[u8]]) -> Option<(Hello, Vec<u8>)> {
        use tokio::io::AsyncWriteExt;
        let (mut client, server) = tokio::io::duplex(1);
        let speak = async move {
            for piece in pieces {
                client.write_all(piece).await.unwrap();
            }
        };
        let listen = async {
            let (hello, mut stream) = hear(server).await.ok()?;
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            Some((hello, all))
        };
        tokio::join!(speak, listen).1
    }

    #[tokio::test]
    async fn protocols_are_told_apart_and_no_byte_is_lost() {
        let request = b"POST / HTTP/1.1\r\nhost: a\r\n\r\n";
        let preface = [&PREFACE[..], b"\0\0\0\x04\0\0\0\0\0"].concat();
        for (bytes, hello) in [
            (&request[..], Hello::Http1),
            (&preface, Hello::Http2),
            (b"\x16\x03\x01", Hello::Tls),
            (b"PRI * HTTP/2.1\r\n\r\n", Hello::Http1),
            (b"PRI * HTTP/2.0\r\n\r\nXX", Hello::Http1),
            (b"\0", Hello::Http1),
        ] {
            assert_eq!(heard(&[bytes]).await, Some((hello, bytes.to_vec())));
            let halves = bytes.split_at(bytes.len() / 2);
            assert_eq!(heard(&[halves.0, halves.1]).await, Some((hello, bytes.to_vec())));
        }
        assert_eq!(heard(&[]).await, None);
        assert_eq!(heard(&[b"PRI * HT"]).await, None);
    }
}
