//! Lines of the resource logs that no write carries: logins, and what came to nothing.
//!
//! In: a request and how it ended. Out: lines that the store writes a moment later. A client that sends its password or token with every
//! request is one login a minute, which the store sees to; whatever fails of somebody who was recognised is a line each.

use crate::Registry;
use crate::access::{Caller, Surroundings};
use crate::error::{Code, Error};
use crate::path::{Route, Target};
use crate::token::Claims;
use http::{HeaderMap, Method, StatusCode, header};
use store::{LogEntry, Principal};

impl Registry {
    /// Logs a login, or one that was refused.
    pub(crate) fn log_login(
        &self,
        around: &Surroundings,
        principal: Option<&Principal>,
        jwt: &str,
        status: StatusCode,
    ) {
        let entry = self.entry_of(around, principal, status);
        self.store.log(LogEntry { login: true, operation: "login".into(), jwt: jwt.to_owned(), ..entry });
    }

    /// Logs the login of a request that brings a password or token of its own, not one of `/oauth2/token`.
    pub(crate) fn log_direct(&self, around: &Surroundings, headers: &HeaderMap, caller: &Result<Caller, Error>) {
        let Some(value) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) else { return };
        if value.split_once(' ').is_some_and(|(_, text)| Claims::looks_like(text.trim())) {
            return;
        }
        match caller {
            Ok(Caller { principal, .. }) => self.log_login(around, Some(principal), "", StatusCode::OK),
            Err(error) => self.log_login(around, None, "", error.status()),
        }
    }

    /// Logs that network rules kept a client out.
    pub(crate) fn log_refused(
        &self,
        around: &Surroundings,
        route: Option<&Route>,
        method: &Method,
        status: StatusCode,
    ) {
        match route.and_then(|route| about(route, method)) {
            Some(entry) => self.store.log(self.with(entry, around, None, status)),
            None => self.log_login(around, None, "", status),
        }
    }

    /// Logs a pull, push or delete that failed. That a token is too narrow is a step on the way, and no line.
    pub(crate) fn log_failed<T>(
        &self,
        around: &Surroundings,
        principal: &Principal,
        route: &Route,
        method: &Method,
        answer: &Result<T, Error>,
    ) {
        let Err(error) = answer else { return };
        if error.code() == Code::Unauthorized || method == Method::HEAD {
            return;
        }
        if let Some(entry) = about(route, method) {
            self.store.log(self.with(entry, around, Some(principal), error.status()));
        }
    }

    fn with(
        &self,
        about: LogEntry,
        around: &Surroundings,
        principal: Option<&Principal>,
        status: StatusCode,
    ) -> LogEntry {
        let LogEntry { operation, repository, tag, digest, .. } = about;
        LogEntry { operation, repository, tag, digest, ..self.entry_of(around, principal, status) }
    }

    fn entry_of(&self, around: &Surroundings, principal: Option<&Principal>, status: StatusCode) -> LogEntry {
        LogEntry {
            caller: around.caller(principal),
            result: i64::from(status.as_u16()),
            micros: i64::try_from(around.began.elapsed().as_micros()).unwrap_or(i64::MAX),
            registry: self.entry.id,
            ..LogEntry::default()
        }
    }
}

/// What a request wants of a manifest, or that it wants a blob gone; `None`: it is about something else.
fn about(route: &Route, method: &Method) -> Option<LogEntry> {
    let (repository, tag, digest) = match route {
        Route::Manifest(repository, Target::Tag(tag)) => (repository, tag.clone(), String::new()),
        Route::Manifest(repository, Target::Digest(digest)) => (repository, String::new(), digest.to_string()),
        Route::Blob(repository, digest) if method == Method::DELETE => (repository, String::new(), digest.to_string()),
        _ => return None,
    };
    let operation = match *method {
        Method::GET | Method::HEAD => "pull",
        Method::PUT => "push",
        Method::DELETE if digest.is_empty() => "untag",
        Method::DELETE => "delete",
        _ => return None,
    };
    Some(LogEntry { operation: operation.into(), repository: repository.clone(), tag, digest, ..LogEntry::default() })
}
