//! The upload API against a model of a few lines; uploads belong to whoever began them.

use crate::server::Server;
use http::Method;
use model::Digest;
use model::role::Role;
use proptest::prelude::*;
use std::collections::HashMap;

/// What a client does next; uploads are named by their ordinal.
#[derive(Debug, Clone)]
enum Step {
    Begin,
    /// A chunk for an upload: so many bytes, shifted against the right offset.
    Chunk(usize, u8, i8),
    /// A chunk without `Content-Range`.
    Stream(usize, u8),
    Status(usize),
    Cancel(usize),
    /// The end, with so many more bytes; with the right digest or a wrong one.
    Finish(usize, u8, bool),
    /// Everything in one request.
    Post(u8, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0_usize..4;
    prop_oneof![
        2 => Just(Step::Begin),
        4 => (which.clone(), 1_u8.., -2_i8..3).prop_map(|(w, n, d)| Step::Chunk(w, n, d)),
        2 => (which.clone(), any::<u8>()).prop_map(|(w, n)| Step::Stream(w, n)),
        1 => which.clone().prop_map(Step::Status),
        1 => which.clone().prop_map(Step::Cancel),
        3 => (which, any::<u8>(), any::<bool>()).prop_map(|(w, n, ok)| Step::Finish(w, n, ok)),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(n, ok)| Step::Post(n, ok)),
    ]
}

/// The model: bytes of open uploads, and what is a blob.
#[derive(Default)]
struct Model {
    uploads: Vec<(String, Option<Vec<u8>>)>,
    blobs: HashMap<Digest, Vec<u8>>,
    made: u64,
}

impl Model {
    /// Bytes that no step sent before.
    fn bytes(&mut self, n: u8) -> Vec<u8> {
        self.made += 1;
        let word = self.made.to_le_bytes();
        word.iter().copied().cycle().take(usize::from(n)).collect()
    }

    async fn take(&mut self, server: &Server, step: &Step) {
        match step {
            Step::Begin => self.uploads.push((server.begin("model").await, Some(Vec::new()))),
            Step::Post(n, right) => {
                let bytes = self.bytes(*n);
                let digest = if *right { Digest::sha256(&bytes) } else { Digest::sha256(b"wrong") };
                let path = format!("/v2/model/blobs/uploads/?digest={digest}");
                let status = if *right { 201 } else { 400 };
                server.send(Method::POST, &path, &[], bytes.clone()).await.is(status, "post");
                if *right {
                    self.blobs.insert(digest, bytes);
                }
            }
            Step::Chunk(which, n, shift) => self.chunk(server, *which, *n, Some(*shift)).await,
            Step::Stream(which, n) => self.chunk(server, *which, *n, None).await,
            Step::Status(which) => {
                let Some((location, held)) = self.uploads.get(*which) else { return };
                let status = if held.is_some() { 204 } else { 404 };
                let answer = server.get(location).await.is(status, "status");
                if let Some(held) = held {
                    assert_eq!(answer.header("range"), format!("0-{}", held.len().saturating_sub(1)));
                }
            }
            Step::Cancel(which) => {
                let Some((location, held)) = self.uploads.get_mut(*which) else { return };
                let status = if held.take().is_some() { 204 } else { 404 };
                server.delete(location).await.is(status, "cancel");
            }
            Step::Finish(which, n, right) => self.finish(server, *which, *n, *right).await,
        }
    }

    async fn chunk(&mut self, server: &Server, which: usize, n: u8, shift: Option<i8>) {
        let bytes = self.bytes(n);
        let Some((location, held)) = self.uploads.get_mut(which) else { return };
        let offset = held.as_ref().map_or(0, |h| h.len() as i64);
        let first = (offset + i64::from(shift.unwrap_or(0))).max(0);
        let range = format!("{first}-{}", first + i64::from(n) - 1);
        let headers = if shift.is_some() { vec![("content-range", range.as_str())] } else { vec![] };
        let answer = server.send(Method::PATCH, location, &headers, bytes.clone()).await;
        match held {
            None => drop(answer.is(404, "a chunk for nothing")),
            Some(_) if first != offset => drop(answer.is(416, "a chunk out of order")),
            Some(held) => {
                held.extend(bytes);
                let answer = answer.is(202, "a chunk");
                assert_eq!(answer.header("range"), format!("0-{}", held.len().saturating_sub(1)));
            }
        }
    }

    async fn finish(&mut self, server: &Server, which: usize, n: u8, right: bool) {
        let last = self.bytes(n);
        let Some((location, held)) = self.uploads.get_mut(which) else { return };
        let mut all = held.clone().unwrap_or_default();
        all.extend(&last);
        let digest = if right { Digest::sha256(&all) } else { Digest::sha256(b"wrong") };
        let answer = server.send(Method::PUT, &format!("{location}?digest={digest}"), &[], last).await;
        match held.take() {
            None => drop(answer.is(404, "an end for nothing")),
            Some(_) if right => {
                answer.is(201, "the end");
                self.blobs.insert(digest, all);
            }
            Some(_) => drop(answer.is(400, "a wrong digest")),
        }
    }

    /// Everything that is a blob is served as it is; nothing else is.
    async fn check(&self, server: &Server) {
        for (digest, bytes) in &self.blobs {
            let got = server.get(&format!("/v2/model/blobs/{digest}")).await.is(200, "a blob");
            assert_eq!(got.body, bytes);
        }
        server.get(&format!("/v2/model/blobs/{}", Digest::sha256(b"wrong"))).await.is(404, "no blob");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn uploads_do_what_the_model_does(steps in prop::collection::vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::new().await;
            let mut model = Model::default();
            for step in &steps {
                model.take(&server, step).await;
            }
            model.check(&server).await;
        });
    }
}

#[tokio::test]
async fn an_upload_belongs_to_its_repository_and_to_whoever_began_it() {
    let server = Server::new().await;
    server.user("mallory", &[(Role::AcrPush, "app"), (Role::AcrPush, "other")]).await;
    server.user("alice", &[(Role::AcrPush, "app"), (Role::AcrPush, "other")]).await;
    let alice = |method, path: String, body: &'static [u8]| {
        let server = &server;
        async move { server.as_user("alice", method, &path, &[], body).await }
    };
    let begun = alice(Method::POST, "/v2/app/blobs/uploads/".into(), b"").await.is(202, "alice begins");
    let location = begun.header("location").to_owned();
    let elsewhere = location.replace("/app/", "/other/");
    let digest = Digest::sha256(b"forged");
    for method in [Method::GET, Method::PATCH, Method::PUT, Method::DELETE] {
        let query = if method == Method::PUT { format!("?digest={digest}") } else { String::new() };
        let path = format!("{location}{query}");
        let answer = server.as_user("mallory", method.clone(), &path, &[], &b"forged"[..]).await;
        assert_eq!(answer.is(404, "another principal").code(), "BLOB_UPLOAD_UNKNOWN", "{method}");
        let path = format!("{elsewhere}{query}");
        let answer = server.as_user("alice", method.clone(), &path, &[], &b"forged"[..]).await;
        assert_eq!(answer.is(404, "another repository").code(), "BLOB_UPLOAD_UNKNOWN", "{method}");
    }
    alice(Method::PATCH, location.clone(), b"good").await.is(202, "untouched by all that");
    let path = format!("{location}?digest={}", Digest::sha256(b"good"));
    alice(Method::PUT, path, b"").await.is(201, "alice ends it");
}
