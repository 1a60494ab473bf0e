//! The mail relay that notices go by: one for the installation.
//!
//! In: what an owner says of it. Out: the same; where it is kept, it is sealed as the addresses of channels are.

use crate::engine::values;
use crate::sealing::SealingKey;
use crate::{Audit, Caller, Error, Result, Store};
use model::notice::MailSafety;
use model::role::Scope;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The name under which it is kept, and which its seal is bound to.
const NAME: &str = "mail-relay";
/// What stands before the sealed relay: the seal of a key file goes around both.
const FORM: &[u8] = b"1";

/// A mail relay.
#[derive(Clone, PartialEq, Eq)]
pub struct MailRelay {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the way to it is made safe.
    pub safety: MailSafety,
    /// Who signs in there; empty = nobody.
    pub user: String,
    /// With what.
    pub password: String,
    /// Where mail comes from.
    pub from: String,
}

/// As it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    host: String,
    port: u16,
    tls: String,
    user: String,
    password: String,
    from: String,
}

impl Store {
    /// Returns the mail relay; `None` = none is named.
    pub async fn mail_relay(&self) -> Result<Option<MailRelay>> {
        let Some(value) = self.kept_secret(NAME).await? else { return Ok(None) };
        let lost = || Error::damaged("mail relay", "it was sealed with another key; name it once more");
        let sealed = value.strip_prefix(FORM).ok_or_else(lost)?;
        let opened = self.channel_key().await?.open(NAME, sealed).ok_or_else(lost)?;
        let kept: Kept = serde_json::from_slice(&opened).map_err(|_| lost())?;
        let Kept { host, port, tls, user, password, from } = kept;
        let safety = MailSafety::parse(&tls).ok_or_else(lost)?;
        Ok(Some(MailRelay { host, port, safety, user, password, from }))
    }

    /// Names the mail relay, or says that there is none any more.
    pub async fn set_mail_relay(&self, relay: Option<&MailRelay>, by: &Caller) -> Result<()> {
        let before = self.mail_relay().await.unwrap_or_default(); // one that cannot be opened is named once more
        let key = self.channel_key().await?;
        let mut write = self.write().await?;
        match relay {
            Some(relay) => {
                let sealed = self.sealed(NAME, [FORM, &sealed(relay, &key)?].concat())?;
                let sql = "INSERT INTO secret (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
                write.run(sql, values![NAME, sealed]).await?;
            }
            None => {
                write.run("DELETE FROM secret WHERE name = $1", values![NAME]).await?;
            }
        }
        let (before, after) = (shown(before.as_ref()), shown(relay));
        let action = if relay.is_some() { "relay.set" } else { "relay.delete" };
        write.audit(&Audit { by, action, object: NAME, scope: &Scope::ALL, before, after }).await?;
        write.commit().await?;
        Ok(())
    }
}

fn sealed(relay: &MailRelay, key: &SealingKey) -> Result<Vec<u8>> {
    let MailRelay { host, port, safety, user, password, from } = relay.clone();
    let kept = Kept { host, port, tls: safety.as_str().to_owned(), user, password, from };
    key.seal(NAME, json!(kept).to_string().as_bytes())
}

/// Without the password.
fn shown(relay: Option<&MailRelay>) -> Value {
    relay.map_or(
        Value::Null,
        |r| json!({"host": r.host, "port": r.port, "tls": r.safety.as_str(), "user": r.user, "from": r.from}),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AuditFilter, Settings};

    #[tokio::test]
    async fn a_relay_is_kept_sealed_and_its_password_is_in_no_audit_with_and_without_a_key_file() {
        let folder = tempfile::tempdir().unwrap();
        let plain = Settings { data: folder.path().join("data"), ..Settings::default() };
        let relay = MailRelay {
            host: "mail.test".into(),
            port: 587,
            safety: MailSafety::StartTls,
            user: "pw".into(),
            password: "ge:heim".into(),
            from: "pw@mail.test".into(),
        };
        let store = Store::open(&plain).await.unwrap();
        assert!(store.mail_relay().await.unwrap().is_none());
        store.set_mail_relay(Some(&relay), &Caller::default()).await.unwrap();
        assert!(store.mail_relay().await.unwrap() == Some(relay.clone()));
        let row = store.engine().one("SELECT value FROM secret WHERE name = $1", values![NAME]).await.unwrap().unwrap();
        assert!(!row.blob(0).unwrap().windows(7).any(|w| w == b"ge:heim"));
        drop(store);
        let store = Store::open(&Settings { key_file: Some(folder.path().join("key")), ..plain }).await.unwrap();
        assert!(store.mail_relay().await.unwrap() == Some(relay), "a key file that comes later changes nothing");
        store.set_mail_relay(None, &Caller::default()).await.unwrap();
        assert!(store.mail_relay().await.unwrap().is_none());
        let (lines, _) = store.audit(&AuditFilter::default(), 10).await.unwrap();
        let actions: Vec<&str> = lines.iter().map(|line| line.action.as_str()).collect();
        assert_eq!(actions, ["relay.delete", "relay.set"]);
        assert!(lines.iter().all(|line| !line.before.contains("heim") && !line.after.contains("heim")));
    }
}
