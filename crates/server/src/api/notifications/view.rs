//! The shapes of channels and deliveries.

use crate::notices::Said;
use crate::view::moment;
use serde::{Deserialize, Serialize};
use store::{Channel, Message};
use utoipa::ToSchema;

/// A channel to be made, or what one is to be.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelBody {
    /// Whom it tells, for people.
    pub name: String,
    /// `webhook` (signed CloudEvents), `slack`, `teams` or `mail`; left out: webhook, or what it is.
    #[serde(default)]
    pub kind: Option<String>,
    /// A URL, kept sealed and not shown again; of mail the addresses, with commas between them. Left out in a change: it stays.
    #[serde(default)]
    pub address: Option<String>,
    /// `new-finding`, `new-vulnerability`, `fix-available`, `known-exploited`, `scan-problem`, `feed-stale`, `rule-expiring`,
    /// `score-drop`, `plan-change`, `access-change`; left out: all.
    #[serde(default)]
    pub kinds: Option<Vec<String>>,
    /// The part of the tree that it is told about; left out: everything.
    #[serde(default)]
    pub scope: Option<String>,
    /// Findings below are left out; left out: `unknown`, which is all of them.
    #[serde(default)]
    pub severity: Option<String>,
    /// Minutes that what is not urgent is gathered, 0 to 1440; left out: 60.
    #[serde(default)]
    pub digest_minutes: Option<u32>,
    /// Whether nothing is sent for now.
    #[serde(default)]
    pub paused: bool,
}

/// A channel, without what is secret of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChannelView {
    /// Row id.
    pub id: i64,
    /// Whom it tells.
    pub name: String,
    /// `webhook`, `slack`, `teams` or `mail`.
    pub kind: &'static str,
    /// What may be shown of its address; of mail all of it.
    pub target: String,
    /// What it is told of.
    pub kinds: Vec<&'static str>,
    /// The part of the tree that it is told about.
    pub scope: String,
    /// Findings below are left out.
    pub severity: &'static str,
    /// Minutes that what is not urgent is gathered.
    pub digest_minutes: u32,
    /// Whether nothing is sent.
    pub paused: bool,
    /// Since when every try failed; `null` = the last one did not.
    pub failing_since: Option<String>,
    /// Who made it.
    pub author: String,
    /// When it was made.
    pub created: Option<String>,
}

impl From<&Channel> for ChannelView {
    fn from(channel: &Channel) -> Self {
        let spec = &channel.spec;
        Self {
            id: channel.id,
            name: spec.name.clone(),
            kind: spec.kind.as_str(),
            target: spec.target.clone(),
            kinds: spec.kinds.iter().map(|kind| kind.as_str()).collect(),
            scope: spec.scope.to_path(),
            severity: spec.severity.as_str(),
            digest_minutes: spec.digest_minutes,
            paused: spec.paused,
            failing_since: moment(channel.failing),
            author: channel.author.clone(),
            created: moment(channel.since),
        }
    }
}

/// A channel that was just made, or that has another key now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MadeChannelView {
    /// What its messages are signed with, `whsec_…`: keep it now, it is not shown again. Empty where nothing is signed.
    pub key: String,
    /// The channel.
    pub channel: ChannelView,
}

/// A message and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeliveryView {
    /// Row id.
    pub id: i64,
    /// The id that its receiver sees, every time it is sent.
    pub message: String,
    /// Row id of the channel.
    pub channel: i64,
    /// Whom the channel tells.
    pub channel_name: String,
    /// `digest`, `urgent` or `test`.
    pub kind: String,
    /// Its first line.
    pub subject: String,
    /// How many facts it tells of.
    pub facts: usize,
    /// `waiting`, `delivered`, `given-up` or `dropped`.
    pub state: &'static str,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was made.
    pub created: Option<String>,
    /// When it is tried next; `null` if it is not.
    pub next_try: Option<String>,
    /// When it was delivered or given up.
    pub finished: Option<String>,
    /// What went wrong the last time, or whom a relay that took the mail refused; or empty.
    pub error: String,
}

impl DeliveryView {
    /// Shows a message of a channel.
    pub fn of(message: &Message, channel: &Channel) -> Self {
        let said: Said = serde_json::from_str(&message.body).unwrap_or_default();
        let waits = message.state == store::MessageState::Waiting;
        Self {
            id: message.id,
            message: message.uid.clone(),
            channel: channel.id,
            channel_name: channel.spec.name.clone(),
            kind: message.kind.clone(),
            subject: said.subject(),
            facts: said.items.len() + said.more,
            state: message.state.as_str(),
            attempts: message.attempt,
            created: moment(message.at),
            next_try: moment(message.due).filter(|_| waits),
            finished: moment(message.finished),
            error: message.error.clone(),
        }
    }
}
