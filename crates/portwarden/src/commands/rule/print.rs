//! Rules as the command line prints them.

use crate::commands::Exit;
use crate::output::{self, Format, visible};
use serde_json::Value;

fn text(value: &Value, name: &str) -> String {
    visible(value[name].as_str().unwrap_or(""))
}

fn ends(value: &Value) -> String {
    value["expires"].as_str().map_or_else(|| "never".into(), visible)
}

/// Prints a list.
pub fn list(format: Format, items: &[Value], total: u64) -> anyhow::Result<Exit> {
    let columns = ["NAME", "SCOPE", "STATE", "HIDES", "IMAGES", "CRITERIA", "EXPIRES", "BY", "ID"];
    let cells = |rule: &Value| {
        let state = if rule["stale"] == true { "stale".into() } else { text(rule, "state") };
        vec![
            text(rule, "name"),
            text(rule, "scope"),
            state,
            rule["hides"].to_string(),
            rule["images"].to_string(),
            text(rule, "words"),
            ends(rule),
            text(rule, "author"),
            text(rule, "id"),
        ]
    };
    output::list(format, items, &columns, cells, total)?;
    if format == Format::Table {
        println!("{total} rules");
    }
    Ok(Exit::Clean)
}

/// Prints one rule.
pub fn rule(format: Format, rule: &Value) -> anyhow::Result<Exit> {
    if format != Format::Table {
        output::json(rule)?;
        return Ok(Exit::Clean);
    }
    let state = if rule["stale"] == true { "in force, nothing hidden for 30 days".into() } else { text(rule, "state") };
    println!("{}  ({})", text(rule, "name"), text(rule, "id"));
    let hides = format!("{} findings in {} images", rule["hides"], rule["images"]);
    let mut lines = vec![
        ("scope", text(rule, "scope")),
        ("state", state),
        ("hides", hides),
        ("where", text(rule, "words")),
        ("why", format!("{}: {}", text(rule, "reason"), text(rule, "justification"))),
        ("expires", ends(rule)),
        ("by", format!("{}, {}", text(rule, "author"), text(rule, "since"))),
    ];
    for name in ["owner", "ticket", "overrides"] {
        lines.push((name, text(rule, name)));
    }
    let others = rule["overridden_by"].as_array().map(Vec::as_slice).unwrap_or_default();
    let others: Vec<&str> = others.iter().filter_map(Value::as_str).collect();
    lines.push(("overridden by", visible(&others.join(" "))));
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        println!("  {name:<14}{value}");
    }
    Ok(Exit::Clean)
}

/// Says that a rule was ended.
pub fn deleted(format: Format, rule: &Value) -> anyhow::Result<Exit> {
    match format {
        Format::Table => {
            println!("ended {} ({}): {} findings come back", text(rule, "name"), text(rule, "id"), rule["hides"])
        }
        _ => output::json(rule)?,
    }
    Ok(Exit::Clean)
}

/// Prints what a rule would do.
pub fn preview(format: Format, preview: &Value) -> anyhow::Result<Exit> {
    if format != Format::Table {
        output::json(preview)?;
        return Ok(Exit::Clean);
    }
    let examples = preview["examples"].as_array().map(Vec::as_slice).unwrap_or_default();
    let cells = |row: &Value| {
        vec![text(row, "severity").to_uppercase(), text(row, "vulnerability"), text(row, "package"), text(row, "image")]
    };
    if !examples.is_empty() {
        output::list(format, examples, &["SEVERITY", "FINDING", "PACKAGE", "IMAGE"], cells, 0)?;
    }
    println!("{}", text(preview, "sentence"));
    Ok(Exit::Clean)
}

/// Prints what a rule said before.
pub fn history(format: Format, items: &[Value], total: u64) -> anyhow::Result<Exit> {
    let columns = ["SINCE", "UNTIL", "BY", "ENDED BY", "NAME", "PAUSED", "CRITERIA", "REASON", "EXPIRES"];
    let cells = |row: &Value| {
        let paused = if row["paused"] == true { "yes" } else { "" };
        vec![
            text(row, "since"),
            text(row, "until"),
            text(row, "author"),
            text(row, "ended_by"),
            text(row, "name"),
            paused.into(),
            text(row, "words"),
            text(row, "reason"),
            ends(row),
        ]
    };
    output::list(format, items, &columns, cells, total)?;
    Ok(Exit::Clean)
}

/// Prints what applying a file does: one line a rule, what is different below it.
pub fn applied(format: Format, answer: &Value) -> anyhow::Result<Exit> {
    if format != Format::Table {
        output::json(answer)?;
        return Ok(Exit::Clean);
    }
    for step in answer["steps"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let (sign, changed) = match step["action"].as_str() {
            Some("create") => ("+", false),
            Some("delete") => ("-", false),
            _ => ("~", true),
        };
        println!("{sign} {}  {}", text(step, "name"), text(step, "scope"));
        let fields = step["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
        for field in fields.iter().filter(|_| changed) {
            println!("    {}: {:?} -> {:?}", text(field, "field"), text(field, "before"), text(field, "after"));
        }
    }
    let asks = answer["asks"].as_array().map(Vec::as_slice).unwrap_or_default();
    for ask in asks.iter().filter_map(Value::as_str) {
        println!("! {}", visible(ask));
    }
    let [made, changed, ended, same] =
        ["created", "changed", "deleted", "unchanged"].map(|name| answer[name].to_string());
    let sure = if asks.is_empty() { "" } else { "; it wants --confirm" };
    let end = if answer["dry_run"] == true { format!(" (nothing was done{sure})") } else { String::new() };
    println!("{made} made, {changed} changed, {ended} ended, {same} as they are{end}");
    Ok(Exit::Clean)
}
