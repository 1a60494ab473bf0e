//! Markdown: a table of what does not pass, then the counts. Names cannot end a cell or begin markup.

use super::Format;
use crate::posture::Record;
use model::text::visible;

/// The format.
pub static FORMAT: Format = Format { name: "markdown", media_type: "text/markdown; charset=utf-8", write };

fn write(records: &[Record]) -> String {
    let mut out = String::from("# Posture\n\n");
    let wrong: Vec<&Record> = records.iter().filter(|r| r.outcome != "Pass").collect();
    if wrong.is_empty() {
        out.push_str("Every rule passes.\n\n");
    } else {
        out.push_str(
            "| Severity | Rule | Resource | Outcome | Reason | What to do |\n| --- | --- | --- | --- | --- | --- |\n",
        );
    }
    for record in wrong {
        let rule = record.rule;
        let (target, reasons) = (cell(&record.target_name), cell(&record.reasons.join(" ")));
        out.push_str(&format!(
            "| {} | {} | {target} | {} | {reasons} | {} |\n",
            rule.weight.as_str(),
            rule.name,
            record.outcome,
            cell(rule.recommendation)
        ));
    }
    let of = |word: &str| records.iter().filter(|r| r.outcome == word).count();
    let (passed, failed, open, suppressed) = (of("Pass"), of("Fail"), of("Error"), of("Suppressed"));
    out.push_str(&format!("\n{passed} passed, {failed} failed, {open} undecided, {suppressed} suppressed.\n"));
    out
}

/// Text of a cell, with everything that is markup escaped.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '!' | '&') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
