//! Layers are read while their upload arrives.
//!
//! In: the uploads under way in this process.
//! Out: layers kept under the digest that their bytes turned out to have, before any job asks for them.
//! A reader follows the staged file on its own: an upload never waits for it, and what it learns from an upload that is not
//! committed is dropped.

use crate::error::in_full;
use crate::layers::Turn;
use crate::sandbox::{Nameless, Sandbox};
use crate::{Error, Layers};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use model::Digest;
use model::manifest::{HEAD_BYTES, unpacks};
use std::io;
use std::time::Duration;
use store::{End, Follower, StagedUpload};
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Uploads that are followed at a time, those that wait for a child included.
const FOLLOWED: usize = 64;
/// An upload that stands still as long as this is left to the job that follows it.
const IDLE: Duration = Duration::from_secs(10);
/// An upload slower than this would keep others from being read early.
const LONGEST: Duration = Duration::from_secs(120);

/// Follows uploads until the end is asked for.
pub async fn early_reader(layers: Layers, shutdown: CancellationToken) {
    let sandbox = layers.sandbox().beside(layers.sandbox().settings().children);
    let mut uploads = layers.store().staging().subscribe();
    let mut following = JoinSet::new();
    loop {
        tokio::select! {
            upload = uploads.recv() => match upload {
                Ok(upload) if following.len() < FOLLOWED => {
                    following.spawn(follow(layers.clone(), sandbox.clone(), upload));
                }
                // Too many at a time: the job reads what was passed over.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            Some(_) = following.join_next() => {}
            () = shutdown.cancelled() => return,
        }
    }
}

async fn follow(layers: Layers, sandbox: Sandbox, upload: StagedUpload) {
    let Some(follower) = layers.store().staging().follow(upload.id) else { return };
    // Where the plan is off nothing is read; without an answer the job that comes decides.
    if !matches!(layers.store().is_scanned(upload.registry).await, Ok(true)) {
        return;
    }
    match timeout(LONGEST, read(&layers, &sandbox, follower)).await {
        Ok(Ok(Some(digest))) => tracing::debug!(repository = upload.repository, %digest, "layer read while it arrived"),
        Ok(Ok(None)) => {}
        Ok(Err(error)) => tracing::debug!(error = in_full(&error), "an upload was not read early"),
        Err(_) => tracing::debug!("an upload is too slow to be read early"),
    }
}

/// Reads an upload as it arrives; returns the digest under which its layer was kept.
async fn read(layers: &Layers, sandbox: &Sandbox, mut follower: Follower) -> Result<Option<Digest>, Error> {
    let Some(head) = head(&mut follower).await? else { return Ok(None) };
    let mut arriving = Arriving { layers, follower, turn: Next::Unknown };
    let rest = stream::unfold(&mut arriving, |arriving| async {
        let piece = arriving.next().await?;
        Some((piece, arriving))
    });
    let input = stream::iter(head.into_iter().map(Ok)).chain(rest);
    let read = sandbox.read_arriving(input).await?;
    arriving.keep(read).await
}

/// Returns the first pieces of an upload if it looks like a layer.
async fn head(follower: &mut Follower) -> Result<Option<Vec<Bytes>>, Error> {
    let mut pieces: Vec<Bytes> = Vec::new();
    let mut start = Vec::with_capacity(HEAD_BYTES);
    while start.len() < HEAD_BYTES {
        let Ok(Some(piece)) = timeout(IDLE, follower.next()).await else { break };
        let piece = piece.map_err(|source| crate::sandbox::Error::Input { source })?;
        start.extend(piece.iter().take(HEAD_BYTES - start.len()));
        pieces.push(piece);
    }
    Ok(unpacks(&start).then_some(pieces))
}

/// An upload that is being read.
struct Arriving<'a> {
    layers: &'a Layers,
    follower: Follower,
    turn: Next,
}

/// Who keeps the layer, known once the upload ended.
enum Next {
    Unknown,
    /// We do: a job that wants it waits for us. The upload has so many bytes.
    Ours(Turn, u64),
    /// A job reads it already, or the upload came to nothing.
    NotOurs,
}

impl Arriving<'_> {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        // An upload that ended while we waited for a child is known by its digest from now on.
        if matches!(self.turn, Next::Unknown)
            && let Some(end) = self.follower.end().now_or_never()
        {
            self.ended(end);
        }
        if matches!(self.turn, Next::NotOurs) {
            return Some(Err(io::Error::other("the upload came to nothing, or a job reads it")));
        }
        match timeout(IDLE, self.follower.next()).await {
            Ok(Some(piece)) => Some(piece),
            Ok(None) => {
                if matches!(self.turn, Next::Unknown) {
                    let end = self.follower.end().await;
                    self.ended(end);
                }
                None
            }
            Err(_) => Some(Err(io::ErrorKind::TimedOut.into())),
        }
    }

    fn ended(&mut self, end: End) {
        self.turn = match end {
            End::Committed { digest, bytes } => match self.layers.turn(&digest) {
                Ok(turn) => Next::Ours(turn, bytes),
                Err(_) => Next::NotOurs,
            },
            End::Dropped => Next::NotOurs,
        };
    }

    /// Keeps a layer under the digest that its receiver found, if the upload was committed and every byte of it was read.
    async fn keep(self, read: Nameless) -> Result<Option<Digest>, Error> {
        let Next::Ours(turn, bytes) = self.turn else { return Ok(None) };
        if read.bytes != bytes {
            return Ok(None);
        }
        let digest = turn.digest().clone();
        let outcome = read.named(digest.clone());
        if outcome.wants_second_try() {
            return Ok(None);
        }
        self.layers.keep(outcome, false).await?;
        Ok(Some(digest))
    }
}
