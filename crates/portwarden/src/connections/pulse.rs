//! Whether the client of a connection does its part.
//!
//! In: bytes as they are written, requests as they begin and end. Out: when the connection is over unless something happens before.
//! Nothing under way: the client has to ask. An answer that is not read: it has to read. Anything else is ours to do, and takes what it takes.

use super::Limits;
use axum::body::{Body, Bytes};
use hyper::body::{Frame, Incoming, SizeHint};
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What is known of a connection.
pub struct Pulse(Mutex<State>);

struct State {
    /// Requests that are not answered to the end.
    under_way: usize,
    /// Whether there ever was one.
    asked: bool,
    /// Since when nothing is under way and nothing was written.
    quiet: Instant,
    /// Since when the client takes nothing.
    stuck: Option<Instant>,
}

impl Pulse {
    pub fn new() -> Self {
        Self(Mutex::new(State { under_way: 0, asked: false, quiet: Instant::now(), stuck: None }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request, which is under way until what is returned is dropped.
    pub fn begin(self: &Arc<Self>) -> UnderWay {
        let mut state = self.state();
        state.under_way += 1;
        state.asked = true;
        UnderWay(self.clone())
    }

    /// Returns when the connection is over, as it stands now; `None`: it is not the client that is waited for.
    pub fn end(&self, limits: &Limits) -> Option<Instant> {
        let state = self.state();
        match state.stuck {
            Some(since) => Some(since + limits.stall),
            None if state.under_way > 0 => None,
            None => Some(state.quiet + if state.asked { limits.idle } else { limits.header }),
        }
    }

    /// Returns when to ask for the end again: it may come nearer meanwhile.
    pub fn look(&self, limits: &Limits) -> Instant {
        let later = Instant::now() + limits.header.min(limits.idle).min(limits.stall);
        self.end(limits).map_or(later, |end| end.min(later))
    }

    /// Notes how an attempt to write went.
    fn wrote<T>(&self, outcome: Poll<T>) -> Poll<T> {
        let mut state = self.state();
        if outcome.is_pending() {
            state.stuck.get_or_insert_with(Instant::now);
        } else {
            state.stuck = None;
            // What is left of an answer may be on its way long after it was made. Before the first request there is none.
            if state.asked {
                state.quiet = Instant::now();
            }
        }
        outcome
    }
}

/// A request that is under way.
pub struct UnderWay(Arc<Pulse>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.under_way -= 1;
        state.quiet = Instant::now();
    }
}

/// A stream whose writes are noted.
pub struct Watched<S> {
    stream: S,
    pulse: Arc<Pulse>,
}

impl<S> Watched<S> {
    pub fn new(stream: S, pulse: Arc<Pulse>) -> Self {
        Self { stream, pulse }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.pulse.wrote(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.pulse.wrote(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A request's body that ends with an error when no byte came for too long.
pub struct Patient {
    body: Incoming,
    patience: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    waits: bool,
}

impl Patient {
    pub fn new(body: Incoming, patience: Duration) -> Self {
        Self { body, patience, sleep: None, waits: false }
    }
}

impl hyper::body::Body for Patient {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.waits = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)));
        }
        let end = Instant::now() + this.patience;
        let sleep = this.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        if !std::mem::replace(&mut this.waits, true) {
            sleep.as_mut().reset(end);
        }
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Some(Err("no byte of the body came for too long".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body with the request that it belongs to, which is under way until the body ends.
pub struct Held {
    body: Body,
    _under_way: UnderWay,
}

impl Held {
    pub fn new(body: Body, under_way: UnderWay) -> Self {
        Self { body, _under_way: under_way }
    }
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
