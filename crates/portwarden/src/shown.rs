//! Every command line that people are shown is one that the program takes: in pages, documents, help and error sentences.
//!
//! In: the sources of the crates, the templates, the documents; pages as they are written over a small store. A command line begins
//! with `portwarden` and ends with what it stands in: backticks, a parenthesis, an element, a quotation, a line.

use crate::Arguments;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Values for what stands in braces in the program's own texts.
const SAMPLES: &[(&str, &str)] =
    &[("tier", "standard"), ("word", "month"), ("option", ""), ("command", ""), ("period", "2026-11")];
/// What is run by the program itself, never by people.
const INNER: &str = "read-layer";

/// Returns whether the program takes the words; a name alone, without what it needs, is taken where it stands in a sentence.
fn takes(words: &[String], name_is_enough: bool) -> Result<(), String> {
    let line = std::iter::once("portwarden").chain(words.iter().map(String::as_str));
    let Err(error) = Arguments::try_parse_from(line) else { return Ok(()) };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(()),
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            if name_is_enough && is_name(words) =>
        {
            Ok(())
        }
        _ => Err(error.to_string().lines().next().unwrap_or_default().to_owned()),
    }
}

/// Whether the words are names of commands and nothing else.
fn is_name(words: &[String]) -> bool {
    let mut command = Arguments::command();
    words.iter().all(|word| match command.find_subcommand(word).cloned() {
        Some(found) => {
            command = found;
            true
        }
        None => false,
    })
}

/// Splits a line as a shell does, up to a pipe, a redirection, a remark or two blanks.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => (quote, begun) = (Some(c), true),
            (None, ' ') if chars.peek() == Some(&' ') => break,
            (None, ' ') if begun => {
                words.push(std::mem::take(&mut word));
                begun = false;
            }
            (None, ' ') => {}
            (None, '|' | '>' | '<' | '#' | ';') if !begun => break,
            (_, c) => {
                word.push(c);
                begun = true;
            }
        }
    }
    words.extend(begun.then_some(word));
    words
}

/// Puts values where a text has `{name}`, `[--optional]` or `NAME...`.
fn filled(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, left) = after.split_once('}').unwrap_or((after, ""));
        out.push_str(before);
        out.push_str(SAMPLES.iter().find(|(known, _)| *known == name).map_or("1", |(_, value)| value));
        rest = left;
    }
    out.push_str(rest);
    out.replace("...", "").replace(['[', ']'], "").replace(" ID", " 1")
}

/// The command lines of a text, and whether each stands in a sentence, where the name of a command is enough.
fn commands(text: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut rest = line;
        while let Some(at) = rest.find("portwarden ") {
            let (before, after) = rest.split_at(at);
            rest = &after["portwarden ".len()..];
            let joined = before.chars().next_back().is_some_and(|c| c.is_alphanumeric() || "/_.-:@=".contains(c));
            if joined || !rest.starts_with(|c: char| c.is_ascii_lowercase()) || rest.starts_with(INNER) {
                continue;
            }
            let inside = match before.chars().next_back() {
                Some('`') => rest.find('`'),
                Some('(') => rest.find(')'),
                Some('>') => rest.find('<'),
                _ => None,
            };
            let sentence = inside.is_some() || rest.contains(": ");
            let end = inside.into_iter().chain(rest.find(": ")).chain(rest.find(". ")).min().unwrap_or(rest.len());
            found.push((rest[..end].trim_end_matches('.').to_owned(), sentence));
        }
    }
    found
}

/// What a source file says to people: no remarks, no tests; escapes and broken lines as they are read.
fn told(source: &str) -> String {
    let source = source.split("#[cfg(test)]").next().unwrap_or(source);
    let lines = source.lines().filter(|line| {
        let line = line.trim_start();
        !line.starts_with("//") || line.starts_with("/// ")
    });
    let (mut out, mut broken) = (String::new(), false);
    for line in lines {
        let line = if broken { line.trim_start() } else { line };
        broken = line.ends_with('\\');
        out.push_str(line.trim_end_matches('\\'));
        out.push_str(if broken { "" } else { "\n" });
    }
    // What follows a quotation is no part of it.
    out.replace("\\n", "\n").replace("\\\"", "\u{1}").replace('"', "\n").replace('\u{1}', "\"")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files below a folder with an ending, tests left out.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && !["tests", "benches", "target", "data"].contains(&name.as_str()) {
            found.extend(files(&path, ending));
        } else if name.ends_with(ending) && name != "tests.rs" && name != "shown.rs" {
            found.push(path);
        }
    }
    found
}

