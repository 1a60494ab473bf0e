//! A small fleet to ask: two repositories, images of every verdict, and a page and more of findings.

use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use model::Digest;
use model::advisory::{Category, CvssVector, Source, VendorState};
use model::finding::Match;
use model::inventory::{Inventory, Note, OsRelease, Placed};
use model::package::PackageKey;
use model::role::{Grant, Role, Scope};
use model::severity::{Severity, SeveritySource};
use model::time::Micros;
use model::verdict::Verdict;
use serde_json::Value;
use server::{DatabaseView, FeedView, Handle, Parts, SampleImage};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use store::trial::Trial;
use store::{
    Assessment, Caller, Class, Descriptor, Failure, ManifestKind, NewManifest, Settings, Store, Vulnerability,
    VulnerabilityText,
};
use tower::ServiceExt;

pub const PASSWORD: &str = "correct horse";
/// More than two pages of 50.
pub const MANY: usize = 130;

/// The fleet behind its router.
#[derive(Clone)]
pub struct Fleet {
    pub router: Router,
    pub store: Store,
    /// `team/one:v1`: the image with a finding of each kind.
    pub one: String,
    /// `team/two:v1`: the image with many findings.
    pub two: String,
    /// `evil:v1`: the image whose every text is hostile.
    pub evil: String,
    pub failed: String,
    pub queued: String,
    pub accessory: String,
    pub subscription: String,
    pub index: Handle,
    pub parts: Parts,
    /// Routes of REST that something was asked of, and went well: method and path.
    pub answered: Arc<Mutex<BTreeSet<(String, String)>>>,
    _place: Arc<(tempfile::TempDir, Option<Trial>)>,
}

const DOCUMENT: &str = "/api/v1/openapi.json";
static PROMISED: tokio::sync::OnceCell<Value> = tokio::sync::OnceCell::const_new();

/// An image that comes with the program, as small as one can be.
fn sample() -> Option<SampleImage> {
    let (config, layers, manifest) =
        (Bytes::from("{}"), vec![Bytes::from("layer")], Bytes::from("manifest of a sample"));
    Some(SampleImage { repository: "sample/shop", tag: "1.0", platform: "linux/amd64", config, layers, manifest })
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The answer, which must have this status.
    #[track_caller]
    pub fn is(self, status: u16, why: &str) -> Self {
        assert_eq!(self.status.as_u16(), status, "{why}: {}", self.text());
        self
    }
}

pub fn now() -> Micros {
    Micros(i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap())
}

/// A match and the vulnerability that it names.
pub type Known = (Match, Vulnerability);

/// A package of Debian 12.
pub fn package(name: &str, version: &str) -> PackageKey {
    PackageKey {
        ecosystem: "debian:12".into(),
        name: name.into(),
        version: version.into(),
        source: name.into(),
        source_version: version.into(),
        arch: "amd64".into(),
        ..PackageKey::default()
    }
}

/// A vulnerability of a severity; fixed by `fixed` unless that is empty.
pub fn known(name: &str, severity: Severity, fixed: &str) -> Known {
    let found = Match {
        vulnerability: name.into(),
        severity,
        severity_source: SeveritySource::Vendor,
        state: if fixed.is_empty() { VendorState::Open } else { VendorState::Fixed },
        fixed_version: fixed.into(),
        advisory: name.into(),
        source: Source::Debian,
        category: Category::Vulnerability,
        comparison: format!("installed is before {fixed}"),
    };
    let fact = Vulnerability {
        name: name.into(),
        aliases: vec![name.replace("CVE", "GHSA")],
        title: format!("title of {name}"),
        severity,
        cvss: Some(75),
        kev: Micros(if severity == Severity::Critical { 1_700_000_000_000_000 } else { 0 }),
        epss: Some(42_000),
        published: Micros(1_690_000_000_000_000),
        modified: Micros(1_690_000_000_000_000),
        text: VulnerabilityText {
            description: format!("What {name} is."),
            references: vec!["https://example.org/advisory".into()],
            cvss: vec![CvssVector {
                vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N".into(),
                source: SeveritySource::Nvd,
            }],
            ..VulnerabilityText::default()
        },
    };
    (found, fact)
}

