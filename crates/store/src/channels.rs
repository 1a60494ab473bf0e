//! Channels: where people are told of something, of what, for which part of the tree.
//!
//! In: what somebody wants to be told. Out: the channels, without what is secret of them; that is sealed in the row.

use crate::engine::{Row, Value, values};
use crate::sealing::SealingKey;
use crate::write::Write;
use crate::{Audit, Caller, Error, Result, Store};
use model::facts::Id;
use model::notice::{ChannelKind, Kind};
use model::role::Scope;
use model::{Micros, Severity};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The secret that addresses and keys are sealed with.
const KEY: &str = "notices";

/// What a channel is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelSpec {
    /// Name for people.
    pub name: String,
    /// How it is spoken to.
    pub kind: ChannelKind,
    /// What may be shown of its address.
    pub target: String,
    /// What it is told of.
    pub kinds: Vec<Kind>,
    /// The part of the tree that it is told about.
    pub scope: Scope,
    /// Findings below this severity are left out.
    pub severity: Severity,
    /// Minutes that what is not urgent is gathered.
    pub digest_minutes: u32,
    /// Whether an operator allowed an address inside.
    pub internal: bool,
    /// Whether nothing is sent.
    pub paused: bool,
}

/// A channel as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Row id.
    pub id: Id,
    /// What it is.
    pub spec: ChannelSpec,
    /// Who made it.
    pub author: String,
    /// When it was made: it is told of nothing before.
    pub since: Micros,
    /// Since when every try failed; 0 = the last one did not.
    pub failing: Micros,
}

/// What nobody is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct ChannelSecret {
    /// The whole address.
    pub address: String,
    /// What messages are signed with, the newest first; text of the form `whsec_…`.
    pub keys: Vec<String>,
    /// Until when an older key is used as well.
    pub old_until: Micros,
}

const COLUMNS: &str =
    "id, name, kind, target, kinds, scope, severity, digest, internal, paused, author, since, failing";

impl Store {
    /// Lists the channels, the oldest first.
    pub async fn channels(&self) -> Result<Vec<Channel>> {
        let sql = format!("SELECT {COLUMNS} FROM channel WHERE until = $1 ORDER BY id");
        self.engine().all(&sql, values![Micros::FOREVER]).await?.iter().map(read).collect()
    }

    /// Returns a channel.
    pub async fn channel(&self, id: Id) -> Result<Option<Channel>> {
        let sql = format!("SELECT {COLUMNS} FROM channel WHERE until = $1 AND id = $2");
        self.engine().one(&sql, values![Micros::FOREVER, id]).await?.as_ref().map(read).transpose()
    }

    /// Makes a channel.
    pub async fn add_channel(&self, spec: &ChannelSpec, secret: &ChannelSecret, by: &Caller) -> Result<Id> {
        let key = self.channel_key().await?;
        let mut write = self.write().await?;
        let sql = "INSERT INTO channel (name, kind, target, kinds, scope, severity, digest, internal, paused, author, since, until, secret, failing)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0) RETURNING id";
        let mut values = columns(spec).to_vec();
        values.extend([(&by.actor).into(), write.now.into(), Micros::FOREVER.into(), Vec::new().into()]);
        let id = write.tx.int(sql, &values).await?;
        seal(&mut write, &key, id, secret).await?;
        audit(&mut write, by, "channel.create", None, Some(spec)).await?;
        write.commit().await?;
        Ok(id)
    }

    /// Lets a channel be something else; `secret` where its address or keys are others.
    pub async fn change_channel(
        &self,
        id: Id,
        spec: &ChannelSpec,
        secret: Option<&ChannelSecret>,
        by: &Caller,
    ) -> Result<()> {
        let key = self.channel_key().await?;
        let mut write = self.write().await?;
        let before = live(&mut write, id).await?;
        let sql = "UPDATE channel SET name = $1, kind = $2, target = $3, kinds = $4, scope = $5, severity = $6, digest = $7, internal = $8, paused = $9,
            failing = 0 WHERE id = $10";
        let mut values = columns(spec).to_vec();
        values.push(id.into());
        write.run(sql, &values).await?;
        if let Some(secret) = secret {
            seal(&mut write, &key, id, secret).await?;
        }
        audit(&mut write, by, "channel.change", Some(&before.spec), Some(spec)).await?;
        write.commit().await?;
        Ok(())
    }

