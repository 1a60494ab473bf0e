//! Updates against a small server of our own, which counts what it is asked.

use super::*;
use advisory::{Fact, FeedFile, Read, SourceFile};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use model::advisory::{Advisory, Affected, Names, Range};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// A feed of lines: each an id, of Python where no `@debian:12` follows. It ends with the line `end`.
struct Lines;

const LINES: &str = "https://lines.example/data/lines.txt";
const MORE: &str = "https://lines.example/data/more.txt";

impl Feed for Lines {
    fn name(&self) -> &'static str {
        "lines"
    }
    fn files(&self) -> Vec<SourceFile> {
        vec![SourceFile { url: LINES.into(), optional: false }, SourceFile { url: MORE.into(), optional: true }]
    }
    fn read(&self, files: &[FeedFile<'_>], out: &mut dyn FnMut(Fact)) -> Result<Read, advisory::Error> {
        let mut read = Read::default();
        for file in files {
            let text = if file.bytes.starts_with(&[0x28, 0xb5]) {
                zstd::decode_all(file.bytes).unwrap()
            } else {
                file.bytes.to_vec()
            };
            let text = String::from_utf8(text).unwrap();
            let whole = text.strip_suffix("end\n").ok_or_else(|| advisory::Error::Feed {
                feed: "lines",
                file: file.url.into(),
                reason: "it ends in the middle".into(),
            })?;
            let before = read.records;
            for id in whole.lines() {
                read.records += 1;
                out(Fact::Advisory(told(id)));
            }
            read.files.push((file.url.into(), read.records - before));
        }
        Ok(read)
    }
}

fn told(id: &str) -> Advisory {
    let (id, ecosystem) = id.split_once('@').unwrap_or((id, "pypi"));
    let affected = Affected {
        ecosystem: ecosystem.into(),
        name: id.to_lowercase(),
        names: Names::Language,
        ranges: vec![Range::default()],
        ..Default::default()
    };
    Advisory { id: id.into(), affected: vec![affected], ..Default::default() }
}

static FEEDS: &[&dyn Feed] = &[&Lines];

/// What the server does with a path.
#[derive(Clone)]
enum Answer {
    Body(Vec<u8>),
    Cut,
    Busy(usize, Vec<u8>),
}

#[derive(Default)]
struct Web {
    answers: HashMap<String, Answer>,
    asked: Vec<(String, StatusCode)>,
}

struct Server {
    web: Arc<Mutex<Web>>,
    base: Url,
}

