//! Pushing what is in memory: blobs in one piece, then the manifest.

use crate::{Client, Error, Location};
use bytes::Bytes;
use model::Digest;
use reqwest::header::LOCATION;
use reqwest::{Method, StatusCode};

impl Client {
    /// Uploads a blob unless the repository has it.
    pub async fn push_blob(&self, location: &Location, bytes: Bytes) -> Result<Digest, Error> {
        let digest = Digest::sha256(&bytes);
        let repository = &location.repository;
        let known = self.own(&format!("v2/{repository}/blobs/{digest}"))?;
        let head = self.send(Method::HEAD, known, OCTETS, Bytes::new(), repository).await?;
        if head.status().is_success() {
            return Ok(digest);
        }
        let start = self.own(&format!("v2/{repository}/blobs/uploads/"))?;
        let response = self.send(Method::POST, start, OCTETS, Bytes::new(), repository).await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(self.refusal(response, location).await);
        }
        let session = response.headers().get(LOCATION).and_then(|v| v.to_str().ok()).unwrap_or("");
        let mut url = self.own(session)?;
        url.query_pairs_mut().append_pair("digest", digest.as_str());
        let response = self.send(Method::PUT, url, OCTETS, bytes, repository).await?;
        if response.status() != StatusCode::CREATED {
            return Err(self.refusal(response, location).await);
        }
        Ok(digest)
    }

    /// Puts a manifest under the location's name.
    pub async fn push_manifest(&self, location: &Location, media_type: &str, bytes: Bytes) -> Result<Digest, Error> {
        let digest = Digest::sha256(&bytes);
        let url = self.own(&format!("v2/{}/manifests/{}", location.repository, location.name))?;
        let response = self.send(Method::PUT, url, media_type, bytes, &location.repository).await?;
        if response.status() != StatusCode::CREATED {
            return Err(self.refusal(response, location).await);
        }
        Ok(digest)
    }
}

const OCTETS: &str = "application/octet-stream";