    /// Takes one kind of notice out of a channel; false if it was not told of it.
    pub async fn mute_channel(&self, id: Id, kind: Kind, by: &Caller) -> Result<bool> {
        let mut write = self.write().await?;
        let before = live(&mut write, id).await?.spec;
        if !before.kinds.contains(&kind) {
            return Ok(false);
        }
        let kinds = before.kinds.iter().copied().filter(|k| *k != kind).collect();
        let after = ChannelSpec { kinds, ..before.clone() };
        write.run("UPDATE channel SET kinds = $2 WHERE id = $1", values![id, words(&after.kinds)]).await?;
        let waiting = "DELETE FROM notice WHERE channel = $1 AND kind = $2 AND message = 0";
        write.run(waiting, values![id, kind.as_str()]).await?;
        audit(&mut write, by, "channel.mute", Some(&before), Some(&after)).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Takes a channel away, with what waits for it.
    pub async fn end_channel(&self, id: Id, by: &Caller) -> Result<()> {
        let mut write = self.write().await?;
        let before = live(&mut write, id).await?;
        let sql = "UPDATE channel SET until = $2, secret = $3 WHERE id = $1";
        write.run(sql, values![id, write.now, Vec::new()]).await?;
        write.run("DELETE FROM notice WHERE channel = $1 AND message = 0", values![id]).await?;
        write.run("DELETE FROM told WHERE channel = $1", values![id]).await?;
        let drop = "UPDATE outbox SET state = 3, finished = $2 WHERE channel = $1 AND state = 0";
        write.run(drop, values![id, write.now]).await?;
        audit(&mut write, by, "channel.delete", Some(&before.spec), None).await?;
        write.commit().await?;
        Ok(())
    }

    /// Returns what nobody is shown of a channel.
    pub async fn channel_secret(&self, id: Id) -> Result<ChannelSecret> {
        let absent = || Error::NotFound { what: "channel", name: id.to_string() };
        let sql = "SELECT secret FROM channel WHERE id = $1 AND until = $2";
        let row = self.engine().one(sql, values![id, Micros::FOREVER]).await?.ok_or_else(absent)?;
        let lost = || Error::damaged("address of a channel", "it was sealed with another key; set it once more");
        let opened = self.channel_key().await?.open(&sealed_as(id), &row.blob(0)?).ok_or_else(lost)?;
        serde_json::from_slice(&opened).map_err(|_| lost())
    }

    pub(crate) async fn channel_key(&self) -> Result<SealingKey> {
        let key = self.secret(KEY).await?.try_into();
        SealingKey::of(&key.map_err(|_| Error::damaged("secret", "it has another length"))?)
    }
}

fn sealed_as(id: Id) -> String {
    format!("channel:{id}")
}

async fn seal(write: &mut Write<'_>, key: &SealingKey, id: Id, secret: &ChannelSecret) -> Result<()> {
    let sealed = key.seal(&sealed_as(id), json!(secret).to_string().as_bytes())?;
    write.run("UPDATE channel SET secret = $2 WHERE id = $1", values![id, sealed]).await?;
    Ok(())
}

async fn live(write: &mut Write<'_>, id: Id) -> Result<Channel> {
    let sql = format!("SELECT {COLUMNS} FROM channel WHERE until = $1 AND id = $2");
    let row = write.one(&sql, values![Micros::FOREVER, id]).await?;
    read(&row.ok_or_else(|| Error::NotFound { what: "channel", name: id.to_string() })?)
}

fn words(kinds: &[Kind]) -> String {
    kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(",")
}

fn columns(spec: &ChannelSpec) -> [Value; 9] {
    [
        (&spec.name).into(),
        spec.kind.as_str().into(),
        (&spec.target).into(),
        words(&spec.kinds).into(),
        spec.scope.to_path().into(),
        (spec.severity as u8).into(),
        i64::from(spec.digest_minutes).into(),
        spec.internal.into(),
        spec.paused.into(),
    ]
}

/// Reads a channel from the columns of `COLUMNS`.
fn read(row: &Row) -> Result<Channel> {
    let (kind, scope) = (row.text(2)?, row.text(5)?);
    let spec = ChannelSpec {
        name: row.text(1)?,
        kind: ChannelKind::parse(&kind).ok_or_else(|| Error::damaged("kind of a channel", &kind))?,
        target: row.text(3)?,
        kinds: row.text(4)?.split(',').filter_map(Kind::parse).collect(),
        scope: Scope::parse(&scope).ok_or_else(|| Error::damaged("scope of a channel", &scope))?,
        severity: Severity::from_number(row.int(6)?),
        digest_minutes: u32::try_from(row.int(7)?).unwrap_or(60),
        internal: row.int(8)? != 0,
        paused: row.int(9)? != 0,
    };
    Ok(Channel { id: row.int(0)?, spec, author: row.text(10)?, since: row.at(11)?, failing: row.at(12)? })
}

async fn audit(
    write: &mut Write<'_>,
    by: &Caller,
    action: &str,
    before: Option<&ChannelSpec>,
    after: Option<&ChannelSpec>,
) -> Result<()> {
    let shown = |spec: Option<&ChannelSpec>| {
        spec.map_or(serde_json::Value::Null, |spec| {
            json!({"kind": spec.kind.as_str(), "target": spec.target, "kinds": words(&spec.kinds), "severity": spec.severity.as_str(),
                "digest_minutes": spec.digest_minutes, "internal": spec.internal, "paused": spec.paused})
        })
    };
    let Some(named) = after.or(before) else { return Ok(()) };
    let line =
        Audit { by, action, object: &named.name, scope: &named.scope, before: shown(before), after: shown(after) };
    write.audit(&line).await
}
