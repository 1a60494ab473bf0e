//! Expressions of ARM templates: `[concat(parameters('name'), 'acr')]`.
//!
//! In: the text between the brackets, and how names are looked up. Out: a value, or `None` where only a deployment knows it.
//! Source: "ARM template functions"; the functions that name and configure a registry, no more.

use serde_json::Value;

/// The deepest that calls may nest.
const MOST_DEPTH: usize = 24;

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// `'text'`, a number, `true`, `false`, `null`.
    Literal(Value),
    /// `name(arguments)`.
    Call(String, Vec<Expression>),
    /// `expression.member` or `expression[index]`.
    Member(Box<Expression>, Box<Expression>),
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

/// Parses an expression, without the brackets around it.
pub fn parse(text: &str) -> Option<Expression> {
    let mut parser = Parser { text: text.as_bytes(), at: 0 };
    let expression = parser.expression(0)?;
    parser.space();
    (parser.at == parser.text.len()).then_some(expression)
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.next();
        }
    }

    fn takes(&mut self, byte: u8) -> bool {
        self.space();
        let found = self.peek() == Some(byte);
        if found {
            self.next();
        }
        found
    }

    fn expression(&mut self, depth: usize) -> Option<Expression> {
        if depth > MOST_DEPTH {
            return None;
        }
        self.space();
        let mut found = match self.peek()? {
            b'\'' => Expression::Literal(Value::String(self.quoted()?)),
            byte if byte.is_ascii_digit() || byte == b'-' => Expression::Literal(self.number()?),
            _ => self.named(depth)?,
        };
        loop {
            if self.takes(b'.') {
                let member = Expression::Literal(Value::String(self.word()?));
                found = Expression::Member(Box::new(found), Box::new(member));
            } else if self.takes(b'[') {
                let index = self.expression(depth.saturating_add(1))?;
                self.takes(b']').then_some(())?;
                found = Expression::Member(Box::new(found), Box::new(index));
            } else {
                return Some(found);
            }
        }
    }

    fn named(&mut self, depth: usize) -> Option<Expression> {
        let name = self.word()?;
        if !self.takes(b'(') {
            return match name.as_str() {
                "true" => Some(Expression::Literal(Value::Bool(true))),
                "false" => Some(Expression::Literal(Value::Bool(false))),
                "null" => Some(Expression::Literal(Value::Null)),
                _ => None,
            };
        }
        let mut arguments = Vec::new();
        if self.takes(b')') {
            return Some(Expression::Call(name, arguments));
        }
        loop {
            arguments.push(self.expression(depth.saturating_add(1))?);
            if self.takes(b')') {
                return Some(Expression::Call(name, arguments));
            }
            self.takes(b',').then_some(())?;
        }
    }

    /// A text in single quotes; a quote in it is written twice.
    fn quoted(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        self.next();
        loop {
            let byte = self.peek()?;
            self.next();
            if byte != b'\'' {
                bytes.push(byte);
            } else if self.peek() == Some(b'\'') {
                bytes.push(byte);
                self.next();
            } else {
                return String::from_utf8(bytes).ok();
            }
        }
    }

    fn number(&mut self) -> Option<Value> {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit() || byte == b'-') {
            self.next();
        }
        let text = std::str::from_utf8(self.text.get(from..self.at)?).ok()?;
        text.parse::<i64>().ok().map(Value::from)
    }

    fn word(&mut self) -> Option<String> {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            self.next();
        }
        let text = std::str::from_utf8(self.text.get(from..self.at)?).ok()?;
        (!text.is_empty()).then(|| text.to_owned())
    }
}