impl Fleet {
    pub async fn new() -> Self {
        let mut fleet = Self::empty().await;
        let each = [Severity::Critical, Severity::High, Severity::Unknown, Severity::Negligible];
        let each = each.iter().enumerate().map(|(n, s)| known(&format!("CVE-2024-000{n}"), *s, "2"));
        let each = vec![(package("openssl", "1"), each.collect()), (package("clean", "1"), Vec::new())];
        fleet.one = fleet.judged("team/one", "v1", "one", each, "lib").await;
        let many = |n: usize| {
            let severity = if n.is_multiple_of(2) { Severity::Medium } else { Severity::Low };
            let fixed = if n.is_multiple_of(3) { "9" } else { "" };
            (package(&format!("pkg{n:03}"), "1"), vec![known(&format!("CVE-2023-{n:04}"), severity, fixed)])
        };
        let mut many: Vec<_> = (0..MANY - 1).map(many).collect();
        many.push((package("openssl", "1.1"), vec![known("CVE-2024-0001", Severity::High, "2")]));
        fleet.two = fleet.judged("team/two", "v1", "two", many, "lib").await;
        fleet.failed = fleet.pushed("team/one", "v2", "failed").await;
        fleet.fail().await;
        fleet.evil = crate::hostile::push(&fleet).await;
        fleet.queued = fleet.pushed("team/two", "new", "queued").await;
        fleet.accessory = fleet.attached("team/one", "signature").await;
        fleet.index.catch_up(&fleet.store).await.unwrap();
        fleet
    }

