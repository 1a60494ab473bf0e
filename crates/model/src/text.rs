//! Text of images, feeds and people, made safe for where it is shown.

/// Returns whether a character would not be seen, or would change how others are seen.
fn unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn escaped(text: &str, hostile: impl Fn(char) -> bool + Copy) -> String {
    if !text.contains(hostile) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len().saturating_add(16));
    for c in text.chars() {
        if hostile(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Makes one line safe for terminals and pages: control characters, escapes and bidirectional marks become `\u{…}`.
pub fn visible(text: &str) -> String {
    escaped(text, unseen)
}

/// The same for several lines: line breaks stay.
pub fn visible_lines(text: &str) -> String {
    escaped(text, |c| c != '\n' && unseen(c))
}

/// Adds one CSV row (RFC 4180). A cell that a spreadsheet would run as a formula gets a quote mark in front; control
/// characters become blanks, so that a row is a line, and what else is not seen becomes `\u{…}`.
pub fn csv_row<'a>(out: &mut String, cells: impl IntoIterator<Item = &'a str>) {
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let line: String = cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let clean = visible(&line);
        let clean = if formula { format!("'{clean}") } else { clean };
        if clean.contains(['"', ',']) {
            out.push_str(&format!("\"{}\"", clean.replace('"', "\"\"")));
        } else {
            out.push_str(&clean);
        }
    }
    out.push_str("\r\n");
}

/// A number of bytes for people, in decimal units.
pub fn size(bytes: i64) -> String {
    match bytes.max(0) as f64 {
        b if b >= 1e9 => format!("{:.1} GB", b / 1e9),
        b if b >= 1e6 => format!("{:.1} MB", b / 1e6),
        b if b >= 1e3 => format!("{:.0} kB", b / 1e3),
        b => format!("{b:.0} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_shown() {
        assert_eq!(visible("a\u{1b}[31mb\u{202e}c\nd"), "a\\u{1b}[31mb\\u{202e}c\\u{a}d");
        assert_eq!(visible_lines("a\nb\u{7}"), "a\nb\\u{7}");
        assert_eq!(visible("plain text, ü and 日本"), "plain text, ü and 日本");
    }

    #[test]
    fn a_csv_row_is_one_line_without_formulas() {
        let mut out = String::new();
        csv_row(&mut out, ["=1", "", "q\"r\ns", "a,b", "\u{202e}c"]);
        assert_eq!(out, "'=1,,\"q\"\"r s\",\"a,b\",\\u{202e}c\r\n");
    }
}
