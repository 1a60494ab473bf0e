//! NUnit results, as PSRule writes them under that name: `test-results` > `test-suite` a resource > `test-case` a rule.

use super::Format;
use crate::posture::Record;
use model::text::visible_lines;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The format.
pub static FORMAT: Format = Format { name: "nunit3", media_type: "application/xml", write };

fn write(records: &[Record]) -> String {
    let mut suites: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in records {
        suites.entry(&record.target_name).or_default().push(record);
    }
    let of = |word: &str| records.iter().filter(|r| r.outcome == word).count();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (total, failed, errors, ignored) = (records.len(), of("Fail"), of("Error"), of("Suppressed"));
    let _ = writeln!(
        out,
        "<test-results name=\"Portwarden\" total=\"{total}\" errors=\"{errors}\" failures=\"{failed}\" not-run=\"{ignored}\" inconclusive=\"0\" ignored=\"{ignored}\" skipped=\"0\" invalid=\"0\">"
    );
    for (target, records) in suites {
        suite(&mut out, target, &records);
    }
    out.push_str("</test-results>\n");
    out
}

fn suite(out: &mut String, target: &str, records: &[&Record]) {
    let good = records.iter().all(|r| matches!(r.outcome, "Pass" | "Suppressed"));
    let (result, success) = if good { ("Success", "True") } else { ("Failure", "False") };
    let name = attribute(target);
    let _ = writeln!(
        out,
        "  <test-suite type=\"TestFixture\" name=\"{name}\" executed=\"True\" result=\"{result}\" success=\"{success}\">\n    <results>"
    );
    for record in records {
        case(out, &name, record);
    }
    out.push_str("    </results>\n  </test-suite>\n");
}

fn case(out: &mut String, target: &str, record: &Record) {
    let rule = record.rule;
    let (result, success) = match record.outcome {
        "Pass" => ("Success", "True"),
        "Suppressed" => ("Ignored", "False"),
        "Error" => ("Error", "False"),
        _ => ("Failure", "False"),
    };
    let executed = if record.outcome == "Suppressed" { "False" } else { "True" };
    let _ = write!(
        out,
        "      <test-case description=\"{}\" name=\"{target} -- {}\" executed=\"{executed}\" result=\"{result}\" success=\"{success}\"",
        attribute(rule.synopsis),
        rule.name
    );
    if success == "True" || executed == "False" {
        out.push_str("/>\n");
        return;
    }
    let message = data(&format!("{}\n{}", rule.recommendation, record.reasons.join("\n")));
    let _ = writeln!(out, ">\n        <failure><message><![CDATA[{message}]]></message></failure>\n      </test-case>");
}

/// Text of an attribute. Control characters, which XML cannot hold at all, are made visible.
fn attribute(text: &str) -> String {
    let text = visible_lines(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\n', " ")
}

/// Text between CDATA marks, which it cannot end.
fn data(text: &str) -> String {
    visible_lines(text).replace("]]>", "]]]]><![CDATA[>")
}
