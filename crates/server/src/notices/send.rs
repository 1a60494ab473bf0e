//! From the outbox to the receivers.
//!
//! In: notices whose time has come, messages that wait. Out: each sent by one process at a time, under a lease; a receiver that is
//! slow or away holds up its own channel alone. What a receiver took is noted after its answer: a process that dies in between has
//! the same message, under the same id, sent once more.

use super::http::{self, Sent};
use super::item::Said;
use super::{mail, shapes};
use model::Micros;
use model::notice::ChannelKind;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Channel, Message, Store};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often is looked.
const LOOK: Duration = Duration::from_millis(500);
/// How often what is old is forgotten.
const FORGET: Duration = Duration::from_secs(3_600);
/// Messages that are under way at once.
const AT_ONCE: usize = 16;

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// What went wrong.
    pub why: String,
    /// Whether another try is of no use.
    pub for_good: bool,
}

impl Failed {
    /// It is of no use to try again.
    pub fn for_good(why: String) -> Self {
        Self { why, for_good: true }
    }

    /// It may go better later.
    pub fn again(why: String) -> Self {
        Self { why, for_good: false }
    }
}

/// What sending needs.
struct Sender {
    store: Store,
    now: fn() -> Micros,
}

/// Sends until the end; what is under way then is finished.
pub async fn send(store: Store, now: fn() -> Micros, shutdown: CancellationToken) {
    let sender = Arc::new(Sender { store, now });
    let mut under_way: JoinSet<()> = JoinSet::new();
    let mut forgotten: Option<Instant> = None;
    while !shutdown.is_cancelled() {
        if let Err(error) = sender.look(&mut under_way).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "messages have to wait");
        }
        if forgotten.is_none_or(|at| at.elapsed() > FORGET) {
            forgotten = Some(Instant::now());
            if let Err(error) = sender.store.forget_notices().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "old messages stay for now");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = under_way.join_next(), if !under_way.is_empty() => {}
            () = shutdown.cancelled() => {}
        }
    }
    while under_way.join_next().await.is_some() {}
}

impl Sender {
    /// Makes messages of what is due, and begins to send those whose turn it is.
    async fn look(self: &Arc<Self>, under_way: &mut JoinSet<()>) -> store::Result<()> {
        self.store.compose().await?;
        while under_way.len() < AT_ONCE {
            let Some(message) = self.store.claim_message().await? else { return Ok(()) };
            let sender = Arc::clone(self);
            under_way.spawn(async move { sender.deliver_or_warn(&message).await });
        }
        Ok(())
    }

    async fn deliver_or_warn(&self, message: &Message) {
        if let Err(error) = self.deliver(message).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, message = message.uid, "what became of a message is not noted; it comes again");
        }
    }

    async fn deliver(&self, message: &Message) -> store::Result<()> {
        let Some(channel) = self.store.channel(message.channel).await? else { return Ok(()) };
        let name = &channel.spec.name;
        match self.carry(&channel, message).await {
            Ok(but) => {
                self.store.delivered(message, &but).await?;
                tracing::info!(channel = name, message = message.uid, kind = message.kind, but, "told");
            }
            Err(Failed { why, for_good }) => {
                let again = self.store.not_delivered(message, &why, for_good).await?;
                let again = again.map_or_else(|| "never".to_owned(), Micros::rfc3339);
                tracing::warn!(channel = name, message = message.uid, why, again, "a message was not delivered");
            }
        }
        Ok(())
    }

    /// The name of this installation: the same for every process, so that a message that is sent twice is the same.
    async fn source(&self) -> Result<String, Failed> {
        let secret = self.store.secret("installation").await.map_err(|error| Failed::again(error.to_string()))?;
        let name = secret.first_chunk().map_or(Uuid::nil(), |bytes| Uuid::new_v8(*bytes));
        Ok(name.urn().to_string())
    }

    /// Sends once. Returns what is to be said although it was taken.
    async fn carry(&self, channel: &Channel, message: &Message) -> Result<String, Failed> {
        let unread = |error: store::Error| Failed::again(error.to_string());
        let secret = self.store.channel_secret(channel.id).await.map_err(unread)?;
        let said: Said = serde_json::from_str(&message.body)
            .map_err(|_| Failed::for_good("the message was written by another version and cannot be read".into()))?;
        let json = "application/json";
        let (media_type, body) = match channel.spec.kind {
            ChannelKind::Mail => {
                let relay = self.store.mail_relay().await.map_err(unread)?;
                let relay = relay.ok_or_else(|| Failed::again("no mail relay is named".into()))?;
                return mail::send(&relay, &secret.address, channel, message, &said).await;
            }
            ChannelKind::Webhook => (
                "application/cloudevents+json; charset=utf-8",
                shapes::event(message, channel, &said, &self.source().await?),
            ),
            ChannelKind::Slack => (json, shapes::slack(&said)),
            ChannelKind::Teams => (json, shapes::teams(&said)),
        };
        let sent = Sent { uid: message.uid.clone(), media_type, body: body.to_string() };
        let signs = channel.spec.kind == ChannelKind::Webhook;
        http::send(&secret, channel.spec.internal, sent, signs, (self.now)()).await.map(|()| String::new())
    }
}
