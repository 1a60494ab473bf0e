//! One file of a feed, from the network or from a folder, into a staging file.
//!
//! In: an upstream URL, what is known of the kept copy, where to look (upstream, a host in front of it, a folder).
//! Out: `Unchanged`, `Missing`, or the new bytes in a staging file, within the size limit, compressed or not (readers see which).
//! Redirects: at most 5, never from https to http, never to another host given as an address.

use super::{Error, Options};
use futures_util::StreamExt;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, RETRY_AFTER,
};
use reqwest::{Client, Response, StatusCode, Url};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// Tries before a file counts as failed: a busy server gets a second and a third chance, a dead one does not hold the others up.
const TRIES: u32 = 3;
/// Longest pause that a server may ask for: beyond it the kept copy serves until the next update.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// More than any feed of today, unpacked; a file beyond it is not what it claims to be.
pub(crate) const FILE_LIMIT_BYTES: u64 = 4 << 30;

/// What the server said about the copy that is kept, sent back to it to ask for news only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Validators {
    pub etag: String,
    pub last_modified: String,
}

/// What asking for a file gave.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// The kept copy is current.
    Unchanged,
    /// There is no such file.
    Missing,
    /// New bytes, now in the staging file: as published, or that compressed once more.
    New(Validators),
}

/// Makes the client that every feed is fetched with.
pub(crate) fn client(options: &Options) -> Result<Client, Error> {
    let redirects = reqwest::redirect::Policy::custom(|attempt| {
        let from = attempt.previous().last().cloned();
        match from.map_or(Ok(()), |from| redirect_allowed(&from, attempt.url(), attempt.previous().len())) {
            Ok(()) => attempt.follow(),
            Err(why) => attempt.error(why),
        }
    });
    let mut builder = Client::builder()
        .user_agent(concat!("portwarden/", env!("CARGO_PKG_VERSION")))
        .redirect(redirects)
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(Duration::from_secs(30))
        .timeout(Duration::from_secs(30 * 60));
    if let Some(proxy) = &options.proxy {
        builder = builder.proxy(reqwest::Proxy::all(proxy.clone()).map_err(Error::Client)?);
    }
    if let Some(path) = &options.ca_bundle {
        let pem = std::fs::read(path).map_err(|source| Error::File { path: path.clone(), source })?;
        for certificate in reqwest::Certificate::from_pem_bundle(&pem).map_err(Error::Client)? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build().map_err(Error::Client)
}

/// Says why a redirect is not followed.
fn redirect_allowed(from: &Url, to: &Url, followed: usize) -> Result<(), &'static str> {
    let https_before = from.scheme() == "https";
    let address = to
        .host_str()
        .is_some_and(|host| host == "localhost" || host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok());
    match () {
        () if followed > 5 => Err("more than 5 redirects"),
        () if https_before && to.scheme() != "https" => Err("a redirect from https to http"),
        () if address && to.host_str() != from.host_str() => Err("a redirect to a bare address"),
        () => Ok(()),
    }
}

/// Returns where an upstream URL is kept below a folder: `<host>/<path>`; the OSV bucket is `osv-vulnerabilities`.
pub(crate) fn tree_path(url: &str) -> Option<String> {
    let parsed = Url::parse(url).ok()?;
    let host = match parsed.host_str()? {
        "osv-vulnerabilities.storage.googleapis.com" => "osv-vulnerabilities",
        host => host,
    };
    let path = parsed.path().trim_start_matches('/');
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':']);
    (path.split('/').all(plain) && plain(host)).then(|| format!("{host}/{}", path.replace("%20", " ")))
}

/// Returns the URL to ask: the upstream's own, or the same file behind the base.
fn asked(url: &str, base: Option<&Url>) -> Result<Url, Error> {
    let bad = || Error::Url { url: url.into() };
    let Some(base) = base else { return Url::parse(url).map_err(|_| bad()) };
    let mut asked = base.clone();
    let path = tree_path(url).ok_or_else(bad)?;
    asked.path_segments_mut().map_err(|()| bad())?.pop_if_empty().extend(path.split('/'));
    Ok(asked)
}

