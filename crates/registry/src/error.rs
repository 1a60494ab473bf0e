//! What goes wrong, and how a client of the distribution protocol is told.
//!
//! In: an error of this crate or of the store. Out: a status and `{"errors":[{code, message, detail}]}`.

use axum::body::Body;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use model::Digest;
use serde_json::{Value, json};

/// The error codes of the specification, and `TAG_INVALID` and `INTERNAL` of Docker's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// No such blob in the repository.
    BlobUnknown,
    /// The upload went wrong.
    BlobUploadInvalid,
    /// No such upload.
    BlobUploadUnknown,
    /// The digest is malformed, or not that of the content.
    DigestInvalid,
    /// The manifest names something that the repository does not have.
    ManifestBlobUnknown,
    /// The manifest is malformed.
    ManifestInvalid,
    /// No such manifest in the repository.
    ManifestUnknown,
    /// The repository's name is malformed.
    NameInvalid,
    /// No such repository or page.
    NameUnknown,
    /// A length that does not fit.
    SizeInvalid,
    /// A malformed tag.
    TagInvalid,
    /// Not logged in.
    Unauthorized,
    /// Logged in, but not allowed.
    Denied,
    /// Not something that this registry does.
    Unsupported,
    /// Too many requests.
    TooManyRequests,
    /// The registry's own fault.
    Internal,
}

impl Code {
    fn as_str(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::TagInvalid => "TAG_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::Unsupported => "UNSUPPORTED",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::Internal => "INTERNAL",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BlobUnknown | Self::BlobUploadUnknown | Self::ManifestUnknown | Self::NameUnknown => {
                StatusCode::NOT_FOUND
            }
            Self::BlobUploadInvalid
            | Self::DigestInvalid
            | Self::ManifestBlobUnknown
            | Self::ManifestInvalid
            | Self::NameInvalid
            | Self::SizeInvalid
            | Self::TagInvalid
            | Self::Unsupported => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Denied => StatusCode::FORBIDDEN,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// An error as a client is told it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    code: Code,
    status: StatusCode,
    message: String,
    details: Vec<Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    source: Option<Box<store::Error>>,
}

impl Error {
    pub(crate) fn new(code: Code, message: impl ToString) -> Self {
        let (status, message) = (code.status(), message.to_string());
        Self { code, status, message, details: Vec::new(), headers: Vec::new(), source: None }
    }

    /// Nothing answers at this address.
    pub(crate) fn no_such_page() -> Self {
        Self::new(Code::NameUnknown, "there is nothing at this address")
    }

    /// The route knows no such method.
    pub(crate) fn no_such_method() -> Self {
        Self::new(Code::Unsupported, "this method is not supported here").with_status(StatusCode::METHOD_NOT_ALLOWED)
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Returns the code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    fn missing(digests: &[Digest]) -> Self {
        let mut error = Self::new(Code::ManifestBlobUnknown, "the repository does not have what the manifest names");
        error.details = digests.iter().map(|digest| json!({ "digest": digest.as_str() })).collect();
        error
    }

    /// Writes the answer. The registry's own faults are logged in full and told in one sentence.
    pub(crate) fn into_response(self) -> Response<Body> {
        if self.status.is_server_error() {
            tracing::error!(error = %chain(&self), "request failed");
        }
        let one = |detail: &Value| json!({"code": self.code.as_str(), "message": self.message, "detail": detail});
        let errors: Vec<_> =
            if self.details.is_empty() { vec![one(&Value::Null)] } else { self.details.iter().map(one).collect() };
        let mut response = Response::new(Body::from(json!({ "errors": errors }).to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        response
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

impl From<store::Error> for Error {
    /// No wildcard arm: a new variant must choose what a client is told.
    fn from(error: store::Error) -> Self {
        use store::Error as E;
        let told = match &error {
            E::NoBlob(digest) => Self::new(Code::BlobUnknown, format!("there is no blob {digest}")),
            E::NoUpload(_) => Self::new(Code::BlobUploadUnknown, "there is no such upload"),
            E::UploadBusy(_) => Self::new(Code::BlobUploadInvalid, "another request writes to this upload")
                .with_status(StatusCode::CONFLICT),
            E::TooManyUploads(_) => Self::new(Code::TooManyRequests, &error),
            E::DigestMismatch { .. } => Self::new(Code::DigestInvalid, &error),
            E::Missing(digests) => Self::missing(digests),
            E::NotFound { .. } => Self::new(Code::NameUnknown, &error),
            E::WrongCredentials => Self::new(Code::Unauthorized, &error),
            E::LockedOut { seconds } | E::Busy { seconds } => {
                Self::new(Code::TooManyRequests, &error).with_header(header::RETRY_AFTER, &seconds.to_string())
            }
            E::Disk { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Self::new(Code::Internal, "the registry's disk is full").with_status(StatusCode::INSUFFICIENT_STORAGE)
            }
            E::Database(_) => Self::new(Code::Internal, "the registry's database is away; try again")
                .with_status(StatusCode::SERVICE_UNAVAILABLE)
                .with_header(header::RETRY_AFTER, "5"),
            E::Disk { .. } | E::Blobs(_) => Self::new(Code::Internal, "the registry's blob store failed"),
            E::Newer { .. }
            | E::Connect { .. }
            | E::Data { .. }
            | E::Setting { .. }
            | E::LeaseLost(_)
            | E::StaleGeneration { .. }
            | E::Unjudged(_)
            | E::Repeated
            | E::Invalid { .. }
            | E::Conflict(_)
            | E::Damaged { .. } => Self::new(Code::Internal, "the registry failed; its log says why"),
        };
        Self { source: Some(Box::new(error)), ..told }
    }
}
