//! Every surface counts the same: random filters over a made fleet of 50,000 findings, with disable rules. The total by REST is
//! the number of rows when a list is read to its end, as JSON Lines and as CSV too, and is what the console's page and the command
//! line say. `PORTWARDEN_FILTERS=10000` asks more of them.

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use lab::fleet::{Dice, NOW};
use lab::load::load;
use model::time::Micros;
use serde_json::{Value, json};
use server::{Asker, DatabaseView, Handle, Parts};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{Settings, Store};
use tower::ServiceExt;

/// About 50,000 findings.
const IMAGES: i64 = 170;
/// Filters, unless the environment says more.
const FILTERS: usize = 120;
/// Rows of a page; the most there can be.
const PAGE: u64 = 1_000;
/// Lists up to so many rows are read to their end each time, longer ones each tenth time.
const SHORT: u64 = 3_000;
const USER: &str = "filters";

const WORDS: &[&str] = &[
    "severity:>=high",
    "severity:critical",
    "severity:medium,low",
    "-severity:low",
    "severity:negligible",
    "fix:yes",
    "fix:no",
    "kev:yes",
    "-kev:yes",
    "epss:>0.5",
    "epss:<=0.01",
    "cvss:>=7",
    "cvss:<4.5",
    "pkg:lib*",
    "-pkg:lib*",
    "pkg:*package1*",
    "package17",
    "type:deb",
    "type:npm,pypi",
    "-type:go",
    "cve:CVE-2024-*",
    "-cve:*7",
    "state:open",
    "state:fixed",
    "category:kernel-headers",
    "registry:registry-0*",
    "-registry:registry-07",
    "sub:division-2",
    "repo:team-1*",
    "-repo:*/service-00*",
    "tag:1.0",
    "os:debian",
    "-os:alpine",
    "platform:linux/arm64",
    "verdict:gaps",
    "-verdict:gaps",
    "coverage:in-window",
    "reason:feeds",
    "pulled:<30d",
    "-pulled:<=20d",
    "age:>100d",
    "age:<200d",
    "-age:>400d",
    "hidden:yes",
    "hidden:all",
    "status:disabled",
    "status:all",
    "rule:*",
    "rule:low",
    "-rule:low",
    "allows",
    "\"before 3\"",
];

/// Orders of findings; every one has the same rows.
const ORDERS: &[&str] =
    &["default", "severity", "-cvss", "epss", "-first_seen", "package", "-vulnerability", "image", "fixable"];

struct Surfaces {
    router: axum::Router,
    data: PathBuf,
    portwarden: Option<PathBuf>,
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { (b as char).to_string() } else { format!("%{b:02X}") })
        .collect()
}

