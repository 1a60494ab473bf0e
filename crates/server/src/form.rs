//! Forms as values: the pairs of a form, read by serde into the type that JSON is read into.
//!
//! A field that is empty was not given. A field that is given several times is a list, a checkbox says `on`, numbers are read from
//! their text. Fields are flat: what is nested has a field of its own.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

/// The fields of a form as they were sent.
pub type Pairs = Vec<(String, String)>;

/// What is wrong with a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The field, or empty.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Wrong {}

impl serde::de::Error for Wrong {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self { field: String::new(), message: message.to_string() }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { field: field.into(), message: format!("{field} is missing") }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let message = format!("{field} is not a field of this form; it has {}", expected.join(", "));
        Self { field: field.into(), message }
    }
}

/// Reads pairs as a value.
pub fn read<T: DeserializeOwned>(pairs: &Pairs) -> Result<T, Wrong> {
    let mut fields: Vec<(Key, Field)> = Vec::new();
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        match fields.iter_mut().find(|(key, _)| key.0 == *name) {
            Some((_, field)) => field.values.push(value.clone()),
            None => fields.push((Key(name.clone()), Field { name: name.clone(), values: vec![value.clone()] })),
        }
    }
    T::deserialize(MapDeserializer::new(fields.into_iter()))
}

struct Key(String);

impl<'de> IntoDeserializer<'de, Wrong> for Key {
    type Deserializer = serde::de::value::StringDeserializer<Wrong>;

    fn into_deserializer(self) -> Self::Deserializer {
        self.0.into_deserializer()
    }
}

/// One field with everything that was given for it.
struct Field {
    name: String,
    values: Vec<String>,
}

impl Field {
    fn one(self) -> Result<(String, String), Wrong> {
        let mut values = self.values.into_iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Ok((self.name, value)),
            _ => Err(Wrong { message: format!("{} is given more than once", self.name), field: self.name }),
        }
    }

    fn number<T: std::str::FromStr>(self) -> Result<(String, T), Wrong> {
        let (name, text) = self.one()?;
        match text.trim().parse() {
            Ok(number) => Ok((name, number)),
            Err(_) => Err(Wrong { message: format!("{name}: {text:?} is not a number that fits"), field: name }),
        }
    }
}

impl<'de> IntoDeserializer<'de, Wrong> for Field {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Names the field in an error of what was read into it.
fn of<T>(name: String, read: Result<T, Wrong>) -> Result<T, Wrong> {
    read.map_err(|wrong| {
        if wrong.field.is_empty() {
            Wrong { message: format!("{name}: {}", wrong.message), field: name }
        } else {
            wrong
        }
    })
}

impl<'de> Deserializer<'de> for Field {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let (name, text) = self.one()?;
        of(name, visitor.visit_string(text))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let (name, text) = self.one()?;
        match text.as_str() {
            "on" | "yes" | "true" => of(name, visitor.visit_bool(true)),
            "off" | "no" | "false" => of(name, visitor.visit_bool(false)),
            _ => Err(Wrong { message: format!("{name}: {text:?} is neither yes nor no"), field: name }),
        }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let (name, number) = self.number()?;
        of(name, visitor.visit_i64(number))
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let (name, number) = self.number::<f64>()?;
        if !number.is_finite() {
            return Err(Wrong { message: format!("{name} is not a number"), field: name });
        }
        of(name, visitor.visit_f64(number))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let name = self.name.clone();
        let each = self.values.into_iter().map(|value| Field { name: name.clone(), values: vec![value] });
        of(self.name, visitor.visit_seq(SeqDeserializer::new(each)))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        kind: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let (name, text) = self.one()?;
        let word: serde::de::value::StringDeserializer<Wrong> = text.into_deserializer();
        of(name, word.deserialize_enum(kind, variants, visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Wrong> {
        Err(Wrong { field: self.name, ..Wrong::custom("a form has no nested fields") })
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u128 f32 char str string bytes byte_buf unit unit_struct tuple tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Word {
        NotMine,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        name: String,
        #[serde(default)]
        size: Option<u8>,
        #[serde(default)]
        score: Option<f64>,
        #[serde(default)]
        tags: Vec<String>,
        #[serde(default)]
        paused: bool,
        #[serde(default)]
        word: Option<Word>,
    }

    #[test]
    fn a_form_is_read_as_json_is() {
        let pairs = crate::params::form_pairs("name=a+b&size=7&score=6.5&tags=x&tags=y&paused=on&word=not-mine");
        let want = Sample {
            name: "a b".into(),
            size: Some(7),
            score: Some(6.5),
            tags: vec!["x".into(), "y".into()],
            paused: true,
            word: Some(Word::NotMine),
        };
        assert_eq!(read::<Sample>(&pairs), Ok(want));
        let blank = crate::params::form_pairs("name=a&size=&score=&tags=&word=");
        let want = Sample { name: "a".into(), size: None, score: None, tags: vec![], paused: false, word: None };
        assert_eq!(read::<Sample>(&blank), Ok(want), "an empty field was not given");
    }

    #[test]
    fn a_wrong_field_is_named() {
        for (form, field) in [
            ("", "name"),
            ("name=", "name"),
            ("name=a&name=b", "name"),
            ("name=a&colour=red", "colour"),
            ("name=a&size=x", "size"),
            ("name=a&size=256", "size"),
            ("name=a&size=-1", "size"),
            ("name=a&score=NaN", "score"),
            ("name=a&paused=perhaps", "paused"),
            ("name=a&word=mine", "word"),
        ] {
            let wrong = read::<Sample>(&crate::params::form_pairs(form)).unwrap_err();
            assert_eq!(wrong.field, field, "{form}: {}", wrong.message);
        }
    }
}