    /// A store without an image.
    pub async fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let trial = Trial::wanted().await;
        let database = trial.as_ref().map(Trial::url);
        let place = Settings { data: folder.path().join("data"), database, ..Settings::default() };
        let store = Store::open(&place).await.unwrap();
        store.ensure_admin(Some(PASSWORD)).await.unwrap();
        store.adopt(7, "facts").await.unwrap();
        let index = Handle::default();
        index.catch_up(&store).await.unwrap();
        let feed = FeedView { name: "debian".into(), records: 5, date: None, fetched: None };
        let view = DatabaseView {
            generation: 7,
            content_hash: "facts".into(),
            built: Some("2026-03-01T00:00:00Z".into()),
            starter_only: false,
            feeds: vec![feed],
        };
        let parts = Parts {
            store: store.clone(),
            index: index.clone(),
            database: Arc::new(move || view.clone()),
            public_url: "http://registry.test:5000".into(),
            now,
            system: Arc::new(|| Box::pin(async { server::SystemView::default() })),
            sample,
        };
        let subscription = store.registry("local").await.unwrap().unwrap().subscription_guid;
        let [one, two, evil, failed, queued, accessory] = Default::default();
        let router = server::router(parts.clone());
        let _place = Arc::new((folder, trial));
        let answered = Arc::default();
        Self { router, store, one, two, evil, failed, queued, accessory, subscription, index, parts, answered, _place }
    }

    /// The same fleet under another clock.
    pub fn at(&self, now: fn() -> Micros) -> Self {
        let parts = Parts { now, ..self.parts.clone() };
        Self { router: server::router(parts.clone()), parts, ..self.clone() }
    }

    async fn blob(&self, repository: &str, bytes: &[u8]) -> Descriptor {
        let registry = self.store.registry("local").await.unwrap().unwrap().id;
        let id = self.store.begin_upload(registry, repository, "admin").await.unwrap();
        let mut upload = self.store.upload(id, registry, repository, "admin").await.unwrap();
        upload.append(Bytes::copy_from_slice(bytes)).await.unwrap();
        let digest = upload.finish(&Digest::sha256(bytes)).await.unwrap();
        let bytes = i64::try_from(bytes.len()).unwrap();
        Descriptor { digest, bytes, media_type: "application/octet-stream".into(), foreign: false }
    }

    async fn put(&self, repository: &str, tag: &str, seed: &str, kind: ManifestKind) -> String {
        let bytes = Bytes::from(format!("manifest {seed}"));
        let digest = Digest::sha256(&bytes);
        let manifest = NewManifest {
            registry: self.store.registry("local").await.unwrap().unwrap().id,
            repository: repository.into(),
            tags: if tag.is_empty() { Vec::new() } else { vec![tag.into()] },
            digest: digest.clone(),
            media_type: "application/vnd.oci.image.manifest.v1+json".into(),
            bytes,
            kind,
            subject: None,
            artifact_type: String::new(),
            annotations: "{}".into(),
            class: Class::Push,
            caller: Caller { actor: "admin".into(), ..Caller::default() },
        };
        self.store.put_manifest(manifest).await.unwrap();
        digest.to_string()
    }

    async fn attached(&self, repository: &str, seed: &str) -> String {
        let blobs = vec![self.blob(repository, seed.as_bytes()).await];
        self.put(repository, "", seed, ManifestKind::Accessory { blobs }).await
    }

    /// Pushes an image of one layer.
    pub async fn pushed(&self, repository: &str, tag: &str, seed: &str) -> String {
        let text = crate::hostile::ALL.join(" ");
        let config = serde_json::json!({"history": [{"created_by": text}], "rootfs": {"type": "layers", "diff_ids": []}, "seed": seed});
        let config = self.blob(repository, config.to_string().as_bytes()).await;
        let layers = vec![self.blob(repository, format!("layer {seed}").as_bytes()).await];
        let platform = "linux/amd64".into();
        self.put(repository, tag, seed, ManifestKind::Image { config, layers, platform }).await
    }

    /// Pushes an image and records what a scan of it found.
    pub async fn judged(
        &self,
        repository: &str,
        tag: &str,
        seed: &str,
        held: Vec<(PackageKey, Vec<Known>)>,
        path: &str,
    ) -> String {
        let digest = self.pushed(repository, tag, seed).await;
        let job = self.store.claim("test").await.unwrap().unwrap();
        let os = OsRelease { id: "debian".into(), pretty_name: "Debian 12".into(), ..OsRelease::default() };
        let placed = |key: &PackageKey| Placed { key: key.clone(), path: path.into(), layer: 0 };
        let packages = held.iter().map(|(key, _)| placed(key)).collect();
        let inventory = Inventory { os: Some(os), packages, notes: Vec::new() };
        let assessment = Assessment {
            job: &job,
            inventory: &inventory,
            platform: "linux/amd64".into(),
            revision: 1,
            verdict: Verdict::Complete,
            reasons: Vec::new(),
            notes: Vec::new(),
            generation: 7,
            judged: held.iter().map(|(key, m)| (key.clone(), m.iter().map(|m| m.0.clone()).collect())).collect(),
            vulnerabilities: held.into_iter().flat_map(|(_, m)| m.into_iter().map(|m| m.1)).collect(),
            started: now(),
            tier: "full".into(),
            bytes: 10,
        };
        self.store.record(&assessment).await.unwrap();
        digest
    }

    /// Somebody pulls a tag.
    pub async fn pull(&self, repository: &str, tag: &str) {
        let registry = self.store.registry("local").await.unwrap().unwrap().id;
        let manifest = self.store.manifest(registry, repository, tag).await.unwrap().unwrap();
        self.store.record_pull(registry, repository, tag, &manifest, &Caller::default()).await.unwrap();
        self.index.catch_up(&self.store).await.unwrap();
    }

    async fn fail(&self) {
        let job = self.store.claim("test").await.unwrap().unwrap();
        let text = crate::hostile::ALL.join(" ");
        let note = Note { code: "layer-truncated".into(), path: text.clone(), text, gap: true };
        let failure = Failure {
            job: &job,
            verdict: Verdict::Failed,
            code: "layer-truncated".into(),
            notes: vec![note],
            revision: 1,
            started: now(),
            tier: "full".into(),
        };
        self.store.record_failure(&failure).await.unwrap();
    }

    /// Makes a user with one role, over everything or in one repository.
    pub async fn user(&self, name: &str, role: Role, repository: Option<&str>) {
        let id = self.store.make_principal(name, "user", PASSWORD, &Caller::default()).await.unwrap();
        let scope = repository.map_or(Scope::ALL, |r| Scope::repository(&self.subscription, "default", "local", r));
        self.store.grant(id, &Grant { role, scope }, &Caller::default()).await.unwrap();
    }

    /// Sends a request just as it is.
    pub async fn raw(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().as_str().to_lowercase(), request.uri().path().to_owned());
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        if head.status.is_success() && path.starts_with("/api/v1/") && path != DOCUMENT {
            self.documented(&method, &path, head.status).await;
        }
        Answer { status: head.status, headers: head.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    /// The status of what went well is one that the document promises for the route.
    async fn documented(&self, method: &str, path: &str, status: StatusCode) {
        let read = async {
            let request = Request::get(DOCUMENT).body(Body::empty()).unwrap();
            let body = self.router.clone().oneshot(request).await.unwrap().into_body();
            serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap()
        };
        let document: &Value = PROMISED.get_or_init(|| read).await;
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |known: &str| {
            let known: Vec<&str> = known.split('/').collect();
            known.len() == parts.len() && known.iter().zip(&parts).all(|(k, p)| k == p || k.starts_with('{'))
        };
        let named = |known: &&String| known.matches('{').count();
        let known = document["paths"].as_object().unwrap().keys().filter(|known| fits(known)).min_by_key(named);
        let known = known.unwrap_or_else(|| panic!("{path} is in no table"));
        let promised = &document["paths"][known][method]["responses"];
        assert!(
            promised.get(status.as_str()).is_some(),
            "{method} {known} answers {status}, which the document does not say"
        );
        self.answered.lock().unwrap().insert((method.to_owned(), known.clone()));
    }

    pub async fn get_as(&self, user: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let login = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{PASSWORD}"));
        let mut request = Request::builder().method(Method::GET).uri(path);
        request = request.header("authorization", format!("Basic {login}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.raw(request.body(Body::empty()).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.get_as("admin", path, &[]).await
    }

    /// A page as a browser asks for it.
    pub async fn page(&self, path: &str) -> String {
        let answer = self.get_as("admin", path, &[("accept", "text/html")]).await.is(200, path);
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{path}");
        answer.text()
    }

    pub async fn list(&self, path: &str) -> Value {
        self.get(path).await.is(200, path).json()
    }

    pub fn image_page(&self, repository: &str, digest: &str) -> String {
        format!("/s/{}/local/{repository}@{digest}", self.subscription)
    }

    /// The first finding that a filter gives.
    pub async fn finding(&self, filter: &str) -> Value {
        self.list(&format!("/api/v1/findings?limit=1&{filter}")).await["items"][0].clone()
    }

    /// Every path of the OpenAPI document that answers questions; the document is made from the tables of routes.
    pub async fn routes(&self) -> Vec<String> {
        let document = self.list("/api/v1/openapi.json").await;
        let paths = document["paths"].as_object().unwrap();
        paths.iter().filter(|(_, methods)| methods.get("get").is_some()).map(|(path, _)| path.clone()).collect()
    }

    /// Sends a body as somebody.
    pub async fn send_as(
        &self,
        user: &str,
        method: Method,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let login = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{PASSWORD}"));
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("authorization", format!("Basic {login}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.raw(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    /// Makes a rule in a repository that hides nothing there is; returns its id.
    pub async fn rule(&self, repository: &str) -> String {
        let scope = format!("/{}/local/{repository}", self.subscription);
        let body = serde_json::json!({"name": repository, "scope": scope, "criteria": {"finding_ids": ["CVE-1999-0001"]},
            "reason": "other", "justification": "a test", "confirm": true});
        let made = self.post_as("admin", "/api/v1/rules", &body).await.is(201, repository).json();
        made["id"].as_str().unwrap().to_owned()
    }

    /// Sends JSON as somebody.
    pub async fn post_as(&self, user: &str, path: &str, body: &Value) -> Answer {
        let json = [("content-type", "application/json")];
        self.send_as(user, Method::POST, path, &body.to_string(), &json).await
    }
}

/// The addresses that a page names in an attribute, as a browser reads them.
pub fn addresses(html: &str, attribute: &str) -> Vec<String> {
    let mut all = Vec::new();
    for part in html.split(&format!(" {attribute}=\"")).skip(1) {
        let value = part.split('"').next().unwrap_or("");
        all.push(value.replace("&#38;", "&").replace("&amp;", "&").replace("&#60;", "<").replace("&#62;", ">"));
    }
    all
}
