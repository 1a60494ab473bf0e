//! `/activity/logs`: the resource logs of the registries, the scanner's identity in them, and for how long they are kept.

use super::filled::Filled;
use super::form::Field;
use super::frame::{Export, Frame, Pager, Tab, When, link, page as render, visible};
use super::visit::Visit;
use crate::api::logs::{self as api, LogSettingsBody};
use crate::body::Form;
use crate::params::Params;
use crate::problem::Problem;
use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use model::Micros;
use model::role::{Action, Scope, allowed};
use store::LogRow;

const HERE: &str = "/activity/logs";
/// The filters of both logs, which are those of REST.
const COMMON: [&str; 8] = ["registry", "identity", "address", "operation", "result", "scanner", "since", "until"];
/// Those of the repository log alone.
const MANIFESTS: [&str; 3] = ["repository", "tag", "digest"];

#[derive(Template)]
#[template(path = "logs.html")]
struct Logs {
    frame: Frame,
    tabs: Vec<Tab>,
    login: bool,
    filtered: bool,
    fields: Vec<Field>,
    trouble: String,
    total: u64,
    rows: Vec<Row>,
    pager: Pager,
    export: Export,
    scanner: String,
    scanner_link: String,
    lost: i64,
    days: i64,
    /// Empty for whom may not change it.
    retention: Vec<Field>,
    guard: String,
}

/// A line as the page shows it.
struct Row {
    at: When,
    operation: String,
    times: i64,
    result: i64,
    tone: &'static str,
    identity: String,
    scanner: bool,
    address: String,
    user_agent: String,
    registry: String,
    repository: String,
    tag: String,
    digest: String,
    short: String,
}

fn row(row: LogRow, now: Micros) -> Row {
    let entry = row.entry;
    Row {
        at: When::of(entry.at, now),
        operation: entry.operation,
        times: entry.times,
        result: entry.result,
        tone: if entry.result < 400 { "good" } else { "bad" },
        identity: visible(&entry.caller.actor),
        scanner: entry.caller.scanner,
        address: visible(&entry.caller.address),
        user_agent: visible(&entry.caller.user_agent),
        registry: visible(&row.registry),
        repository: visible(&entry.repository),
        tag: visible(&entry.tag),
        short: entry.digest.chars().take(19).collect(),
        digest: entry.digest,
    }
}

fn fields(form: &Filled, login: bool) -> Vec<Field> {
    let any = ("", "all");
    let mut all = vec![
        Field::text("registry", "Registry", ""),
        Field::text("identity", "Identity", ""),
        Field::text("address", "Address", "").example("203.0.113.7"),
    ];
    if !login {
        let words = ["push", "pull", "import", "untag", "delete"].map(|word| (word, word));
        let words: Vec<_> = std::iter::once(any).chain(words).collect();
        all.push(Field::select("operation", "Operation", "", &words));
        all.push(Field::text("repository", "Repository", ""));
        all.push(Field::text("tag", "Tag", ""));
        all.push(Field::text("digest", "Digest", ""));
    }
    all.push(Field::select("result", "Result", "", &[any, ("ok", "succeeded"), ("failed", "failed")]));
    all.push(Field::select("scanner", "Scanner", "", &[any, ("yes", "only the scanner"), ("no", "only others")]));
    all.push(Field::text("since", "Since", "").hint("A time, or a day (its beginning, UTC)."));
    all.push(Field::text("until", "Until", ""));
    all.into_iter().map(|field| form.field(field)).collect()
}

/// What the address asks for: the log, the filters that were filled in, the cursor.
struct Question {
    login: bool,
    given: Vec<(&'static str, String)>,
    after: Option<String>,
}

impl Question {
    fn read(query: Option<&str>) -> Result<Self, Problem> {
        let mut typed = Params::parse(query);
        let login = match typed.take("log")?.as_deref() {
            None | Some("repository") => false,
            Some("login") => true,
            Some(other) => return Err(Problem::parameter("log", format!("log={other:?}; allowed: login, repository"))),
        };
        let mut given = Vec::new();
        for name in COMMON.into_iter().chain(MANIFESTS) {
            let value = typed.take(name)?.unwrap_or_default();
            let of_other_log = login && MANIFESTS.contains(&name);
            if !value.is_empty() && !of_other_log {
                given.push((name, value));
            }
        }
        let after = typed.take("after")?.filter(|after| !after.is_empty());
        typed.finish()?;
        Ok(Self { login, given, after })
    }

