//! The list of findings, over all images.

use super::columns::{Chooser, Column, Columns};
use super::finding_row::{COLUMNS, PLACES, Row};
use super::frame::{self, Counts, Export, Frame, Head, Pager};
use super::list::{self, Kept};
use super::nav;
use super::visit::Visit;
use crate::problem::Problem;
use askama::Template;
use axum::response::Response;
use model::role::Action;

#[derive(Template)]
#[template(path = "findings.html")]
struct Page {
    frame: Frame,
    counts: Counts,
    vulnerabilities: u64,
    affected: u64,
    address: String,
    kept: Kept,
    problem: Option<String>,
    narrow: Option<list::Narrow>,
    q: String,
    may_disable: bool,
    columns: Columns,
    chooser: Chooser,
    heads: Vec<Head>,
    rows: Vec<Row>,
    total: u64,
    pager: Pager,
    export: Export,
}

/// Shows the findings.
pub async fn page(visit: Visit) -> Response {
    frame::answer(&visit, build(&visit))
}

fn build(visit: &Visit) -> Result<Page, Problem> {
    let columns: Vec<Column> = COLUMNS.into_iter().chain(PLACES).collect();
    let asked = frame::asked(visit, &columns)?;
    let question = &asked.question;
    let ask = |index: &fleet::Index| Ok((index.findings(question)?, index.counts(question)?));
    let (page, counts) = visit.parts.index.ask(ask)?;
    let address = asked.columns.keep(&asked.address("/findings"));
    let (q, sort) = (asked.q.clone(), asked.sort.clone());
    let parameters = asked.parameters();
    let cli = frame::command("portwarden finding list", &q, &sort);
    Ok(Page {
        frame: Frame::new(visit, "inventory").programs(visit, &frame::link("/findings", &parameters), &cli).scoped(
            visit,
            &asked.scoped,
            &asked.columns.keep("/findings"),
            &q,
        )?,
        counts: Counts::new(&counts.tally, &address, Some(asked.within())),
        vulnerabilities: counts.vulnerabilities,
        affected: counts.affected,
        heads: asked.columns.heads(&address, &q, &sort),
        chooser: asked.columns.chooser(&address, &q, &sort),
        kept: Kept::of(&address, &[("sort", &sort)]),
        may_disable: nav::sees(&visit.who, Action::EditPolicy),
        pager: Pager::new(&address, &q, &sort, asked.after.as_deref(), page.next.as_ref().map(|c| c.as_str())),
        rows: page.items.into_iter().map(|finding| Row::of(finding, question.now)).collect(),
        total: page.total,
        export: Export::whole("/findings", &parameters),
        narrow: if page.total > 0 {
            None
        } else {
            list::narrowest(visit, &asked, &address, |i, q| Ok(i.findings(q)?.total))?
        },
        problem: asked.problem,
        columns: asked.columns,
        address,
        q,
    })
}
