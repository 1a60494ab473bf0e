//! Mail: what is said, as a mail, handed to the relay of the installation.
//!
//! In: a message of the outbox, the relay, the addresses of a channel. Out: taken by the relay, or why not. A mail is the same bytes
//! each time it is sent, under the id of its message; it is plain text, and the same as HTML that loads nothing. Texts and addresses
//! are encoded by the library that also speaks to the relay.

mod html;

use super::item::Said;
use super::send::Failed;
use super::shapes::plain;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Quit, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message as Letter};
use model::Digest;
use model::notice::MailSafety;
use std::time::{Duration, SystemTime};
use store::{Channel, MailRelay, Message};

/// How long handing over may take as a whole: less than a lease.
const WHOLE: Duration = Duration::from_secs(45);
/// How long a relay may take to take the call, and to say goodbye.
const CALL: Duration = Duration::from_secs(10);
/// Most addresses of a channel.
const ADDRESSES: usize = 20;
/// Longest subject.
const SUBJECT_CHARS: usize = 200;
/// As much of an answer as is shown.
const SHOWN_CHARS: usize = 120;
/// After so many tries the others do not wait any longer for an address that is refused for the time being.
const PATIENT: i64 = 3;
/// "Authentication required": somebody will put it right.
const LOGIN_WANTED: u16 = 530;

/// What went wrong when, for the words and for whether another try is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Call,
    Login,
    Sender,
    Recipient,
    Content,
}

/// Reads one address, of ASCII and without quotes: what can stand in a command and in a header as it is.
pub fn address(text: &str) -> Option<Address> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"@.!#$%&'*+-/=?^_`{|}~".contains(&b);
    text.parse().ok().filter(|_| text.bytes().all(plain))
}

/// Reads the addresses of a channel, with commas between them; the error says what is wrong.
pub fn addresses(text: &str) -> Result<Vec<Address>, String> {
    let mut all: Vec<Address> = Vec::new();
    for part in text.split(',').map(str::trim) {
        let one = address(part).ok_or_else(|| format!("{part:?} is no address that mail can be sent to"))?;
        if !all.contains(&one) {
            all.push(one);
        }
    }
    if all.len() > ADDRESSES {
        return Err(format!("a channel has at most {ADDRESSES} addresses; name a list"));
    }
    Ok(all)
}

/// Hands a message to the relay. Returns what is to be said although it was taken: whom the relay refused.
pub async fn send(
    relay: &MailRelay,
    to: &str,
    channel: &Channel,
    message: &Message,
    said: &Said,
) -> Result<String, Failed> {
    let to = addresses(to).map_err(Failed::for_good)?;
    let from = address(&relay.from).ok_or_else(|| Failed::again("the relay's from is no address".into()))?;
    let letter = letter(&from, &to, channel, message, said).map_err(Failed::for_good)?;
    let talk = Talk { relay, from, patient: message.attempt < PATIENT };
    match tokio::time::timeout(WHOLE, talk.hand_over(&to, &letter)).await {
        Ok(done) => {
            let (mut connection, refused) = done?;
            goodbye(&mut connection).await?;
            Ok(refused)
        }
        Err(_) => Err(Failed::again(format!("{} did not take the mail in time", talk.name()))),
    }
}

/// The mail is taken whatever is said now, but for one thing: an answer that belongs to another question means that all of them did.
async fn goodbye(connection: &mut AsyncSmtpConnection) -> Result<(), Failed> {
    match tokio::time::timeout(CALL, connection.command(Quit)).await {
        Ok(Ok(answer)) if !answer.has_code(221) => {
            Err(Failed::again("the relay's answers are out of step: somebody on the way may have added one".into()))
        }
        _ => Ok(()),
    }
}

struct Talk<'a> {
    relay: &'a MailRelay,
    from: Address,
    /// Whether an address that is refused for the time being is waited for.
    patient: bool,
}