impl Surfaces {
    async fn new(data: &Path) -> Self {
        let settings = Settings { data: data.to_owned(), ..Settings::default() };
        load(&settings, &lab::fleet::fleet(IMAGES, 3)).await.expect("a fleet");
        let store = Store::open(&settings).await.expect("the store");
        let index = Handle::default();
        index.catch_up(&store).await.expect("the index");
        let view = DatabaseView {
            generation: 1,
            content_hash: String::new(),
            built: None,
            starter_only: false,
            feeds: Vec::new(),
        };
        let database: Arc<dyn Fn() -> DatabaseView + Send + Sync> = Arc::new(move || view.clone());
        let parts = Parts {
            store,
            index,
            database,
            public_url: "".into(),
            now: || Micros(NOW + 1),
            system: Arc::new(|| Box::pin(async { server::SystemView::default() })),
            sample: || None,
        };
        let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.parent()?.join("portwarden")));
        let portwarden = beside.filter(|path| path.exists() && std::env::var_os("PORTWARDEN_FILTERS_CLI").is_some());
        let surfaces = Self { router: server::router(parts), data: data.to_owned(), portwarden };
        for (name, criteria) in [
            ("low", json!({"severity_below": "medium"})),
            ("unfixed", json!({"not_patchable": true, "categories": ["npm"]})),
            ("named", json!({"packages": ["lib*"], "cvss_below": 5.0})),
        ] {
            let rule = json!({"name": name, "scope": "/", "criteria": criteria, "reason": "other", "justification": "a test",
                "confirm": true});
            let (status, _, answer) = surfaces.send(Method::POST, "/api/v1/rules", rule.to_string()).await;
            assert_eq!(status, StatusCode::CREATED, "{name}: {answer}");
        }
        surfaces
    }

    async fn send(&self, method: Method, path: &str, body: String) -> (StatusCode, HeaderMap, String) {
        let json = (header::CONTENT_TYPE, "application/json");
        let request = Request::builder().method(method).uri(path).header(json.0, json.1);
        let mut request = request.body(Body::from(body)).expect("a request");
        request.extensions_mut().insert(Asker::local(USER));
        let (head, body) = self.router.clone().oneshot(request).await.expect("an answer").into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        (head.status, head.headers, String::from_utf8(body.to_vec()).expect("text"))
    }

    async fn get(&self, path: &str) -> (HeaderMap, String) {
        let (status, headers, body) = self.send(Method::GET, path, String::new()).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        (headers, body)
    }

    async fn total(&self, list: &str, q: &str) -> u64 {
        let (_, body) = self.get(&format!("/api/v1/{list}?limit=1&q={}", encoded(q))).await;
        serde_json::from_str::<Value>(&body).expect("JSON")["total"].as_u64().expect("a total")
    }

    /// The rows of a list that is read to its end in a format.
    async fn rows(&self, list: &str, q: &str, format: &str, order: &str) -> u64 {
        let mut rows = 0;
        let mut next = Some(format!("/api/v1/{list}?limit={PAGE}&format={format}&sort={order}&q={}", encoded(q)));
        while let Some(path) = next {
            let (headers, body) = self.get(&path).await;
            // A value of CSV can hold a line break, in quotes.
            let quoted =
                |(open, lines): (bool, u64), b: u8| (open ^ (b == b'"'), lines + u64::from(b == b'\n' && !open));
            let lines = body.bytes().fold((false, 0), quoted).1;
            // A table without rows has no head.
            rows += if format == "csv" { lines.saturating_sub(1) } else { body.lines().count() as u64 };
            let link = headers.get(header::LINK).and_then(|link| link.to_str().ok());
            next = link.and_then(|link| Some(link.strip_prefix('<')?.split_once('>')?.0.to_owned()));
        }
        rows
    }

    /// What the console's page says.
    async fn page(&self, list: &str, q: &str) -> u64 {
        let (_, html) = self.get(&format!("/{list}?q={}", encoded(q))).await;
        let number = html.split_once("<caption>").and_then(|(_, rest)| rest.split(' ').next());
        number.map_or(0, |number| number.parse().unwrap_or_else(|_| panic!("{list} {q}: {number:?} is no number")))
    }

    /// What the command line says.
    fn command(&self, q: &str) -> Option<u64> {
        let mut command = std::process::Command::new(self.portwarden.as_ref()?);
        command.arg("--data").arg(&self.data).args(["finding", "list", "--format", "json", "--"]).args(q.split(' '));
        let out = command.output().expect("the command line");
        assert!(out.status.success(), "{q}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice::<Value>(&out.stdout).expect("JSON")["total"].as_u64()
    }
}

/// Words of the query box, scopes among them.
fn filter(dice: &mut Dice) -> String {
    let count = 1 + dice.below(4);
    let mut words: Vec<&str> = (0..count).map(|_| WORDS[dice.below(WORDS.len() as u64) as usize]).collect();
    words.sort_unstable();
    words.dedup();
    words.join(" ")
}

#[tokio::test]
async fn every_surface_counts_the_same_for_every_filter() {
    let folder = tempfile::tempdir().expect("a folder");
    let surfaces = Surfaces::new(folder.path()).await;
    assert!(surfaces.total("findings", "hidden:all status:all").await > 45_000, "a fleet of the size that is promised");
    if surfaces.portwarden.is_none() {
        println!("1 check not run: the command line, which PORTWARDEN_FILTERS_CLI=1 asks after `cargo build`");
    }
    let filters = std::env::var("PORTWARDEN_FILTERS").ok().and_then(|n| n.parse().ok()).unwrap_or(FILTERS);
    let mut dice = Dice::new(17);
    for number in 0..filters {
        let q = filter(&mut dice);
        let total = surfaces.total("findings", &q).await;
        assert_eq!(surfaces.page("findings", &q).await, total, "{number}: the page of {q:?}");
        if total <= SHORT || number % 10 == 0 {
            let order = ORDERS[dice.below(ORDERS.len() as u64) as usize];
            let read = |format| surfaces.rows("findings", &q, format, order);
            assert_eq!(read("jsonl").await, total, "{number}: the lines of {q:?} by {order}");
            assert_eq!(read("csv").await, total, "{number}: the table of {q:?} by {order}");
        }
        if number % 25 == 0 {
            surfaces.command(&q).into_iter().for_each(|n| assert_eq!(n, total, "{number}: the command line of {q:?}"));
        }
        for list in ["vulnerabilities", "images"] {
            let total = surfaces.total(list, &q).await;
            assert_eq!(surfaces.rows(list, &q, "jsonl", "default").await, total, "{number}: the lines of {list} {q:?}");
        }
    }
}
