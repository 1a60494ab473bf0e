//! How a connection comes to speak TLS.
//!
//! In: a connection. Out: the same after the handshake. Who speaks plain HTTP is told so in plain HTTP. How long it may take is the
//! caller's to say.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The first byte of a TLS connection: a record of a handshake.
const HANDSHAKE: u8 = 0x16;

/// What a client of plain HTTP is told.
const SPEAKS_TLS: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: 60\r\n\r\n\
this port speaks TLS; write the address with https:// first\n";

/// Shakes hands with a client.
pub async fn shake(mut stream: TcpStream, acceptor: &TlsAcceptor) -> std::io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    if stream.peek(&mut first).await? > 0 && first[0].is_ascii_uppercase() {
        stream.write_all(SPEAKS_TLS).await?;
        stream.shutdown().await?;
        return Err(std::io::Error::other("it speaks plain HTTP"));
    }
    if first[0] != HANDSHAKE {
        return Err(std::io::Error::other("it does not speak TLS"));
    }
    acceptor.accept(stream).await
}