/// Asks for a file over HTTP, with up to three tries.
pub(crate) async fn get(
    client: &Client,
    options: &Options,
    url: &str,
    known: &Validators,
    staging: &Path,
) -> Result<Fetched, Error> {
    let asked = asked(url, options.base.as_ref())?;
    let mut tried = 0;
    loop {
        tried += 1;
        let failure = match once(client, &asked, known, staging).await {
            Err(Try::Again(error, pause)) if tried < TRIES => (error, pause),
            Err(Try::Again(error, _) | Try::Never(error)) => return Err(error),
            Ok(Fetched::Missing) if options.base.is_some() => return packed(client, &asked, known, staging).await,
            Ok(fetched) => return Ok(fetched),
        };
        let pause = failure.1.unwrap_or(options.retry_pause * (1 << (2 * (tried - 1)))).min(LONGEST_PAUSE);
        tracing::debug!(url = %asked, error = %failure.0, pause_seconds = pause.as_secs(), "feed file failed, trying again");
        tokio::time::sleep(pause).await;
    }
}

/// A folder served as it lies on disk has some files packed, with `.zst` behind their name.
async fn packed(client: &Client, asked: &Url, known: &Validators, staging: &Path) -> Result<Fetched, Error> {
    let mut with_ending = asked.clone();
    with_ending.set_path(&format!("{}.zst", asked.path()));
    match once(client, &with_ending, known, staging).await {
        Ok(fetched) => Ok(fetched),
        Err(Try::Again(error, _) | Try::Never(error)) => Err(error),
    }
}

/// What to do after a try that failed.
enum Try {
    Again(Error, Option<Duration>),
    Never(Error),
}

async fn once(client: &Client, url: &Url, known: &Validators, staging: &Path) -> Result<Fetched, Try> {
    let network = |source: reqwest::Error| {
        let again = !(source.is_redirect() || source.is_builder());
        let error = Error::Network { url: url.to_string(), source };
        if again { Try::Again(error, None) } else { Try::Never(error) }
    };
    let mut request = client.get(url.clone()).header(ACCEPT_ENCODING, "zstd, gzip");
    if !known.etag.is_empty() {
        request = request.header(IF_NONE_MATCH, &known.etag);
    }
    if !known.last_modified.is_empty() {
        request = request.header(IF_MODIFIED_SINCE, &known.last_modified);
    }
    let response = request.send().await.map_err(network)?;
    let status = response.status();
    match status {
        StatusCode::NOT_MODIFIED => Ok(Fetched::Unchanged),
        StatusCode::NOT_FOUND | StatusCode::GONE => Ok(Fetched::Missing),
        StatusCode::OK => keep(response, url, staging).await,
        _ => {
            let error = Error::Status { url: url.to_string(), status: status.as_u16() };
            let busy = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
            Err(if busy { Try::Again(error, retry_after(response.headers())) } else { Try::Never(error) })
        }
    }
}

/// Reads `Retry-After` in whole seconds; anything else (a date, `35.852us`) is left to our own pause.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.max(1)))
}

async fn keep(response: Response, url: &Url, staging: &Path) -> Result<Fetched, Try> {
    let text = |name| response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
    let validators = Validators { etag: text(ETAG), last_modified: text(LAST_MODIFIED) };
    let encoding = text(CONTENT_ENCODING);
    if !matches!(encoding.as_str(), "" | "identity" | "zstd" | "gzip" | "x-gzip") {
        return Err(Try::Never(Error::Encoding { url: url.to_string(), encoding }));
    }
    let on_disk = |source| Try::Never(Error::File { path: staging.into(), source });
    let mut file = tokio::fs::File::create(staging).await.map_err(on_disk)?;
    let mut left = FILE_LIMIT_BYTES;
    let mut body = response.bytes_stream();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|source| Try::Again(Error::Network { url: url.to_string(), source }, None))?;
        left = left
            .checked_sub(chunk.len() as u64)
            .ok_or_else(|| Try::Never(Error::TooLarge { what: url.to_string() }))?;
        file.write_all(&chunk).await.map_err(on_disk)?;
    }
    file.flush().await.map_err(on_disk)?;
    Ok(Fetched::New(validators))
}

