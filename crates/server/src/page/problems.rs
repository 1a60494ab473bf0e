//! `/activity/problems`: every image that could not be judged, or not in full, with what that means and what to do; and the queue.
//!
//! In: the same list of images that REST has under `verdict:gaps,unsupported,failed`; jobs, for whom may see them. Out: reasons in words.

use super::chart::{HEALTH_DAYS, Health};
use super::frame::{self, Frame, Pager, When, visible};
use super::list::{self, Export, Kept, Part};
use super::visit::Visit;
use crate::history::DAY;
use crate::problem::Problem;
use crate::queue::{self, STUCK, Trouble};
use askama::Template;
use axum::response::Response;
use fleet::ImageRow;
use model::role::{Action, Scope, allowed};
use model::time::Micros;
use model::verdict::reason;

const HERE: &str = "/activity/problems";
/// Which images.
const TROUBLED: &str = "gaps,unsupported,failed";
/// Jobs that are shown.
const JOBS: u32 = 50;
/// Scans whose times are read, the newest.
const SCANS: u32 = 10_000;

#[derive(Template)]
#[template(path = "problems.html")]
struct Page {
    frame: Frame,
    problem: Option<String>,
    kept: Kept,
    q: String,
    address: String,
    rows: Vec<Row>,
    total: u64,
    pager: Pager,
    export: Export,
    causes: Vec<Cause>,
    /// `None` for whom may not see jobs.
    queue: Option<Queue>,
    /// The same.
    health: Option<Health>,
}

struct Row {
    name: String,
    link: String,
    digest: String,
    state: String,
    tone: &'static str,
    reasons: Vec<Why>,
    pushed: When,
}

/// A reason in words.
struct Why {
    code: String,
    meaning: &'static str,
    next_step: &'static str,
}

/// A reason and how many images have it.
struct Cause {
    why: Why,
    images: u64,
    link: String,
    bar: Vec<Part>,
}

/// What is being done.
struct Queue {
    running: u64,
    waiting: u64,
    again: u64,
    oldest: When,
    troubles: Vec<Trouble>,
    rows: Vec<Job>,
}

struct Job {
    what: String,
    link: String,
    state: &'static str,
    tone: &'static str,
    class: &'static str,
    attempt: i64,
    why: String,
    due: When,
    since: When,
}

/// `GET /activity/problems`
pub async fn page(visit: Visit) -> Response {
    frame::answer(&visit, build(&visit).await)
}

async fn build(visit: &Visit) -> Result<Page, Problem> {
    let asked = list::asked(visit, &[])?;
    let mut question = asked.question.clone();
    question.filter.field("verdict", TROUBLED)?;
    let (page, causes) = visit.parts.index.ask(|index| Ok((index.images(&question)?, index.reasons(&question)?)))?;
    let address = asked.address(HERE);
    let (q, sort) = (asked.q.clone(), asked.sort.clone());
    let parameters = [&[("verdict", TROUBLED)], asked.parameters().as_slice()].concat();
    let cli = frame::command("portwarden image list", &frame::also(&q, &format!("verdict:{TROUBLED}")), "");
    let queue = allowed(&visit.who.grants, Action::Audit, &Scope::ALL);
    Ok(Page {
        frame: Frame::new(visit, "activity").programs(visit, &frame::link("/images", &parameters), &cli).scoped(
            visit,
            &asked.scoped,
            HERE,
            &q,
        )?,
        kept: Kept::of(&address, &[("sort", &sort)]),
        pager: Pager::new(&address, &q, &sort, asked.after.as_deref(), page.next.as_ref().map(|c| c.as_str())),
        rows: page.items.into_iter().map(|image| row(&image, question.now)).collect(),
        total: page.total,
        export: Export::whole("/images", &parameters),
        causes: causes_of(causes, &address, &q),
        queue: if queue { Some(read_queue(visit, question.now).await?) } else { None },
        health: if queue { Some(read_health(visit, question.now).await?) } else { None },
        problem: asked.problem,
        address,
        q,
    })
}

/// The reasons, most images first, each with a bar and where its images are listed.
fn causes_of(causes: Vec<(String, u64)>, address: &str, q: &str) -> Vec<Cause> {
    let most = causes.first().map_or(1, |(_, images)| *images).max(1);
    let cause = |(code, images): (String, u64)| Cause {
        link: frame::link(address, &[("q", &frame::also(q, &format!("reason:{code}")))]),
        bar: vec![Part { word: "unknown", count: images, link: String::new(), x: 0, width: images * 1_000 / most }],
        why: why(&code),
        images,
    };
    causes.into_iter().map(cause).collect()
}

async fn read_health(visit: &Visit, now: Micros) -> Result<Health, Problem> {
    let since = Micros(now.0.saturating_sub(HEALTH_DAYS * DAY));
    Ok(Health::new(&visit.parts.store.scan_times(since, SCANS).await?, now))
}

/// A reason in words.
fn why(code: &str) -> Why {
    match reason(code) {
        Some(known) => Why { code: code.to_owned(), meaning: known.meaning, next_step: known.next_step },
        None => Why { code: visible(code), meaning: "", next_step: "" },
    }
}

fn row(image: &ImageRow, now: Micros) -> Row {
    let (state, tone) = frame::state(image.verdict, image.work, image.coverage, "");
    let place = image.places.first();
    let name = place.map(|place| match place.tags.first() {
        Some(tag) => format!("{}:{tag}", place.repository),
        None => place.repository.clone(),
    });
    Row {
        name: visible(&name.unwrap_or_default()),
        link: place.map(|place| frame::image_address(place, &image.digest)).unwrap_or_default(),
        digest: visible(&image.digest),
        state,
        tone,
        reasons: image.reason.split(',').filter(|code| !code.is_empty()).map(why).collect(),
        pushed: When::of(image.places.iter().map(|place| place.last_push).max().unwrap_or_default(), now),
    }
}

async fn read_queue(visit: &Visit, now: Micros) -> Result<Queue, Problem> {
    let (queue, jobs) = (visit.parts.store.queue().await?, visit.parts.store.jobs(JOBS).await?);
    let mut troubles = queue::troubles(&queue, now);
    troubles.iter_mut().for_each(|trouble| trouble.what = visible(&trouble.what));
    Ok(Queue {
        running: queue.running,
        waiting: queue.waiting,
        again: queue.again,
        oldest: When::of(queue.oldest, now),
        troubles,
        rows: jobs.into_iter().map(|job| job_row(job, now)).collect(),
    })
}

fn job_row(job: store::JobRow, now: Micros) -> Job {
    let stuck = job.state == "running" && now.0.saturating_sub(job.since.0) > STUCK;
    let (what, link) = match job.digest.as_str() {
        "" if job.kind == "rematch" => ("all images, against newer advisories".into(), String::new()),
        "" => (job.kind.to_owned(), String::new()),
        digest => (visible(&job.repository), frame::link("/inventory", &[("q", &format!("image:{digest}"))])),
    };
    Job {
        what,
        link,
        state: if stuck { "running for more than 15 min" } else { job.state },
        tone: match job.state {
            _ if stuck => "bad",
            "retry-at" => "warn",
            _ => "busy",
        },
        class: job.class.as_str(),
        attempt: job.attempt,
        why: visible(&job.reason),
        due: When::of(if job.state == "retry-at" { job.due } else { Micros(0) }, now),
        since: When::of(job.since, now),
    }
}
