//! A registry to test, and what the tests send it.

use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use model::digest::Algorithm;
use model::role::{Grant, Role, Scope};
use model::{Digest, manifest};
use registry::Settings;
use serde_json::{Value, json};
use store::Store;
use store::trial::Trial;
use tower::ServiceExt;

pub const PASSWORD: &str = "correct horse";

/// A registry with the user `admin`.
pub struct Server {
    pub router: Router,
    pub store: Store,
    _place: (tempfile::TempDir, Option<Trial>),
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
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The code of the first error.
    pub fn code(&self) -> String {
        self.json()["errors"][0]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The answer, which must have this status.
    #[track_caller]
    pub fn is(self, status: u16, why: &str) -> Self {
        assert_eq!(self.status.as_u16(), status, "{why}: {}", String::from_utf8_lossy(&self.body));
        self
    }
}

pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

impl Server {
    pub async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub async fn with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let trial = Trial::wanted().await;
        let database = trial.as_ref().map(Trial::url);
        let place = store::Settings { data: folder.path().join("data"), database, ..store::Settings::default() };
        let store = Store::open(&place).await.unwrap();
        store.ensure_admin(Some(PASSWORD)).await.unwrap();
        let router = registry::router(store.clone(), settings).await.unwrap();
        Self { router, store, _place: (folder, trial) }
    }

    /// The logins, or what was done to manifests, newest first.
    pub async fn log(&self, login: bool) -> Vec<store::LogEntry> {
        let filter = store::LogFilter { login, ..store::LogFilter::default() };
        let (rows, total) = self.store.log_rows(&filter, 100).await.unwrap();
        assert_eq!(rows.len() as u64, total);
        rows.into_iter().map(|row| row.entry).collect()
    }

    /// Makes a user of the embedded registry with a role in one repository.
    pub async fn user(&self, name: &str, roles: &[(Role, &str)]) {
        let id = self.store.make_principal(name, "user", PASSWORD, &store::Caller::default()).await.unwrap();
        let guid = self.store.registry("local").await.unwrap().unwrap().subscription_guid;
        for (role, repository) in roles {
            let grant = Grant { role: *role, scope: Scope::repository(&guid, "default", "local", repository) };
            self.store.grant(id, &grant, &store::Caller::default()).await.unwrap();
        }
    }

    /// Sends a request just as it is.
    pub async fn raw(&self, request: Request<Body>) -> Answer {
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    }

    /// Sends a request of a user.
    pub async fn as_user(
        &self,
        user: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "registry.test");
        request = request.header("authorization", basic(user, PASSWORD));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.raw(request.body(body.into()).unwrap()).await
    }

    /// Sends a request of the administrator.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        self.as_user("admin", method, path, headers, body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Body::empty()).await
    }

    pub async fn head(&self, path: &str) -> Answer {
        self.send(Method::HEAD, path, &[], Body::empty()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], Body::empty()).await
    }

    /// Begins an upload and returns its address.
    pub async fn begin(&self, repository: &str) -> String {
        let path = format!("/v2/{repository}/blobs/uploads/");
        let answer = self.send(Method::POST, &path, &[], Body::empty()).await.is(202, "an upload begins");
        answer.header("location").to_owned()
    }

    /// Pushes a blob in one request.
    pub async fn push_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::sha256(bytes);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        self.send(Method::POST, &path, &[], bytes.to_vec()).await.is(201, "a blob is pushed");
        digest
    }

    pub async fn put_manifest(&self, repository: &str, target: &str, manifest: &Value) -> Answer {
        let media_type = manifest["mediaType"].as_str().unwrap_or(manifest::OCI_IMAGE).to_owned();
        let path = format!("/v2/{repository}/manifests/{target}");
        self.send(Method::PUT, &path, &[("content-type", &media_type)], manifest.to_string()).await
    }

    /// Pushes an image with a layer of these bytes; returns its manifest.
    pub async fn push_image(&self, repository: &str, tag: &str, layer: &[u8]) -> Value {
        let manifest = self.image(repository, layer).await;
        self.put_manifest(repository, tag, &manifest).await.is(201, "an image is pushed");
        manifest
    }

    /// Pushes the blobs of an image; returns its manifest.
    pub async fn image(&self, repository: &str, layer: &[u8]) -> Value {
        let config = br#"{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}"#;
        self.push_blob(repository, config).await;
        self.push_blob(repository, layer).await;
        json!({
            "schemaVersion": 2, "mediaType": manifest::OCI_IMAGE,
            "config": descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
        })
    }
}

pub fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::sha256(bytes).as_str(), "size": bytes.len()})
}

pub fn sha512(bytes: &[u8]) -> Digest {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, bytes);
    Digest::from_hash(Algorithm::Sha512, hash.as_ref())
}

/// The digest of a manifest as `put_manifest` sends it.
pub fn digest_of(manifest: &Value) -> Digest {
    Digest::sha256(manifest.to_string().as_bytes())
}