/// Copies a file from a folder that is laid out as `<host>/<path>`; `.zst` behind the name is allowed.
pub(crate) fn from_folder(folder: &Path, url: &str, staging: &Path) -> Result<Fetched, Error> {
    let path = folder.join(tree_path(url).ok_or_else(|| Error::Url { url: url.into() })?);
    let mut packed = path.clone().into_os_string();
    packed.push(".zst");
    for path in [path, PathBuf::from(packed)] {
        let copied = std::fs::metadata(&path).and_then(|found| match found.is_file() {
            true if found.len() > FILE_LIMIT_BYTES => Ok(Some(found.len())),
            true => std::fs::copy(&path, staging).map(Some),
            false => Ok(None),
        });
        match copied {
            Ok(Some(bytes)) if bytes > FILE_LIMIT_BYTES => {
                return Err(Error::TooLarge { what: path.display().to_string() });
            }
            Ok(Some(_)) => return Ok(Fetched::New(Validators::default())),
            Ok(None) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::File { path, source }),
        }
    }
    Ok(Fetched::Missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_behind_its_upstream_host_and_path() {
        for (url, want) in [
            (
                "https://security-tracker.debian.org/tracker/data/json",
                Some("security-tracker.debian.org/tracker/data/json"),
            ),
            (
                "https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip",
                Some("osv-vulnerabilities/PyPI/all.zip"),
            ),
            (
                "https://osv-vulnerabilities.storage.googleapis.com/Rocky%20Linux/all.zip",
                Some("osv-vulnerabilities/Rocky Linux/all.zip"),
            ),
            ("https://a.example/x/../../etc/passwd", Some("a.example/etc/passwd")),
            ("https://a.example/x//y", None),
            ("no url", None),
        ] {
            assert_eq!(tree_path(url).as_deref(), want, "{url}");
        }
        let base = Url::parse("http://127.0.0.1:8080/feeds/").unwrap();
        let at =
            asked("https://osv-vulnerabilities.storage.googleapis.com/Rocky%20Linux/all.zip", Some(&base)).unwrap();
        assert_eq!(at.as_str(), "http://127.0.0.1:8080/feeds/osv-vulnerabilities/Rocky%20Linux/all.zip");
    }

    #[test]
    fn a_redirect_is_followed_only_where_it_is_safe() {
        for (from, to, followed, allowed, reason) in [
            ("https://a.example/", "https://b.example/", 1, true, "another host over https"),
            ("http://a.example/", "https://a.example/", 1, true, "upgraded"),
            ("https://a.example/", "http://a.example/", 1, false, "downgraded"),
            ("https://a.example/", "https://169.254.169.254/", 1, false, "an address"),
            ("https://a.example/", "https://0x7f.1/", 1, false, "an address in disguise"),
            ("https://a.example/", "https://[::1]/", 1, false, "an address of version 6"),
            ("http://127.0.0.1/a", "http://127.0.0.1/b", 5, true, "the same host"),
            ("https://a.example/", "https://b.example/", 6, false, "too many"),
        ] {
            let outcome = redirect_allowed(&Url::parse(from).unwrap(), &Url::parse(to).unwrap(), followed);
            assert_eq!(outcome.is_ok(), allowed, "{reason}");
        }
    }

    #[test]
    fn a_pause_that_a_server_asks_for_is_read_in_whole_seconds_only() {
        for (text, want) in
            [("7", Some(7)), ("0", Some(1)), ("35.852us", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            assert_eq!(retry_after(&headers), want.map(Duration::from_secs), "{text}");
        }
    }
}