impl Server {
    async fn start() -> Self {
        let web = Arc::new(Mutex::new(Web::default()));
        let state = Arc::clone(&web);
        let router = axum::Router::new().fallback(move |uri: Uri, headers: HeaderMap| {
            let state = Arc::clone(&state);
            async move { state.lock().unwrap().answer(uri.path(), &headers) }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { web, base }
    }

    fn serve(&self, path: &str, answer: Answer) {
        self.web.lock().unwrap().answers.insert(path.into(), answer);
    }

    fn lines(&self, count: usize) {
        self.serve("/lines.example/data/lines.txt", Answer::Body(lines(count)));
    }

    /// Returns the statuses given since the last call.
    fn statuses(&self) -> Vec<u16> {
        let mut given: Vec<_> =
            self.web.lock().unwrap().asked.drain(..).filter(|(path, _)| path.ends_with("lines.txt")).collect();
        given.drain(..).map(|(_, status)| status.as_u16()).collect()
    }

    fn options(&self) -> Options {
        Options { base: Some(self.base.clone()), retry_pause: Duration::ZERO, ..Options::default() }
    }
}

impl Web {
    fn answer(&mut self, path: &str, headers: &HeaderMap) -> (StatusCode, HeaderMap, axum::body::Body) {
        let (status, body) = match self.answers.get_mut(path).cloned() {
            None => (StatusCode::NOT_FOUND, Vec::new()),
            Some(Answer::Busy(0, body) | Answer::Body(body)) => (StatusCode::OK, body),
            Some(Answer::Busy(left, body)) => {
                self.answers.insert(path.into(), Answer::Busy(left - 1, body));
                (StatusCode::TOO_MANY_REQUESTS, Vec::new())
            }
            Some(Answer::Cut) => {
                self.asked.push((path.into(), StatusCode::OK));
                let half = futures_util::stream::iter([
                    Ok(bytes::Bytes::from_static(b"CVE-")),
                    Err(std::io::Error::other("cut")),
                ]);
                return (StatusCode::OK, HeaderMap::new(), axum::body::Body::from_stream(half));
            }
        };
        let etag = format!("\"{}\"", model::digest::Digest::sha256(&body).as_str());
        let known = headers.get(header::IF_NONE_MATCH).is_some_and(|seen| seen.as_bytes() == etag.as_bytes());
        let status = if known && status == StatusCode::OK { StatusCode::NOT_MODIFIED } else { status };
        self.asked.push((path.into(), status));
        let mut reply = HeaderMap::new();
        reply.insert(header::ETAG, etag.parse().unwrap());
        reply.insert(header::RETRY_AFTER, "35.852us".parse().unwrap());
        let body = if status == StatusCode::OK { body.into() } else { axum::body::Body::empty() };
        (status, reply, body)
    }
}

fn lines(count: usize) -> Vec<u8> {
    let mut text: String = (0..count).map(|n| format!("CVE-2024-{}\n", 1000 + n)).collect();
    text.push_str("end\n");
    text.into_bytes()
}

fn knows(data: &Path, id: &str) -> bool {
    Folder::of(data).open_current().unwrap().find(id).is_some()
}

#[tokio::test]
async fn only_news_is_fetched_and_without_news_nothing_is_written() {
    let (server, data) = (Server::start().await, tempfile::tempdir().unwrap());
    server.lines(20);
    let first = update_of(FEEDS, &server.options(), data.path()).await.unwrap();
    assert!(first.changed && first.feeds[0].trouble.is_none() && first.feeds[0].state.records == 20);
    assert!(knows(data.path(), "CVE-2024-1019"));
    assert_eq!(server.statuses(), [200]);
    let written = std::fs::metadata(Folder::of(data.path()).path(first.generation)).unwrap().modified().unwrap();

    let second = update_of(FEEDS, &server.options(), data.path()).await.unwrap();
    assert_eq!((second.generation, second.changed), (first.generation, false));
    assert_eq!(server.statuses(), [304], "the server was asked for news only");
    assert!(
        status(data.path()).unwrap().feeds[0].state.fetched > first.feeds[0].state.fetched,
        "it was asked just now"
    );
    assert_eq!(std::fs::metadata(Folder::of(data.path()).path(first.generation)).unwrap().modified().unwrap(), written);

    server.lines(21);
    let third = update_of(FEEDS, &server.options(), data.path()).await.unwrap();
    assert!(third.changed && third.generation > first.generation && knows(data.path(), "CVE-2024-1020"));
    assert_eq!(status(data.path()).unwrap().generation, third.generation);
    assert_eq!(status(data.path()).unwrap().feeds[0].state.records, 21);
}

#[tokio::test]
async fn other_bytes_that_say_the_same_make_no_generation() {
    let (server, data) = (Server::start().await, tempfile::tempdir().unwrap());
    server.lines(20);
    let first = update_of(FEEDS, &server.options(), data.path()).await.unwrap();
    let packed = zstd::encode_all(lines(20).as_slice(), 3).unwrap();
    server.serve("/lines.example/data/lines.txt", Answer::Body(packed));
    let second = update_of(FEEDS, &server.options(), data.path()).await.unwrap();
    assert_eq!((second.generation, second.changed), (first.generation, false));
}

#[tokio::test]
async fn a_feed_that_fails_keeps_its_last_good_copy_and_says_why() {
    let (server, data) = (Server::start().await, tempfile::tempdir().unwrap());
    let path = "/lines.example/data/lines.txt";
    server.lines(20);
    let good = update_of(FEEDS, &server.options(), data.path()).await.unwrap();
    for (answer, words, reason) in [
        (Answer::Body(lines(17)), "it has 17 records and had 20", "a tenth is lost"),
        (Answer::Body(lines(20)[..100].to_vec()), "it ends in the middle", "cut on the publisher's side"),
        (Answer::Cut, "cannot fetch http://127.0.0.1", "cut on the way"),
        (Answer::Busy(9, Vec::new()), "answers with status 429", "busy for good"),
    ] {
        server.serve(path, answer);
        let updated = update_of(FEEDS, &server.options(), data.path()).await.unwrap();
        assert_eq!((updated.generation, updated.changed), (good.generation, false), "{reason}");
        let trouble = updated.feeds[0].trouble.as_deref().unwrap_or("none");
        assert!(trouble.contains(words), "{reason}: {trouble}");
        assert_eq!(updated.feeds[0].state.records, 20, "{reason}");
        assert_eq!(updated.feeds[0].state.fetched, good.feeds[0].state.fetched, "{reason}: its age shows");
        assert_eq!(status(data.path()).unwrap().feeds[0].trouble.as_deref(), Some(trouble), "{reason}");
        assert!(knows(data.path(), "CVE-2024-1019"), "{reason}");
    }
    server.web.lock().unwrap().answers.clear();
    let gone = update_of(FEEDS, &server.options(), data.path()).await.unwrap();
    assert!(gone.feeds[0].trouble.as_deref().unwrap().contains("is not there"), "{gone:?}");
    server.lines(17);
    let taken = update_of(FEEDS, &Options { accept_loss: true, ..server.options() }, data.path()).await.unwrap();
    assert!(taken.changed && taken.feeds[0].trouble.is_none() && !knows(data.path(), "CVE-2024-1019"));
}

/// So many lines of an ecosystem.
fn of(ecosystem: &str, count: usize) -> String {
    (0..count).map(|n| format!("CVE-2023-{n}@{ecosystem}\n")).collect()
}

#[tokio::test]
async fn a_file_or_a_release_that_is_lost_is_an_outage_though_the_feed_is_large() {
    let (server, data) = (Server::start().await, tempfile::tempdir().unwrap());
    let (path, more) = ("/lines.example/data/lines.txt", "/lines.example/data/more.txt");
    let body = |parts: &[(&str, usize)]| {
        let lines: String = parts.iter().map(|(ecosystem, count)| of(ecosystem, *count)).collect();
        Answer::Body(format!("{lines}end\n").into_bytes())
    };
    let whole = [("npm", 5_000), ("debian:8", 300), ("debian:12", 300), ("debian:15", 9)];
    server.serve(path, body(&whole));
    server.serve(more, body(&[("alpine:3.24", 200), ("npm", 200)]));
    let good = update_of(FEEDS, &server.options(), data.path()).await.unwrap();
    assert!(good.feeds[0].trouble.is_none(), "{good:?}");
    for (first, second, words, reason) in [
        (vec![whole[0], whole[1], whole[3]], vec![], "nothing is said of debian:12, and 300", "a release is gone"),
        (vec![whole[0], whole[1], ("debian:12", 250), whole[3]], vec![], "debian:12 has 250", "one lost a sixth"),
        (vec![whole[0], whole[1], whole[2]], vec![], "nothing is said of debian:15", "a small one vanished"),
        (vec![("npm", 5_200), whole[1], whole[2], whole[3]], vec![("alpine:3.24", 200)], "more.txt has 200", "a file"),
        (whole.to_vec(), vec![("npm", 0)], "alpine:3.24", "a file without a record"),
    ] {
        server.serve(path, body(&first));
        server.serve(more, body(if second.is_empty() { &[("alpine:3.24", 200), ("npm", 200)] } else { &second }));
        let updated = update_of(FEEDS, &server.options(), data.path()).await.unwrap();
        let trouble = updated.feeds[0].trouble.as_deref().unwrap_or("none");
        assert!(trouble.contains(words) && trouble.contains("--accept-loss"), "{reason}: {trouble}");
        assert_eq!((updated.generation, updated.changed), (good.generation, false), "{reason}");
        assert_eq!(updated.feeds[0].state.fetched, good.feeds[0].state.fetched, "{reason}: its age shows");
    }
    server.serve(path, body(&[whole[0], whole[2], whole[3]]));
    server.serve(more, body(&[("alpine:3.24", 200), ("npm", 200)]));
    let ended = update_of(FEEDS, &server.options(), data.path()).await.unwrap();
    assert!(ended.changed && ended.feeds[0].trouble.is_none(), "a release whose support is over may go: {ended:?}");
    server.web.lock().unwrap().answers.remove(more);
    let gone = update_of(FEEDS, &server.options(), data.path()).await.unwrap();
    let trouble = gone.feeds[0].trouble.as_deref().unwrap_or("none");
    assert!(trouble.contains("more.txt is not there") && trouble.contains("--accept-loss"), "{trouble}");
    assert_eq!((gone.changed, gone.feeds[0].state.fetched), (false, ended.feeds[0].state.fetched), "its copy is kept");
    let accepts = Options { accept_loss: true, ..server.options() };
    let taken = update_of(FEEDS, &accepts, data.path()).await.unwrap();
    assert!(taken.changed && taken.feeds[0].trouble.is_none(), "{taken:?}");
    let after = update_of(FEEDS, &server.options(), data.path()).await.unwrap();
    assert!(!after.changed && after.feeds[0].trouble.is_none(), "what was accepted is no loss any more: {after:?}");
}

#[tokio::test]
async fn a_busy_server_gets_another_chance() {
    let (server, data) = (Server::start().await, tempfile::tempdir().unwrap());
    server.serve("/lines.example/data/lines.txt", Answer::Busy(2, lines(3)));
    let updated = update_of(FEEDS, &server.options(), data.path()).await.unwrap();
    assert!(updated.changed && updated.feeds[0].trouble.is_none());
    assert_eq!(server.statuses(), [429, 429, 200]);
}

#[tokio::test]
async fn a_host_in_front_may_have_packed_files() {
    let (server, data) = (Server::start().await, tempfile::tempdir().unwrap());
    let packed = zstd::encode_all(lines(4).as_slice(), 3).unwrap();
    server.serve("/lines.example/data/lines.txt.zst", Answer::Body(packed));
    let updated = update_of(FEEDS, &server.options(), data.path()).await.unwrap();
    assert!(updated.changed && updated.feeds[0].trouble.is_none() && updated.feeds[0].state.records == 4);
    assert!(
        !update_of(FEEDS, &server.options(), data.path()).await.unwrap().changed,
        "asked for news only, and there is none"
    );
}

#[tokio::test]
async fn an_altered_copy_is_fetched_anew() {
    let (server, data) = (Server::start().await, tempfile::tempdir().unwrap());
    server.lines(20);
    update_of(FEEDS, &server.options(), data.path()).await.unwrap();
    std::fs::write(data.path().join("feeds/lines.example/data/lines.txt"), "CVE-2024-1\nend\n").unwrap();
    let updated = update_of(FEEDS, &server.options(), data.path()).await.unwrap();
    assert_eq!(server.statuses(), [200, 200]);
    assert_eq!((updated.changed, updated.feeds[0].state.records), (false, 20));
}

#[tokio::test]
async fn a_folder_serves_as_well_as_a_server_packed_or_not() {
    let (tree, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = Options { from: Some(tree.path().into()), ..Options::default() };
    let failed = update_of(FEEDS, &options, data.path()).await.unwrap_err();
    assert!(failed.to_string().contains("https://lines.example/data/lines.txt is not there"), "{failed}");
    let file = tree.path().join("lines.example/data/lines.txt.zst");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, zstd::encode_all(lines(5).as_slice(), 3).unwrap()).unwrap();
    let updated = update_of(FEEDS, &options, data.path()).await.unwrap();
    assert!(updated.changed && updated.feeds[0].state.records == 5);
    assert!(!update_of(FEEDS, &options, data.path()).await.unwrap().changed);
    std::fs::write(tree.path().join("lines.example/data/more.txt"), "CVE-2025-1\nend\n").unwrap();
    assert!(update_of(FEEDS, &options, data.path()).await.unwrap().changed);
    assert!(knows(data.path(), "CVE-2025-1") && knows(data.path(), "CVE-2024-1004"));
}

#[tokio::test]
async fn two_updates_never_run_at_once() {
    let data = tempfile::tempdir().unwrap();
    let held = Shelf::open(data.path()).unwrap();
    let options = Options { from: Some(data.path().into()), ..Options::default() };
    assert!(matches!(update_of(FEEDS, &options, data.path()).await, Err(Error::Busy { .. })));
    drop(held);
    assert!(matches!(update_of(FEEDS, &options, data.path()).await, Err(Error::Nothing { .. })));
}
