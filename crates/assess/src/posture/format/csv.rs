//! CSV, with PSRule's columns.

use super::Format;
use crate::posture::Record;
use model::text::csv_row;

/// The format.
pub static FORMAT: Format = Format { name: "csv", media_type: "text/csv; charset=utf-8", write };

fn write(records: &[Record]) -> String {
    let mut out = String::new();
    csv_row(
        &mut out,
        ["RuleName", "TargetName", "TargetType", "Outcome", "OutcomeReason", "Synopsis", "Recommendation"],
    );
    for record in records {
        let reasons = record.reasons.join(" ");
        let (name, target, kind) = (record.rule.name, record.target_name.as_str(), record.target_type.as_str());
        csv_row(
            &mut out,
            [name, target, kind, record.outcome, &reasons, record.rule.synopsis, record.rule.recommendation],
        );
    }
    out
}