    fn filters(&self) -> Vec<(&str, &str)> {
        self.given.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    fn params(&self) -> Params {
        let cursor = [("after", self.after.as_deref().unwrap_or(""))];
        let question = link("", &[self.filters().as_slice(), &cursor].concat());
        Params::parse(question.strip_prefix('?'))
    }

    fn to(&self, after: &str) -> String {
        let log = [("log", if self.login { "login" } else { "" }), ("after", after)];
        link(HERE, &[self.filters().as_slice(), &log].concat())
    }
}

/// `GET /activity/logs`
pub async fn page(visit: Visit) -> Result<Response, Problem> {
    let asked = Question::read(visit.query.as_deref())?;
    show(&visit, &asked, None).await
}

async fn show(visit: &Visit, question: &Question, wrong: Option<(Form, Problem)>) -> Result<Response, Problem> {
    let now = (visit.parts.now)();
    let (login, given) = (question.login, question.filters());
    let (asked, form) = match api::ask(&visit.parts, &visit.asker, login, question.params()).await {
        Ok(asked) => (asked, Filled::new(&visit.asker, &given)),
        Err(problem) => {
            let asked = api::ask(&visit.parts, &visit.asker, login, Params::default()).await?;
            (asked, Filled::again(&visit.asker, Form::of(&given), problem))
        }
    };
    let fields = fields(&form, login);
    let kept = api::kept(&visit.parts).await?;
    let days = kept.days.to_string();
    let owner = allowed(&visit.who.grants, Action::Own, &Scope::ALL);
    let keep = match wrong {
        Some((typed, problem)) => Filled::again(&visit.asker, typed, problem),
        None => Filled::new(&visit.asker, &[("days", days.as_str())]),
    };
    let retention = Field::text("days", "Days that lines are kept", "").kind("number").required().hint("1 to 3,650.");
    let retention: Vec<Field> = owner.then(|| keep.field(retention)).into_iter().collect();
    let tab = |text: &str, key: &str, here: bool| Tab {
        text: text.into(),
        link: link(HERE, &[("log", key)]),
        count: String::new(),
        here,
    };
    let path = if login { "/logs/login" } else { "/logs/repository" };
    let command = if login { "portwarden log login" } else { "portwarden log repository" };
    let pager = Pager {
        first: question.after.as_ref().map(|_| question.to("")).unwrap_or_default(),
        next: asked.next.as_deref().map(|next| question.to(next)).unwrap_or_default(),
    };
    let frame = Frame::new(visit, "activity").still();
    let shown = render(&Logs {
        frame: frame.programs(visit, &link(path, &given), command),
        tabs: vec![tab("Pushes and pulls", "", !login), tab("Logins", "login", login)],
        login,
        filtered: !given.is_empty(),
        trouble: form.trouble(&fields),
        fields,
        total: asked.total,
        rows: asked.rows.into_iter().map(|line| row(line, now)).collect(),
        pager,
        export: Export::new(path, &given),
        scanner_link: link(HERE, &[("log", if login { "login" } else { "" }), ("scanner", "yes")]),
        scanner: kept.scanner_identity,
        lost: kept.lost_lines,
        days: kept.days,
        retention,
        guard: keep.guard(),
    });
    Ok(keep.answer(form.answer(shown)))
}

/// `POST /activity/logs`: for how long lines are kept.
pub async fn keep(visit: Visit, form: Form) -> Result<Response, Problem> {
    let done = match form.read::<LogSettingsBody>() {
        Ok(body) => api::keep(&visit.parts, &visit.asker, body).await,
        Err(problem) => Err(problem),
    };
    match done {
        Ok(_) => Ok(Redirect::to(HERE).into_response()),
        Err(problem) => show(&visit, &Question::read(None)?, Some((form, problem))).await,
    }
}
