//! Lists: tags, repositories, referrers. Every list is bounded and goes on by `Link`.

use crate::ask::{Ask, add_headers, json_answer};
use crate::error::{Code, Error};
use axum::body::Body;
use http::Response;
use model::Digest;
use model::manifest::OCI_INDEX;
use model::role::Action;
use serde_json::{Value, json};

/// Most names in one answer.
const NAMES: u32 = 10_000;
/// Names in one answer of the catalog, unless asked for otherwise.
const CATALOG: u32 = 1_000;
/// Clients read an index of at most this many bytes.
const REFERRERS_BYTES: usize = 3 << 20;

/// `GET /v2/<name>/tags/list?n=&last=`.
pub(crate) async fn tags(ask: &Ask, name: &str) -> Result<Response<Body>, Error> {
    let (n, last) = (count(ask, NAMES)?, ask.parameters.one("last")?.unwrap_or_default());
    let registry = &ask.registry;
    let page = registry.store.tags(registry.entry.id, name, last, n).await?;
    let page = page.ok_or_else(|| Error::new(Code::NameUnknown, format!("there is no repository {name}")))?;
    let mut response = json_answer(json!({ "name": name, "tags": page.names }).to_string());
    if let Some(last) = page.names.last().filter(|_| page.more) {
        link(&mut response, &format!("/v2/{name}/tags/list?n={n}&last={last}"));
    }
    Ok(response)
}

/// `GET /v2/_catalog?n=&last=`: the repositories that the caller may pull from.
pub(crate) async fn catalog(ask: &Ask) -> Result<Response<Body>, Error> {
    let n = count(ask, CATALOG)?;
    let wanted = n as usize;
    let mut last = ask.parameters.one("last")?.unwrap_or_default().to_owned();
    let registry = &ask.registry;
    let mut names: Vec<String> = Vec::new();
    while names.len() <= wanted && n > 0 {
        let page = registry.store.repositories(registry.entry.id, &last, CATALOG).await?;
        let Some(end) = page.last().cloned() else { break };
        let principal = &ask.caller.principal;
        names.extend(page.into_iter().filter(|name| crate::access::may(principal, registry, Action::Pull, name)));
        last = end;
    }
    let more = names.len() > wanted;
    names.truncate(wanted);
    let mut response = json_answer(json!({ "repositories": names }).to_string());
    if let Some(last) = names.last().filter(|_| more) {
        link(&mut response, &format!("/v2/_catalog?n={n}&last={last}"));
    }
    Ok(response)
}

/// `GET /v2/<name>/referrers/<digest>?artifactType=`.
pub(crate) async fn referrers(ask: &Ask, name: &str, subject: &Digest) -> Result<Response<Body>, Error> {
    let filter = ask.parameters.one("artifactType")?;
    let last = ask.parameters.one("last")?.unwrap_or_default();
    let registry = &ask.registry;
    let all = registry.store.referrers(registry.entry.id, name, subject, filter.unwrap_or_default()).await?;
    let (mut manifests, mut bytes, mut more) = (Vec::new(), 0_usize, None);
    for referrer in all.iter().filter(|r| r.digest.as_str() > last) {
        bytes = bytes.saturating_add(referrer.annotations.len() + 400);
        if bytes > REFERRERS_BYTES && !manifests.is_empty() {
            more = manifests.last().and_then(|m: &Value| m["digest"].as_str()).map(str::to_owned);
            break;
        }
        manifests.push(descriptor(referrer));
    }
    let body = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests });
    let mut response = Response::new(Body::from(body.to_string()));
    add_headers(&mut response, &[("content-type", OCI_INDEX)]);
    if filter.is_some() {
        add_headers(&mut response, &[("oci-filters-applied", "artifactType")]);
    }
    if let Some(last) = more {
        let kept = filter.map(|f| format!("artifactType={}&", encode(f))).unwrap_or_default();
        link(&mut response, &format!("/v2/{name}/referrers/{subject}?{kept}last={last}"));
    }
    Ok(response)
}

fn descriptor(referrer: &store::Referrer) -> Value {
    let mut value = json!({
        "mediaType": referrer.media_type,
        "digest": referrer.digest.as_str(),
        "size": referrer.bytes,
    });
    if !referrer.artifact_type.is_empty() {
        value["artifactType"] = json!(referrer.artifact_type);
    }
    match serde_json::from_str::<Value>(&referrer.annotations) {
        Ok(Value::Object(annotations)) if !annotations.is_empty() => value["annotations"] = Value::Object(annotations),
        _ => {}
    }
    value
}

fn count(ask: &Ask, most: u32) -> Result<u32, Error> {
    match ask.parameters.one("n")? {
        None => Ok(most),
        Some(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
            Ok(text.parse::<u32>().unwrap_or(u32::MAX).min(NAMES))
        }
        Some(_) => Err(Error::new(Code::Unsupported, "n is no whole number")),
    }
}

fn link(response: &mut Response<Body>, address: &str) {
    add_headers(response, &[("link", &format!("<{address}>; rel=\"next\""))]);
}

fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
