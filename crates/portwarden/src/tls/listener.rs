//! Connections that speak TLS.
//!
//! In: a bound socket. Out: connections whose handshake is done. Each handshake runs by itself and is given up after a while, so
//! that a client that says nothing holds up nobody. Who speaks plain HTTP is told so in plain HTTP.

use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A handshake takes two round trips.
const PATIENCE: Duration = Duration::from_secs(10);
/// Handshakes at a time; each holds a few tens of kilobytes.
const HANDSHAKES: usize = 512;
/// Connections that may wait to be taken.
const WAITING: usize = 64;
/// The first byte of a TLS connection: a record of a handshake.
const HANDSHAKE: u8 = 0x16;
/// How long to wait when the system gives no more connections.
const BREATH: Duration = Duration::from_secs(1);

/// What a client of plain HTTP is told.
const SPEAKS_TLS: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: 60\r\n\r\n\
this port speaks TLS; write the address with https:// first\n";

/// A socket whose connections speak TLS.
pub struct Listener {
    address: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl Listener {
    /// Begins to take connections.
    pub fn new(socket: TcpListener, config: Arc<ServerConfig>) -> std::io::Result<Self> {
        let (done, ready) = mpsc::channel(WAITING);
        let address = socket.local_addr()?;
        tokio::spawn(take(socket, TlsAcceptor::from(config), done));
        Ok(Self { address, ready })
    }
}

impl axum::serve::Listener for Listener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // The task that takes connections ends only after this does.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}

async fn take(socket: TcpListener, acceptor: TlsAcceptor, done: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>) {
    let places = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = done.closed() => return,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let (acceptor, done) = (acceptor.clone(), done.clone());
        tokio::spawn(async move {
            let shaken = tokio::time::timeout(PATIENCE, shake(stream, &acceptor)).await;
            drop(place);
            match shaken {
                Ok(Ok(stream)) => drop(done.send((stream, from)).await),
                Ok(Err(error)) => tracing::debug!(%from, %error, "no TLS connection came about"),
                Err(_) => tracing::debug!(%from, "a TLS handshake took too long"),
            }
        });
    }
}

async fn shake(mut stream: TcpStream, acceptor: &TlsAcceptor) -> std::io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    if stream.peek(&mut first).await? > 0 && first[0].is_ascii_uppercase() {
        stream.write_all(SPEAKS_TLS).await?;
        stream.shutdown().await?;
        return Err(std::io::Error::other("it speaks plain HTTP"));
    }
    if first[0] != HANDSHAKE {
        return Err(std::io::Error::other("it does not speak TLS"));
    }
    stream.set_nodelay(true)?;
    acceptor.accept(stream).await
}
