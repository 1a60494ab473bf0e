//! Rules as YAML.
//!
//! In: a document with a list `rules`. Out: the rules, or one sentence that names the line; the other way round a document that
//! reads back as the same rules.

use model::rule::Draft;
use serde::{Deserialize, Serialize};

/// Longest document: as long as the longest request.
const MOST_BYTES: usize = 4 << 20;

const HEAD: &str = "# Disable rules of Portwarden: `portwarden rule apply FILE`.\n";

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    rules: Vec<Draft>,
}

/// Reads a document.
pub fn read(text: &str) -> Result<Vec<Draft>, String> {
    if text.len() > MOST_BYTES {
        return Err(format!("longer than {MOST_BYTES} bytes: apply it in parts"));
    }
    match serde_saphyr::from_str::<Document>(text) {
        Ok(document) => Ok(document.rules),
        Err(error) => Err(error.without_snippet().to_string()),
    }
}

/// Writes a document.
pub fn write(rules: &[Draft]) -> String {
    let document = Document { rules: rules.to_vec() };
    let body = serde_saphyr::to_string(&document).unwrap_or_else(|error| {
        tracing::error!(%error, "rules could not be written as YAML");
        String::new()
    });
    format!("{HEAD}{body}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::rule::CriteriaDraft;

    #[test]
    fn a_document_reads_back_as_the_same_rules() {
        let hostile = "a: b # c\n\t- \"x\"\n\u{2028}'y' \u{1F4A9}\n  lead";
        let criteria = CriteriaDraft {
            finding_ids: vec!["CVE-2024-1".into(), "*".into(), "yes".into(), "1e3".into(), "null".into()],
            cvss_below: "6.5".into(),
            security_checks: vec!["heap: overflow".into(), "- x".into(), "".into(), "007".into()],
            not_patchable: true,
            ..CriteriaDraft::default()
        };
        let full = Draft {
            name: "no".into(),
            scope: "/guid/local/app".into(),
            criteria,
            justification: hostile.into(),
            expires: "2027-01-01T00:00:00Z".into(),
            paused: true,
            ..Draft::default()
        };
        let rules = [full, Draft::default()];
        let text = write(&rules);
        assert_eq!(read(&text).unwrap(), rules, "{text}");
        assert_eq!(read(&write(&[])).unwrap(), []);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, says) in [
            ("# a comment\nrules:\n- name: a\n  colour: red\n", 4, "colour"),
            ("rules:\n- name: a\n  criteria:\n    epss_below: 1\n", 4, "epss_below"),
            ("rules:\n- name: a\n  name: b\n", 3, "duplicate"),
            ("rules:\n- name: [a]\n", 2, "string"),
            ("rules: [", 1, "unclosed"),
            ("rule:\n- name: a\n", 1, "rule"),
            ("- name: a\n", 1, "mapping"),
            ("rules:\n- criteria:\n    not_patchable: perhaps\n", 3, "bool"),
        ] {
            let wrong = read(text).unwrap_err();
            assert!(wrong.contains(&format!("line {line}")) && wrong.contains(says), "{wrong}");
        }
        assert!(read("").is_err(), "nothing is no list of rules");
        let bomb = format!("rules:\n- criteria:\n    packages: &a [{}]\n", "x,".repeat(100))
            + &"- criteria:\n    packages: *a\n".repeat(10_000);
        let _ = read(&bomb); // many or refused, but soon
    }
}
