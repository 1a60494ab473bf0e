//! Resources, and the files that they are read from.
//!
//! In: JSON: an array as `Export-AzRuleData` writes it, one resource, or an ARM template.
//! Out: resources with their children. Names of fields are found in any case, as PowerShell does.

use super::{REGISTRY, template};
use serde_json::Value;

/// The deepest that a file may nest.
const MOST_DEPTH: usize = 32;
/// The most resources of one file.
const MOST_RESOURCES: usize = 10_000;

/// A resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Name.
    pub name: String,
    /// Type: `Microsoft.ContainerRegistry/registries`.
    pub kind: String,
    /// Everything that was said of it, but for the resources below it.
    pub body: Value,
    /// Resources below it.
    pub children: Vec<Resource>,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Field<'a> {
    /// Nothing, or null.
    Absent,
    /// A value.
    Value(&'a Value),
    /// An expression of a template that only a deployment can evaluate.
    Open(&'a str),
}

impl<'a> Field<'a> {
    /// Returns the text, if it is one.
    pub fn text(self) -> Option<&'a str> {
        match self {
            Self::Value(value) => value.as_str(),
            _ => None,
        }
    }

    /// Returns the value as people read it.
    pub fn shown(self) -> String {
        match self {
            Self::Absent => "not set".into(),
            Self::Value(Value::String(text)) => format!("'{text}'"),
            Self::Value(value) => value.to_string(),
            Self::Open(text) => text.to_owned(),
        }
    }
}

impl Resource {
    /// Makes a resource of a JSON object; `None` without a type.
    pub fn new(body: Value) -> Option<Self> {
        Self::nested(body, "", 0)
    }

    fn nested(mut body: Value, parent: &str, depth: usize) -> Option<Self> {
        if depth > MOST_DEPTH {
            return None;
        }
        let text = |names: &[&str]| names.iter().find_map(|name| get(&body, name)?.as_str().map(str::to_owned));
        let kind = text(&["ResourceType", "type"])?;
        let kind = if parent.is_empty() || kind.contains("Microsoft.") { kind } else { format!("{parent}/{kind}") };
        let name = text(&["Name", "ResourceName"]).unwrap_or_default();
        let children =
            take_below(&mut body).into_iter().filter_map(|child| Self::nested(child, &kind, depth.saturating_add(1)));
        Some(Self { name, children: children.collect(), kind, body })
    }

    /// Returns whether the resource is of a type.
    pub fn is(&self, kind: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind)
    }

    /// Returns whether it was read from something that runs, not from a template.
    pub fn running(&self) -> bool {
        matches!(self.field("SubscriptionId"), Field::Value(_))
    }

    /// Returns a field by its path: `properties.policies.trustPolicy.status`.
    pub fn field(&self, path: &str) -> Field<'_> {
        let mut at = &self.body;
        for part in path.split('.') {
            if let Some(open) = template::open(at) {
                return Field::Open(open);
            }
            match get(at, part) {
                None | Some(Value::Null) => return Field::Absent,
                Some(next) => at = next,
            }
        }
        template::open(at).map_or(Field::Value(at), Field::Open)
    }

    /// Returns the resources below it of a type.
    pub fn below(&self, kind: &str) -> Vec<&Self> {
        self.children.iter().filter(|child| child.is(kind)).collect()
    }
}

/// Finds a member in any case of letters.
fn get<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// Takes what stands below a resource out of it, so that nested resources are held once and not at each level.
fn take_below(body: &mut Value) -> Vec<Value> {
    let Some(object) = body.as_object_mut() else { return Vec::new() };
    let named = |key: &&String| key.eq_ignore_ascii_case("resources");
    let Some(key) = object.keys().find(|key| *key == "resources").or_else(|| object.keys().find(named)) else {
        return Vec::new();
    };
    match object.remove(&key.clone()) {
        Some(Value::Array(below)) => below,
        _ => Vec::new(),
    }
}

/// Reads the resources of a file. The error says what the file is not.
pub fn read(bytes: &[u8]) -> Result<Vec<Resource>, String> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes); // PowerShell writes the mark
    let value: Value = serde_json::from_slice(text).map_err(|error| format!("is not JSON: {error}"))?;
    let items = match value {
        Value::Array(items) => items,
        object if template::is_template(&object) => template::resources(&object)?,
        object if get(&object, "type").or_else(|| get(&object, "ResourceType")).is_some() => vec![object],
        _ => {
            return Err(
                "is neither an export of resources (a JSON array) nor an ARM template (`resources` and `$schema`)"
                    .into(),
            );
        }
    };
    if items.len() > MOST_RESOURCES {
        return Err(format!("holds {} resources; {MOST_RESOURCES} are the most", items.len()));
    }
    let resources: Vec<Resource> = items.into_iter().filter_map(Resource::new).collect();
    Ok(adopted(resources))
}

/// Puts children that a template declares beside their registry (`registry/child`) below it.
fn adopted(resources: Vec<Resource>) -> Vec<Resource> {
    let (mut parents, mut rest): (Vec<_>, Vec<_>) = resources.into_iter().partition(|r| r.is(REGISTRY));
    let mut alone = Vec::new();
    for child in rest.drain(..) {
        let of = child.name.split('/').next().unwrap_or_default();
        let below = child.kind.len() > REGISTRY.len()
            && child.kind.get(..REGISTRY.len()).is_some_and(|k| k.eq_ignore_ascii_case(REGISTRY));
        match parents.iter_mut().find(|parent| below && parent.name == of) {
            Some(parent) => parent.children.push(child),
            None => alone.push(child),
        }
    }
    parents.append(&mut alone);
    parents
}