impl Talk<'_> {
    /// Whoever may make a channel reads it, and not where the relay is: that is its owner's.
    fn name(&self) -> &'static str {
        "the mail relay"
    }

    fn failed(&self, step: Step, error: &Error) -> Failed {
        let text: String = model::text::visible(&error.to_string()).split_whitespace().collect::<Vec<_>>().join(" ");
        let text: String = text.chars().take(SHOWN_CHARS).collect();
        let of = match step {
            Step::Call => "the call",
            Step::Login => "the login",
            Step::Sender => "the sender",
            Step::Recipient => "the receiver",
            Step::Content => "the mail",
        };
        let why = match error.status() {
            Some(_) => format!("{} answered to {of}: {text}", self.name()),
            None => format!("{} cannot be used: {text}", self.name()),
        };
        let lasting = matches!(step, Step::Sender | Step::Recipient | Step::Content) && is_lasting(error);
        Failed { why, for_good: lasting }
    }

    async fn hand_over(&self, to: &[Address], letter: &[u8]) -> Result<(AsyncSmtpConnection, String), Failed> {
        let mut connection = self.call().await?;
        let at = |step: Step| move |error: Error| self.failed(step, &error);
        connection.command(Mail::new(Some(self.from.clone()), vec![])).await.map_err(at(Step::Sender))?;
        let refused = self.name_receivers(&mut connection, to).await?;
        connection.command(Data).await.map_err(at(Step::Content))?;
        let answer = connection.message(letter).await.map_err(at(Step::Content))?;
        if !answer.has_code(250) {
            return Err(Failed::again(format!("{} answered {} to the mail", self.name(), answer.code())));
        }
        Ok((connection, refused))
    }

    /// Says to whom. One that is refused does not keep the mail from the others.
    async fn name_receivers(&self, connection: &mut AsyncSmtpConnection, to: &[Address]) -> Result<String, Failed> {
        let mut refused: Vec<(String, Failed)> = Vec::new();
        for address in to {
            match connection.command(Rcpt::new(address.clone(), vec![])).await {
                Ok(_) => {}
                Err(error) if error.is_permanent() || (error.is_transient() && !self.patient) => {
                    refused.push((format!("not to {address}"), self.failed(Step::Recipient, &error)));
                }
                Err(error) => return Err(self.failed(Step::Recipient, &error)),
            }
        }
        let text: Vec<String> = refused.iter().map(|(whom, failed)| format!("{whom}: {}", failed.why)).collect();
        let text = text.join("; ");
        if refused.len() < to.len() {
            return Ok(text);
        }
        Err(Failed { why: text, for_good: refused.iter().all(|(_, failed)| failed.for_good) })
    }

    /// Calls the relay, makes the way safe and signs in.
    async fn call(&self) -> Result<AsyncSmtpConnection, Failed> {
        let relay = self.relay;
        let at = |step: Step| move |error: Error| self.failed(step, &error);
        let hello = ClientId::Domain(self.from.domain().to_owned());
        let tls = || TlsParameters::new(relay.host.clone()).map_err(at(Step::Call));
        let first = if relay.safety == MailSafety::Tls { Some(tls()?) } else { None };
        let server = (relay.host.as_str(), relay.port);
        let connection = AsyncSmtpConnection::connect_tokio1(server, Some(CALL), &hello, first, None);
        let mut connection = connection.await.map_err(at(Step::Call))?;
        if relay.safety == MailSafety::StartTls {
            if !connection.can_starttls() {
                return Err(Failed::again(format!("{} does not offer STARTTLS, which was asked of it", self.name())));
            }
            connection.starttls(tls()?, &hello).await.map_err(at(Step::Call))?;
        }
        if !relay.user.is_empty() {
            let credentials = Credentials::new(relay.user.clone(), relay.password.clone());
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            if connection.server_info().get_auth_mechanism(&mechanisms).is_none() {
                return Err(Failed::again(format!("{} offers no login by PLAIN or LOGIN", self.name())));
            }
            connection.auth(&mechanisms, &credentials).await.map_err(at(Step::Login))?;
        }
        Ok(connection)
    }
}

/// Whether another try is of no use. A login that is wanted somebody will put right.
fn is_lasting(error: &Error) -> bool {
    error.is_permanent() && error.status().is_none_or(|code| u16::from(code) != LOGIN_WANTED)
}

/// The mail: the same bytes each time.
fn letter(
    from: &Address,
    to: &[Address],
    channel: &Channel,
    message: &Message,
    said: &Said,
) -> Result<Vec<u8>, String> {
    let domain = from.domain();
    let at = SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(message.at.0).unwrap_or(0));
    let mut builder = Letter::builder()
        .from(Mailbox::new(Some("Portwarden".into()), from.clone()))
        .subject(subject(said))
        .date(at)
        .message_id(Some(format!("<{}@{domain}>", message.uid)));
    for address in to {
        builder = builder.to(Mailbox::new(None, address.clone()));
    }
    if let [only] = &said.items[..] {
        // Mail about the same thing stands together, its end included.
        let whole = Digest::sha256(format!("{}:{}", channel.id, only.thread).as_bytes());
        let thread = format!("<{}@{domain}>", whole.hex().get(..32).unwrap_or_default());
        builder = builder.references(thread.clone()).in_reply_to(thread);
    }
    for (name, value) in marks(said) {
        let name = HeaderName::new_from_ascii(name.to_owned()).map_err(|why| why.to_string())?;
        builder = builder.raw_header(HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value));
    }
    // Not to be foreseen by whoever chose a name that stands in the mail, and the same each time.
    let boundary = Digest::sha256(format!("boundary:{}", message.uid).as_bytes());
    let both = MultiPart::alternative()
        .boundary(boundary.hex().get(..32).unwrap_or_default())
        .singlepart(SinglePart::plain(plain(channel, said)))
        .singlepart(SinglePart::html(html::page(channel, said)?));
    let letter = builder.multipart(both).map_err(|why| why.to_string())?;
    Ok(letter.formatted())
}

/// What says that a program wrote it, and how to hear no more of its kind. Each value is printable ASCII.
fn marks(said: &Said) -> Vec<(&'static str, String)> {
    let mut marks = vec![("Auto-Submitted", "auto-generated".to_owned())];
    let Some(first) = said.items.first() else { return marks };
    let printable = first.unsubscribe.bytes().all(|b| b.is_ascii_graphic() && b != b'<' && b != b'>');
    if said.items.iter().all(|item| item.kind == first.kind) && !first.unsubscribe.is_empty() && printable {
        marks.push(("List-Unsubscribe", format!("<{}>", first.unsubscribe)));
        if first.unsubscribe.starts_with("https://") {
            marks.push(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned())); // RFC 8058 wants HTTPS
        }
    }
    marks
}

fn subject(said: &Said) -> String {
    let text = said.subject();
    if text.chars().count() <= SUBJECT_CHARS {
        return text;
    }
    text.chars().take(SUBJECT_CHARS - 1).collect::<String>() + "…"
}

#[cfg(test)]
mod tests;
