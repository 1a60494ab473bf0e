//! Connections: taken, served, and ended when their client is too slow.
//!
//! In: a bound socket, TLS or none, the routes. Out: requests with their peer, over HTTP/1.1 and HTTP/2, until the end is asked for and those
//! under way are answered. No limit is one on the whole of a request or an answer: an upload may take hours, an answer may never end, as
//! long as the other side does its part.

mod places;
mod pulse;

use crate::proxy::Remote;
use crate::settings;
use crate::tls;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use model::network::Network;
use places::Places;
use pulse::{Held, Patient, Pulse, Watched};
use rustix::process::{Resource, Rlimit};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// Connections at a time, where the system allows as many; each holds a descriptor and some tens of kilobytes.
const CONNECTIONS: usize = 4096;
/// Descriptors that are asked of the system: a pull holds two, a scan some tens.
const DESCRIPTORS: u64 = 16_384;
/// A handshake takes two round trips.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Requests at a time on a connection of HTTP/2; podman and browsers use a few tens.
const STREAMS: u32 = 200;
/// How often the other end of a connection of HTTP/2 with a request under way is asked whether it is there.
const PING: Duration = Duration::from_secs(20);
/// How long to wait when the system gives no more connections.
const BREATH: Duration = Duration::from_secs(1);

/// How many clients there may be, and how slow.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time.
    connections: usize,
    /// Connections at a time from an address; of IPv6, from a network of 64 bits.
    of_address: usize,
    /// From a connection to the end of its first request's header.
    header: Duration,
    /// From an answer to the end of the next request's header.
    idle: Duration,
    /// Between two bytes of a request's body.
    body: Duration,
    /// How long a client may read nothing of an answer.
    stall: Duration,
}

impl Limits {
    /// Reads them from the settings, and raises the number of descriptors that this process may hold.
    pub fn of(chosen: &settings::limits::Limits) -> Self {
        let number = |name| chosen.get(name).map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let connections = number("connections").unwrap_or_else(|| CONNECTIONS.min(descriptors() / 2)).max(1);
        Self {
            connections,
            of_address: number("connections_of_address").unwrap_or(connections / 2).clamp(1, connections),
            header: seconds(chosen.get("header_seconds"), 10),
            // Proxies keep a connection for a minute: who closes first should be the one that sends.
            idle: seconds(chosen.get("idle_seconds"), 75),
            body: Duration::from_secs(60),
            // The system tells of room in its buffer once a third is free, which a slow line needs minutes for.
            stall: Duration::from_secs(300),
        }
    }
}

fn seconds(chosen: Option<u64>, default: u64) -> Duration {
    Duration::from_secs(chosen.unwrap_or(default).clamp(1, 86_400))
}

/// Raises the number of descriptors as far as the system lets, and returns it.
fn descriptors() -> usize {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(u64::MAX).min(DESCRIPTORS);
    let mut current = limit.current.unwrap_or(u64::MAX);
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
    if current < wanted && rustix::process::setrlimit(Resource::Nofile, raised).is_ok() {
        current = wanted;
    }
    usize::try_from(current).unwrap_or(usize::MAX)
}

/// What serves each connection.
#[derive(Clone)]
struct Door {
    app: Router,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    shutdown: CancellationToken,
}

/// Serves until the end is asked for, and requests under way are answered. `trusted`: proxies, which speak for many.
pub async fn serve(
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    app: Router,
    limits: Limits,
    trusted: Arc<[Network]>,
    shutdown: CancellationToken,
) {
    let places = Places::new(limits.connections, limits.of_address, trusted);
    let door = Door { app, tls, limits, shutdown: shutdown.clone() };
    let open = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = places.accept(&socket) => accepted,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok(Some((stream, from, place))) => {
                let door = door.clone();
                open.spawn(async move {
                    door.open(stream, from).await;
                    drop(place);
                });
            }
            Ok(None) => {}
            Err(error) if is_of_one_client(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    drop(socket);
    open.close();
    open.wait().await;
}

/// Whether a failure to take a connection concerns that connection alone.
fn is_of_one_client(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

impl Door {
    /// Serves one connection to its end.
    async fn open(&self, stream: TcpStream, from: SocketAddr) {
        let _ = stream.set_nodelay(true);
        let remote = |secure| Remote { address: from.ip().to_canonical(), secure };
        let Some(acceptor) = &self.tls else { return self.speak(stream, remote(false)).await };
        match tokio::time::timeout(HANDSHAKE, tls::shake(stream, acceptor)).await {
            Ok(Ok(stream)) => self.speak(stream, remote(true)).await,
            Ok(Err(error)) => tracing::debug!(%from, %error, "no TLS connection came about"),
            Err(_) => tracing::debug!(%from, "a TLS handshake took too long"),
        }
    }

    /// Speaks HTTP on a connection until it is over or its client too slow.
    async fn speak<S>(&self, stream: S, remote: Remote)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let pulse = Arc::new(Pulse::new());
        let mut builder = Builder::new(TokioExecutor::new());
        // The pulse knows how long a header may take, with HTTP/2 and before the version is known as well.
        builder.http1().timer(TokioTimer::new()).header_read_timeout(None);
        builder.http2().timer(TokioTimer::new()).keep_alive_interval(PING).keep_alive_timeout(PING);
        builder.http2().max_concurrent_streams(STREAMS);
        let stream = TokioIo::new(Watched::new(stream, pulse.clone()));
        let mut connection = pin!(builder.serve_connection(stream, self.service(&pulse, remote)));
        let mut leaving = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::trace!(%error, "a connection broke");
                    }
                    return;
                }
                () = self.shutdown.cancelled(), if !leaving => {
                    leaving = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = tokio::time::sleep_until(pulse.look(&self.limits)) => {
                    if pulse.end(&self.limits).is_some_and(|end| end <= Instant::now()) {
                        tracing::debug!(address = %remote.address, "a connection ended: its client was too slow");
                        return;
                    }
                }
            }
        }
    }

    /// Hands the requests of a connection to the routes, and has their bodies watched.
    fn service(
        &self,
        pulse: &Arc<Pulse>,
        remote: Remote,
    ) -> impl Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send> + use<> {
        let (app, pulse, patience) = (self.app.clone(), pulse.clone(), self.limits.body);
        service_fn(move |request: Request<Incoming>| {
            let under_way = pulse.begin();
            let mut request = request.map(|body| Body::new(Patient::new(body, patience)));
            request.extensions_mut().insert(ConnectInfo(remote));
            let app = app.clone();
            async move {
                let answer = app.oneshot(request).await?;
                Ok(answer.map(|body| Body::new(Held::new(body, under_way))))
            }
        })
    }
}

#[cfg(test)]
mod tests;