/// The blocks and the inline code of a document.
fn code(document: &str) -> String {
    let mut out = String::new();
    for (at, block) in document.split("```").enumerate() {
        if at % 2 == 1 {
            out.push_str(&block.replace("cargo run --release -- ", "portwarden "));
            continue;
        }
        for inline in block.split('`').skip(1).step_by(2) {
            // A second command of a sentence goes without the name of the program.
            let names: Vec<String> = inline.split(' ').take(2).map(str::to_owned).collect();
            let bare = names.len() == 2 && is_name(&names);
            out.push_str(&format!("`{}{inline}`\n", if bare { "portwarden " } else { "" }));
        }
    }
    out
}

#[test]
fn a_command_that_is_not_there_is_found() {
    for (text, wrong) in [
        ("`portwarden finding lst`", true),
        ("`portwarden finding list --colour red`", true),
        ("see it with: portwarden import shwo {id}", true),
        ("Update (portwarden db update --from), then scan.", true),
        ("<code>portwarden plan set --colour golden</code>", true),
        ("$ portwarden user create < password-file", true),
        ("`portwarden token create` makes one", false),
        ("$ portwarden user create ann < password-file", false),
        ("portwarden rule pause 'below medium'   # until Friday", false),
        ("portwarden plan set --tier {tier}{option}", false),
        ("a portwarden of the harbour", true),
        ("the user portwarden", false),
    ] {
        let found = commands(text);
        let refused = found.iter().any(|(line, sentence)| takes(&words(&filled(line)), *sentence).is_err());
        assert_eq!(refused, wrong, "{text}: {found:?}");
    }
}

#[test]
fn every_command_that_people_are_shown_is_one() {
    let (root, mut wrong, mut seen) = (root(), Vec::new(), 0);
    let sources = files(&root.join("crates"), ".rs").into_iter().map(|path| (told(&read(&path)), path));
    let pages = files(&root.join("console"), ".html").into_iter().map(|path| (read(&path), path));
    let documents = files(&root.join("docs"), ".md").into_iter();
    let named = ["README.md", "SECURITY.md", "CONTRIBUTING.md", "ARCHITECTURE.md"].map(|name| root.join(name));
    let documents = documents.chain(named).map(|path| (code(&read(&path)), path));
    for (text, path) in sources.chain(pages).chain(documents) {
        for (line, sentence) in commands(&text) {
            seen += 1;
            if let Err(why) = takes(&words(&filled(&line)), sentence) {
                wrong.push(format!("{}: portwarden {line}: {why}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 250, "only {seen} commands were found");
}

/// The text of a page where a template has quotations and entities.
fn plain(html: &str) -> String {
    let entities = [("&#38;", "&"), ("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'")];
    entities.iter().fold(html.to_owned(), |text, (entity, sign)| text.replace(entity, sign))
}

/// The commands of a page. What stands in a box is there to be copied, so it must be whole.
fn on_page(html: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for (at, piece) in html.split("<pre tabindex=\"0\">").enumerate() {
        let lines = commands(&piece.replace(['"', '<', '>'], "\n"));
        found.extend(lines.into_iter().map(|(line, _)| (plain(&line), at > 0)));
    }
    found
}

#[tokio::test]
async fn every_page_shows_commands_that_can_be_typed() {
    let folder = tempfile::tempdir().expect("a folder");
    let ask = crate::commands::ask::pages(folder.path()).await;
    let also = [
        "/findings?q=severity:%3E%3Dhigh+fix:yes&sort=-severity",
        "/inventory?q=%22a+b%22+it's&sort=-age",
        "/rules?q=x",
    ];
    let mut todo: Vec<String> = also.iter().map(|path| (*path).to_owned()).chain(["/".to_owned()]).collect();
    let (mut seen, mut shown, mut wrong) = (BTreeSet::new(), 0, Vec::new());
    while let Some(path) = todo.pop() {
        if !seen.insert(path.clone()) || seen.len() > 250 {
            continue;
        }
        let html = ask(path.clone()).await;
        for (line, whole) in on_page(&html) {
            shown += 1;
            let refused = takes(&words(&line), !whole).err();
            wrong.extend(refused.map(|why| format!("{path}: portwarden {line}: {why}")));
        }
        let links = html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let links =
            links.filter(|link| link.starts_with('/') && !link.starts_with("/api/") && !link.starts_with("/assets/"));
        todo.extend(links.map(|link| plain(link.split('#').next().unwrap_or(link))));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(shown > 60 && seen.len() > 60, "only {shown} commands on {} pages", seen.len());
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