/// Calls a function that needs nothing but its arguments; `None` for one that only a deployment can answer.
pub fn call(name: &str, arguments: &[Value]) -> Option<Value> {
    let text = |at: usize| arguments.get(at).and_then(Value::as_str);
    match name.to_ascii_lowercase().as_str() {
        "concat" => concat(arguments),
        "format" => format(arguments),
        "tolower" => Some(text(0)?.to_lowercase().into()),
        "toupper" => Some(text(0)?.to_uppercase().into()),
        "trim" => Some(text(0)?.trim().into()),
        "string" => arguments.first().map(|value| value.as_str().map_or(value.to_string(), str::to_owned).into()),
        "int" => text(0).map_or_else(|| arguments.first().cloned(), |t| t.parse::<i64>().ok().map(Value::from)),
        "bool" => boolean(arguments.first()?).map(Value::Bool),
        "replace" => Some(text(0)?.replace(text(1)?, text(2)?).into()),
        "substring" => substring(arguments),
        "equals" => Some(Value::Bool(same(arguments.first()?, arguments.get(1)?))),
        "not" => Some(Value::Bool(!arguments.first()?.as_bool()?)),
        "and" => {
            arguments.iter().map(Value::as_bool).collect::<Option<Vec<_>>>().map(|v| Value::Bool(v.iter().all(|b| *b)))
        }
        "or" => {
            arguments.iter().map(Value::as_bool).collect::<Option<Vec<_>>>().map(|v| Value::Bool(v.iter().any(|b| *b)))
        }
        "empty" => Some(Value::Bool(empty(arguments.first()?))),
        "length" => length(arguments.first()?).map(Value::from),
        "coalesce" => Some(arguments.iter().find(|v| !v.is_null()).cloned().unwrap_or(Value::Null)),
        "createarray" | "array" => Some(Value::Array(arguments.to_vec())),
        "createobject" => create_object(arguments),
        "union" => union(arguments),
        "json" => serde_json::from_str(text(0)?).ok(),
        "contains" => contains(arguments.first()?, arguments.get(1)?),
        _ => None,
    }
}

fn concat(arguments: &[Value]) -> Option<Value> {
    if arguments.iter().all(Value::is_array) {
        let items = arguments.iter().filter_map(Value::as_array).flatten().cloned();
        return Some(Value::Array(items.collect()));
    }
    arguments.iter().map(plain).collect::<Option<String>>().map(Value::String)
}

/// A value as text in a text.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(true) => Some("True".into()),
        Value::Bool(false) => Some("False".into()),
        _ => None,
    }
}

fn format(arguments: &[Value]) -> Option<Value> {
    let (pattern, values) = arguments.split_first()?;
    let mut out = String::new();
    let mut rest = pattern.as_str()?;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let (number, after) = after.split_once('}')?;
        out.push_str(&plain(values.get(number.parse::<usize>().ok()?)?)?);
        rest = after;
    }
    out.push_str(rest);
    Some(Value::String(out))
}

fn substring(arguments: &[Value]) -> Option<Value> {
    let text: Vec<char> = arguments.first()?.as_str()?.chars().collect();
    let from = usize::try_from(arguments.get(1)?.as_u64()?).ok()?;
    let length = match arguments.get(2) {
        Some(length) => usize::try_from(length.as_u64()?).ok()?,
        None => text.len().checked_sub(from)?,
    };
    let part = text.get(from..from.checked_add(length)?)?;
    Some(Value::String(part.iter().collect()))
}

/// Texts are equal in any case, as templates compare them.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_str(), b.as_str()) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => a == b,
    }
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::Number(number) => Some(number.as_i64()? != 0),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn empty(value: &Value) -> bool {
    value.is_null() || length(value) == Some(0)
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.chars().count()),
        Value::Array(items) => Some(items.len()),
        Value::Object(members) => Some(members.len()),
        _ => None,
    }
}

fn contains(value: &Value, item: &Value) -> Option<Value> {
    match value {
        Value::String(text) => Some(Value::Bool(text.contains(item.as_str()?))),
        Value::Array(items) => Some(Value::Bool(items.contains(item))),
        Value::Object(members) => {
            let name = item.as_str()?;
            Some(Value::Bool(members.keys().any(|key| key.eq_ignore_ascii_case(name))))
        }
        _ => None,
    }
}

fn create_object(arguments: &[Value]) -> Option<Value> {
    let pairs = arguments.chunks(2).map(|pair| Some((pair.first()?.as_str()?.to_owned(), pair.get(1)?.clone())));
    pairs.collect::<Option<serde_json::Map<_, _>>>().map(Value::Object)
}

fn union(arguments: &[Value]) -> Option<Value> {
    let mut all = serde_json::Map::new();
    for argument in arguments {
        all.extend(argument.as_object()?.clone());
    }
    Some(Value::Object(all))
}
