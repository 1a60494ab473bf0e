//! Webhooks: what is sent to an address, signed.
//!
//! Signatures are those of the Standard Webhooks specification 1.0: HMAC-SHA256 over `id.timestamp.body`, in `webhook-signature`,
//! one a live key, so that a receiver can change keys at its leisure.

use super::send::Failed;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::Micros;
use oci::post::{Answer, Target, post};
use store::ChannelSecret;

/// How a key begins.
pub const KEY_PREFIX: &str = "whsec_";
/// Statuses that pass: the receiver may take the message later.
const PASSING: [u16; 3] = [408, 409, 429];
/// As much of an answer as is shown.
const SHOWN_CHARS: usize = 120;

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The id that the receiver sees.
    pub uid: String,
    /// Media type of the body.
    pub media_type: &'static str,
    /// The body.
    pub body: String,
}

/// Returns a signature: `v1,BASE64`.
pub fn signature(key: &str, uid: &str, seconds: i64, body: &str) -> String {
    let bytes = STANDARD.decode(key.trim_start_matches(KEY_PREFIX)).unwrap_or_else(|_| key.as_bytes().to_vec());
    let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
    let tag = hmac::sign(&key, format!("{uid}.{seconds}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(tag))
}

/// Sends once; `allowed` is whether an operator allowed an address inside.
pub async fn send(secret: &ChannelSecret, allowed: bool, sent: Sent, signs: bool, now: Micros) -> Result<(), Failed> {
    let target = Target::parse(&secret.address).map_err(|why| Failed::for_good(format!("the address {why}")))?;
    let seconds = now.0 / 1_000_000;
    let mut headers = vec![("content-type", sent.media_type.to_owned())];
    if signs {
        let live = secret.keys.iter().take(if now < secret.old_until { 2 } else { 1 });
        let signatures: Vec<String> = live.map(|key| signature(key, &sent.uid, seconds, &sent.body)).collect();
        headers.push(("webhook-id", sent.uid));
        headers.push(("webhook-timestamp", seconds.to_string()));
        headers.push(("webhook-signature", signatures.join(" ")));
    }
    match post(&target, allowed, &headers, sent.body.into_bytes()).await {
        Ok(answer) => judged(&answer),
        Err(why @ oci::Error::Guarded { .. }) => Err(Failed::for_good(why.to_string())),
        Err(why) => Err(Failed::again(why.to_string())),
    }
}

fn judged(answer: &Answer) -> Result<(), Failed> {
    let said: String = model::text::visible(answer.text.trim()).chars().take(SHOWN_CHARS).collect();
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    let text = format!("the receiver answered {}{said}", answer.status);
    match answer.status {
        200..300 => Ok(()),
        status if PASSING.contains(&status) => Err(Failed::again(text)),
        300..500 => Err(Failed::for_good(text)),
        _ => Err(Failed::again(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_standard() {
        // The example of the reference implementations of Standard Webhooks.
        let (key, uid) = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek");
        let found = signature(key, uid, 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(found, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn an_answer_says_whether_to_come_again() {
        for (status, ok, for_good) in [
            (200, true, false),
            (204, true, false),
            (301, false, true),
            (400, false, true),
            (404, false, true),
            (408, false, false),
            (409, false, false),
            (410, false, true),
            (429, false, false),
            (500, false, false),
            (503, false, false),
        ] {
            let judged = judged(&Answer { status, text: "no\u{1b}[31m".into() });
            assert_eq!(judged.is_ok(), ok, "{status}");
            if let Err(failed) = judged {
                assert_eq!(failed.for_good, for_good, "{status}");
                assert!(failed.why.ends_with("no\\u{1b}[31m"), "{}", failed.why);
            }
        }
    }
}
