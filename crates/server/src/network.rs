//! The network as a parameter: where connections come from.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// Connections that may wait for the listener to come round.
const BACKLOG: u32 = 1024;

/// Gives addresses to listen on.
pub trait Network {
    /// What listens.
    type Listener: Listener;

    /// Takes an address.
    ///
    /// # Errors
    /// The operating system's, such as for an address in use.
    fn bind(&self, address: SocketAddr) -> io::Result<Self::Listener>;
}

/// Takes connections.
pub trait Listener: Send + Sync + 'static {
    /// A connection.
    type Stream: Stream;

    /// The address that it has taken.
    ///
    /// # Errors
    /// The operating system's.
    fn address(&self) -> io::Result<SocketAddr>;

    /// Waits for the next connection.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// A connection.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Prepares a connection that is to be served.
    ///
    /// # Errors
    /// When the client has gone already.
    fn prepare(&self) -> io::Result<()>;

    /// Says a word to a client that is not served, if it can be said at once.
    fn say(&self, word: &[u8]);
}

/// The operating system's.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNetwork;

impl Network for SystemNetwork {
    type Listener = TcpListener;

    fn bind(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let socket = match address {
            SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
            SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
        };
        // A server that was stopped a moment ago has left connections behind that would keep the port.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    fn address(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }

    async fn accept(&self) -> io::Result<TcpStream> {
        Self::accept(self).await.map(|(stream, _)| stream)
    }
}

impl Stream for TcpStream {
    fn prepare(&self) -> io::Result<()> {
        self.set_nodelay(true)
    }

    fn say(&self, word: &[u8]) {
        // A fresh connection takes this much at once; if not, closing says the same.
        let _sent = self.try_write(word);
    }
}
