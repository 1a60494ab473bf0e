//! JSON from strangers.
//!
//! In: bytes of a manifest, a configuration or the like.
//! Out: the value, or why it is refused. Two readers of one document must see the same, so a key that is there twice is
//! refused instead of guessed; depth and number of values are bounded before anything is built of them.

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Most values in one document: bounds memory to some 15 MB however the bytes are arranged.
const VALUES: usize = 200_000;

/// Reads one document. Depth is bounded at 128.
///
/// The error is a sentence fragment: `key "layers" is there twice at line 1 column 80`.
pub fn read(bytes: &[u8]) -> Result<Value, String> {
    let mut left = VALUES;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { left: &mut left }.deserialize(&mut reader).map_err(|e| e.to_string())?;
    reader.end().map_err(|e| e.to_string())?;
    Ok(value)
}

/// Returns whether a lenient reader would take one key for another: Go's ignores case, and two letters beyond ASCII.
pub fn same_to_a_lenient_reader(key: &str, name: &str) -> bool {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        _ => c.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(name.chars().map(fold))
}

struct Strict<'a> {
    left: &'a mut usize,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;
    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        *self.left = self.left.checked_sub(1).ok_or_else(|| D::Error::custom("too many values"))?;
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(Strict { left: &mut *self.left })? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(Strict { left: &mut *self.left })?;
            if values.contains_key(&key) {
                let key: String = key.chars().take(80).collect();
                return Err(A::Error::custom(format!("key {key:?} is there twice")));
            }
            values.insert(key, value);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_that_two_readers_could_read_differently_are_refused() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        for (text, ok, why) in [
            (r#"{"a":1,"b":[null,true,"x",-1,1.5]}"#.to_owned(), true, "plain"),
            (r#"{"a":1,"a":1}"#.to_owned(), false, "a key twice, even with one value"),
            (r#"[{"a":{"b":1,"\u0062":2}}]"#.to_owned(), false, "a key twice, once escaped, deep inside"),
            (r#"{"a":1} {"a":2}"#.to_owned(), false, "two documents"),
            (deep(127), true, "as deep as allowed"),
            (deep(128), false, "too deep"),
            (deep(1_000_000), false, "deep enough to overflow a stack"),
            (format!("[{}0]", "0,".repeat(VALUES - 2)), true, "as many values as allowed"),
            (format!("[{}0]", "0,".repeat(VALUES - 1)), false, "too many values"),
            ("\"\\ud800\"".to_owned(), false, "half a surrogate pair"),
            (String::new(), false, "nothing"),
        ] {
            assert_eq!(read(text.as_bytes()).is_ok(), ok, "{why}");
        }
        assert!(read(b"{\"a\":\"\xff\"}").is_err(), "not UTF-8");
    }

    #[test]
    fn keys_that_go_reads_as_one_are_recognised() {
        for (key, name, same) in [
            ("Layers", "layers", true),
            ("layer\u{17f}", "layers", true),
            ("layers", "layers", true),
            ("layers ", "layers", false),
            ("player", "layers", false),
        ] {
            assert_eq!(same_to_a_lenient_reader(key, name), same, "{key}");
        }
    }
}
