//! What the command line prints: tables for people, JSON, JSON Lines and CSV for programs.
//!
//! Text of images and feeds is data: control characters, terminal escapes and bidirectional marks are made visible.

pub use model::text::visible;
use serde::Serialize;
use std::io::Write;

/// Version of the JSON shapes; raised when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated, RFC 4180, safe for spreadsheets.
    Csv,
}

/// One error line: the message and its causes, without repeating a cause that the message already names.
pub fn chain(error: &anyhow::Error) -> String {
    let mut line = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
    }
    visible(&line)
}

/// Rows for people: columns padded to their widest cell, numbers to the right, two blanks between, no lines drawn.
pub fn table(out: &mut impl Write, head: &[&str], rows: &[Vec<String>]) -> std::io::Result<()> {
    let mut widths: Vec<usize> = head.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let numeric: Vec<bool> = (0..head.len())
        .map(|column| {
            let mut cells = rows.iter().filter_map(|row| row.get(column));
            cells.clone().any(|cell| !cell.is_empty()) && cells.all(|cell| is_number(cell))
        })
        .collect();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| -> std::io::Result<()> {
        let mut text = String::new();
        for ((cell, width), numeric) in cells.zip(&widths).zip(&numeric) {
            let blanks = std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count()));
            text.push_str("  ");
            if *numeric {
                text.extend(blanks);
                text.push_str(cell);
            } else {
                text.push_str(cell);
                text.extend(blanks);
            }
        }
        writeln!(out, "{}", text.trim_end())
    };
    line(&mut head.iter().copied())?;
    for row in rows {
        line(&mut row.iter().map(String::as_str))?;
    }
    Ok(())
}

/// Writes one CSV row.
pub fn csv_row(out: &mut impl Write, cells: &[String]) -> std::io::Result<()> {
    let mut line = String::new();
    model::text::csv_row(&mut line, cells.iter().map(String::as_str));
    out.write_all(line.as_bytes())
}

/// Writes a list in a format: `columns` names the cells that `cells` gives, `wrap` the JSON document around the items.
pub fn list<T: Serialize>(
    format: Format,
    items: &[T],
    columns: &[&str],
    cells: impl Fn(&T) -> Vec<String>,
    total: u64,
) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match format {
        Format::Table => table(&mut out, columns, &items.iter().map(cells).collect::<Vec<_>>()),
        Format::Json => json(&serde_json::json!({"schema": SCHEMA, "total": total, "items": items})),
        Format::Jsonl => {
            for item in items {
                writeln!(out, "{}", serde_json::to_string(item)?)?;
            }
            Ok(())
        }
        Format::Csv => {
            csv_row(&mut out, &columns.iter().map(|c| c.to_lowercase().replace(' ', "_")).collect::<Vec<_>>())?;
            items.iter().try_for_each(|item| csv_row(&mut out, &cells(item)))
        }
    }
}

/// Writes one JSON document.
pub fn json(value: &impl Serialize) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_made_visible() {
        for (text, want) in [
            ("plain é 漢", "plain é 漢"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("line\nbreak", "line\\u{a}break"),
        ] {
            assert_eq!(visible(text), want);
        }
    }

    #[test]
    fn numbers_stand_to_the_right() {
        let mut out = Vec::new();
        let rows = [["1.2.3-r0", "9", "7.5"], ["2", "117", ""]].map(|row| row.map(str::to_owned).to_vec());
        table(&mut out, &["VERSION", "N", "CVSS"], &rows).expect("memory");
        let want = "  VERSION     N  CVSS\n  1.2.3-r0    9   7.5\n  2         117\n";
        assert_eq!(String::from_utf8(out).expect("text"), want);
    }

    #[test]
    fn an_error_line_names_each_cause_once() {
        let error = anyhow::anyhow!("disk full").context("cannot write x").context("cannot write x: disk full");
        assert_eq!(chain(&error), "cannot write x: disk full");
    }
}
