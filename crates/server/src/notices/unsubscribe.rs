//! The link in a message that ends one kind of notice for its channel, without a login.
//!
//! In: channel, kind. Out: an address with a code that only this installation can make; what a code that came back is good for.

use crate::parts::Parts;
use crate::problem::Problem;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::facts::Id;
use model::notice::Kind;
use store::Channel;

/// The secret that codes are made with.
const SECRET: &str = "unsubscribe";

/// Returns what codes are made with.
pub async fn secret(parts: &Parts) -> Result<Vec<u8>, Problem> {
    Ok(parts.store.secret(SECRET).await?)
}

/// Returns the address of the page that ends a kind of notice.
pub fn link(base: &str, secret: &[u8], channel: Id, kind: Kind) -> String {
    format!("{base}/unsubscribe/{channel}/{}/{}", kind.as_str(), code(secret, channel, kind))
}

fn code(secret: &[u8], channel: Id, kind: Kind) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, format!("{channel}:{}", kind.as_str()).as_bytes());
    URL_SAFE_NO_PAD.encode(tag.as_ref().get(..18).unwrap_or_default())
}

/// The channel and the kind that a link names, if its code is right. A wrong one and a channel that is gone are the same.
pub async fn named(parts: &Parts, channel: &str, kind: &str, given: &str) -> Result<(Channel, Kind), Problem> {
    let absent = || Problem::absent("link", "of this kind; it may be of a channel that is gone");
    let (id, kind) = channel.parse::<Id>().ok().zip(Kind::parse(kind)).ok_or_else(absent)?;
    let want = code(&secret(parts).await?, id, kind);
    verify_slices_are_equal(want.as_bytes(), given.as_bytes()).map_err(|_| absent())?;
    let channel = parts.store.channel(id).await?.ok_or_else(absent)?;
    Ok((channel, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_good_for_one_kind_of_one_channel() {
        let of = |secret: &[u8], channel, kind| link("https://pw.test", secret, channel, kind);
        let one = of(b"a", 1, Kind::NewFinding);
        assert!(one.starts_with("https://pw.test/unsubscribe/1/new-finding/"), "{one}");
        for other in [of(b"b", 1, Kind::NewFinding), of(b"a", 2, Kind::NewFinding), of(b"a", 1, Kind::ScoreDrop)] {
            assert_ne!(one.rsplit('/').next(), other.rsplit('/').next());
        }
    }
}
