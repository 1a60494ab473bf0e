//! An image's configuration: what it runs on, and what it claims of its layers.
//!
//! In: the bytes that a manifest's `config` names. Out: platform, diff ids, history, labels.
//! Diff ids are claims: nothing is ever found by them, they are only held against the bytes.

use crate::inventory::Note;
use crate::json;
use crate::manifest::{LIMIT_BYTES, NotAManifest, Platform};
use crate::{Digest, Micros};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What a configuration says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// What the image runs on.
    pub platform: Platform,
    /// When it was built, if it says so in a way that can be read.
    pub created: Option<Micros>,
    /// The digests that the unpacked layers claim to have, lowest first.
    pub diff_ids: Vec<Digest>,
    /// How it was built, lowest first.
    pub history: Vec<History>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// One step of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The command.
    pub created_by: String,
    /// What the builder added.
    pub comment: String,
    /// Whether the step made no layer.
    pub empty_layer: bool,
}

impl Config {
    /// Reads a configuration. Fields of no use to a scanner are not looked at; text where a list is wanted is an error
    /// for `rootfs`, else nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotAManifest> {
        if bytes.len() > LIMIT_BYTES {
            return Err(NotAManifest::TooLarge { bytes: bytes.len() });
        }
        let Value::Object(root) = json::read(bytes).map_err(NotAManifest::Json)? else {
            return Err(NotAManifest::Json("it is no object".into()));
        };
        for known in ["rootfs", "os", "architecture"] {
            let twin = root.keys().find(|k| *k != known && json::same_to_a_lenient_reader(k, known));
            if let Some(twin) = twin {
                return Err(wrong(twin, &format!("must be spelt {known:?}")));
            }
        }
        let platform = Platform {
            os: text(&root, "os"),
            architecture: text(&root, "architecture"),
            variant: text(&root, "variant"),
            os_version: text(&root, "os.version"),
        };
        let settings = root.get("config").and_then(Value::as_object);
        Ok(Self {
            platform,
            created: Micros::parse(&text(&root, "created")),
            diff_ids: diff_ids(&root)?,
            history: root.get("history").and_then(Value::as_array).map(|h| steps(h)).unwrap_or_default(),
            labels: settings.and_then(|c| c.get("Labels")).and_then(Value::as_object).map(labels).unwrap_or_default(),
        })
    }

    /// Returns the command that made a layer, `0` = lowest, if the history accounts for every layer.
    pub fn created_by(&self, layer: usize) -> Option<&str> {
        let made = || self.history.iter().filter(|step| !step.empty_layer);
        if made().count() != self.diff_ids.len() {
            return None;
        }
        made().nth(layer).map(|step| step.created_by.as_str())
    }

    /// Returns what does not fit the number of layers that the manifest names.
    pub fn notes(&self, layers: usize) -> Vec<Note> {
        let claimed = self.diff_ids.len();
        if claimed == layers {
            return Vec::new();
        }
        let text = format!("the configuration claims {claimed} layers, the manifest names {layers}");
        vec![Note { code: "diff-id".into(), path: String::new(), text, gap: true }]
    }
}

fn wrong(field: &str, why: &str) -> NotAManifest {
    NotAManifest::Field { field: field.chars().take(100).collect(), why: why.to_owned() }
}

fn text(object: &Map<String, Value>, key: &str) -> String {
    object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn diff_ids(root: &Map<String, Value>) -> Result<Vec<Digest>, NotAManifest> {
    let rootfs = match root.get("rootfs") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(rootfs)) => rootfs,
        Some(_) => return Err(wrong("rootfs", "is no object")),
    };
    let ids = match rootfs.get("diff_ids") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(ids)) => ids,
        Some(_) => return Err(wrong("rootfs.diff_ids", "is no list")),
    };
    let one = |id: &Value| id.as_str().and_then(|id| Digest::parse(id).ok());
    ids.iter().map(|id| one(id).ok_or_else(|| wrong("rootfs.diff_ids", "holds something else than digests"))).collect()
}

fn steps(history: &[Value]) -> Vec<History> {
    let mut steps = Vec::new();
    for step in history.iter().filter_map(Value::as_object) {
        steps.push(History {
            created_by: text(step, "created_by"),
            comment: text(step, "comment"),
            empty_layer: step.get("empty_layer").and_then(Value::as_bool).unwrap_or(false),
        });
    }
    steps
}

fn labels(object: &Map<String, Value>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for (name, value) in object {
        if let Some(value) = value.as_str() {
            labels.insert(name.clone(), value.to_owned());
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_gives_platform_diff_ids_history_and_labels() {
        let id = format!("sha256:{}", "a".repeat(64));
        let text = format!(
            r#"{{"os":"linux","architecture":"arm64","variant":"v8","created":"2026-01-02T03:04:05Z",
            "config":{{"Labels":{{"a":"b","n":1}},"Env":["X=1"]}},"rootfs":{{"type":"layers","diff_ids":["{id}"]}},
            "history":[{{"created_by":"ENV X=1","empty_layer":true}},{{"created_by":"RUN make"}}]}}"#
        );
        let config = Config::parse(text.as_bytes()).unwrap();
        assert_eq!(config.platform.to_string(), "linux/arm64/v8");
        assert_eq!(config.created.map(Micros::rfc3339).as_deref(), Some("2026-01-02T03:04:05Z"));
        assert_eq!(config.created_by(0), Some("RUN make"), "the empty step made no layer");
        assert_eq!(config.created_by(1), None);
        assert_eq!(config.labels.into_iter().collect::<Vec<_>>(), [("a".to_owned(), "b".to_owned())]);
    }

    #[test]
    fn a_configuration_is_read_leniently_but_for_its_layers() {
        for (text, ok, why) in [
            ("{}", true, "an empty one"),
            (r#"{"os":7,"history":{},"config":[],"created":"never"}"#, true, "fields of another type"),
            (r#"{"rootfs":null,"history":null,"config":null}"#, true, "null is nothing"),
            (r#"{"rootfs":[]}"#, false, "layers of another type"),
            (r#"{"rootfs":{"diff_ids":["sha256:abc"]}}"#, false, "a malformed diff id"),
            (r#"{"rootfs":{"diff_ids":[1]}}"#, false, "a diff id that is no text"),
            (r#"{"rootfs":{},"RootFS":{}}"#, false, "a key that Go reads as the same"),
            (r#"{"os":"a","os":"b"}"#, false, "a key twice"),
            ("[]", false, "no object"),
            ("not json", false, "no JSON"),
        ] {
            assert_eq!(Config::parse(text.as_bytes()).is_ok(), ok, "{why}");
        }
    }

    #[test]
    fn another_number_of_layers_than_the_manifests_is_noted() {
        let config = Config::default();
        assert!(config.notes(0).is_empty());
        let note = config.notes(2).pop().unwrap();
        assert!(note.gap && note.code == "diff-id" && note.text.contains("claims 0 layers"), "{note:?}");
    }
}
