//! ARM templates: parameters with their defaults, variables, conditions, copies, nested deployments.
//!
//! In: the JSON of a template. Out: its resources with every expression replaced by its value; one that only a deployment
//! can evaluate stays, marked as open. Limits keep a template that was made to grow from growing.

use super::expression::{self, Expression};
use serde_json::{Map, Value, json};

/// The member that marks an expression left open.
const OPEN: &str = "\u{0}open";
/// The most values that one template may make.
const MOST_VALUES: usize = 200_000;
/// The deepest that values, variables and deployments nest.
const MOST_DEPTH: usize = 32;
/// The most bytes of one value that a function makes.
const MOST_BYTES: usize = 1 << 20;
/// The most turns of one copy.
const MOST_COPIES: u64 = 800;

/// Returns the expression that stands for an open value.
pub fn open(value: &Value) -> Option<&str> {
    value.as_object().and_then(|object| object.get(OPEN)).and_then(Value::as_str)
}

/// Returns whether a JSON object is a template.
pub fn is_template(value: &Value) -> bool {
    value.get("$schema").and_then(Value::as_str).is_some_and(|schema| schema.contains("eploymentTemplate"))
        && value.get("resources").is_some()
}

/// Returns the resources of a template, those of nested deployments included.
pub fn resources(template: &Value) -> Result<Vec<Value>, String> {
    let mut left = MOST_VALUES;
    let mut out = Vec::new();
    Scope { template, given: None, left: &mut left, depth: 0, index: None }.resources(&mut out)?;
    Ok(out)
}

struct Scope<'a> {
    template: &'a Value,
    /// Parameters that a deployment around this one gives.
    given: Option<&'a Map<String, Value>>,
    left: &'a mut usize,
    depth: usize,
    /// Turn of the copy that is being made.
    index: Option<u64>,
}

impl Scope<'_> {
    fn resources(&mut self, out: &mut Vec<Value>) -> Result<(), String> {
        if self.depth > MOST_DEPTH {
            return Err(format!("nests deployments deeper than {MOST_DEPTH}"));
        }
        let declared: Vec<Value> = match self.template.get("resources") {
            Some(Value::Array(items)) => items.clone(),
            Some(Value::Object(named)) => named.values().cloned().collect(), // languageVersion 2
            _ => Vec::new(),
        };
        for resource in &declared {
            for turn in self.turns(resource)? {
                self.index = turn;
                self.resource(resource, out)?;
            }
            self.index = None;
        }
        Ok(())
    }

    /// The turns of a resource: one without an index, or those of its copy.
    fn turns(&mut self, resource: &Value) -> Result<Vec<Option<u64>>, String> {
        let Some(count) = resource.get("copy").and_then(|copy| copy.get("count")).cloned() else {
            return Ok(vec![None]);
        };
        match self.value(&count, 0)?.as_u64() {
            Some(count) if count > MOST_COPIES => {
                Err(format!("copies a resource {count} times; {MOST_COPIES} are the most"))
            }
            Some(count) => Ok((0..count).map(Some).collect()),
            None => Ok(vec![Some(0)]), // the number is open: one stands for all
        }
    }

    fn resource(&mut self, resource: &Value, out: &mut Vec<Value>) -> Result<(), String> {
        if let Some(condition) = resource.get("condition").cloned()
            && self.value(&condition, 0)? == Value::Bool(false)
        {
            return Ok(());
        }
        if resource.get("existing").and_then(Value::as_bool) == Some(true) {
            return Ok(());
        }
        let nested = resource.get("type").and_then(Value::as_str) == Some("Microsoft.Resources/deployments");
        let inner = resource.get("properties").and_then(|p| p.get("template"));
        if let (true, Some(inner)) = (nested, inner) {
            return self.deployment(resource, inner, out);
        }
        let value = self.value(resource, 0)?;
        out.push(value);
        Ok(())
    }

    fn deployment(&mut self, resource: &Value, inner: &Value, out: &mut Vec<Value>) -> Result<(), String> {
        let given = resource.get("properties").and_then(|p| p.get("parameters")).cloned().unwrap_or(json!({}));
        let mut parameters = Map::new();
        for (name, parameter) in given.as_object().into_iter().flatten() {
            let value = parameter.get("value").cloned().unwrap_or(json!({ OPEN: format!("parameters('{name}')") }));
            parameters.insert(name.clone(), self.value(&value, 0)?);
        }
        let scope = resource.pointer("/properties/expressionEvaluationOptions/scope").and_then(Value::as_str);
        let outer = scope.is_none_or(|scope| scope.eq_ignore_ascii_case("outer"));
        let depth = self.depth.saturating_add(1);
        if !outer {
            let mut scope = Scope { template: inner, given: Some(&parameters), left: self.left, depth, index: None };
            return scope.resources(out);
        }
        // Outer scope: the inner resources read the parameters and variables of this template.
        let mut joined = self.template.clone();
        if let Some(object) = joined.as_object_mut() {
            object.insert("resources".into(), inner.get("resources").cloned().unwrap_or(json!([])));
        }
        Scope { template: &joined, given: self.given, left: self.left, depth, index: None }.resources(out)
    }

    /// Replaces the expressions of a value.
    fn value(&mut self, value: &Value, depth: usize) -> Result<Value, String> {
        *self.left = self.left.checked_sub(1).ok_or(format!("makes more than {MOST_VALUES} values"))?;
        if depth > MOST_DEPTH {
            return Err(format!("nests deeper than {MOST_DEPTH}"));
        }
        let deeper = depth.saturating_add(1);
        match value {
            Value::String(text) => self.text(text, depth),
            Value::Array(items) => {
                items.iter().map(|item| self.value(item, deeper)).collect::<Result<_, _>>().map(Value::Array)
            }
            Value::Object(members) => {
                let pairs = members.iter().map(|(name, member)| Ok((name.clone(), self.value(member, deeper)?)));
                pairs.collect::<Result<Map<_, _>, String>>().map(Value::Object)
            }
            _ => Ok(value.clone()),
        }
    }

    /// A text is an expression in brackets, or itself; `[[` stands for one bracket.
    fn text(&mut self, text: &str, depth: usize) -> Result<Value, String> {
        if let Some(rest) = text.strip_prefix("[[") {
            return Ok(Value::String(format!("[{rest}")));
        }
        let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
            return Ok(Value::String(text.to_owned()));
        };
        let found = expression::parse(inner);
        let value = found.map_or(Ok(None), |found| self.evaluate(&found, depth))?;
        Ok(value.unwrap_or_else(|| json!({ OPEN: text })))
    }

    fn evaluate(&mut self, expression: &Expression, depth: usize) -> Result<Option<Value>, String> {
        *self.left = self.left.checked_sub(1).ok_or(format!("makes more than {MOST_VALUES} values"))?;
        if depth > MOST_DEPTH {
            return Err(format!("nests deeper than {MOST_DEPTH}"));
        }
        let deeper = depth.saturating_add(1);
        match expression {
            Expression::Literal(value) => Ok(Some(value.clone())),
            Expression::Member(of, member) => {
                let (of, member) = (self.evaluate(of, deeper)?, self.evaluate(member, deeper)?);
                Ok(of.zip(member).and_then(|(of, member)| pick(&of, &member)))
            }
            Expression::Call(name, arguments) if name.eq_ignore_ascii_case("if") => self.choose(arguments, deeper),
            Expression::Call(name, arguments) => {
                let mut values = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    match self.evaluate(argument, deeper)? {
                        Some(value) if open(&value).is_none() => values.push(value),
                        _ => return Ok(None),
                    }
                }
                self.call(name, &values, deeper)
            }
        }
    }

    fn choose(&mut self, arguments: &[Expression], depth: usize) -> Result<Option<Value>, String> {
        let [condition, yes, no] = arguments else { return Ok(None) };
        match self.evaluate(condition, depth)? {
            Some(Value::Bool(true)) => self.evaluate(yes, depth),
            Some(Value::Bool(false)) => self.evaluate(no, depth),
            _ => Ok(None),
        }
    }

    fn call(&mut self, name: &str, values: &[Value], depth: usize) -> Result<Option<Value>, String> {
        let first = values.first().and_then(Value::as_str).unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "parameters" => self.parameter(first, depth),
            "variables" => self.variable(first, depth),
            "copyindex" => {
                let offset = values.iter().find_map(Value::as_u64).unwrap_or(0);
                Ok(self.index.map(|index| Value::from(index.saturating_add(offset))))
            }
            _ => match expression::call(name, values) {
                Some(value) if bytes(&value) > MOST_BYTES => {
                    Err(format!("makes a value of more than {MOST_BYTES} bytes"))
                }
                value => Ok(value),
            },
        }
    }

    fn parameter(&mut self, name: &str, depth: usize) -> Result<Option<Value>, String> {
        if let Some(value) = self.given.and_then(|given| member(given, name)) {
            return Ok(Some(value.clone()));
        }
        let declared = self.template.get("parameters").and_then(Value::as_object);
        let default = declared.and_then(|all| member(all, name)).and_then(|p| p.get("defaultValue")).cloned();
        default.map(|value| self.value(&value, depth)).transpose()
    }

    fn variable(&mut self, name: &str, depth: usize) -> Result<Option<Value>, String> {
        let declared = self.template.get("variables").and_then(Value::as_object);
        let found = declared.and_then(|all| member(all, name)).cloned();
        found.map(|value| self.value(&value, depth)).transpose()
    }
}

fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v))
}

fn pick(of: &Value, at: &Value) -> Option<Value> {
    match (of, at) {
        (Value::Object(object), Value::String(name)) => member(object, name).cloned(),
        (Value::Array(items), Value::Number(index)) => items.get(usize::try_from(index.as_u64()?).ok()?).cloned(),
        _ => None,
    }
}

/// About how many bytes a value takes.
fn bytes(value: &Value) -> usize {
    let own = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(bytes).sum(),
        Value::Object(members) => members.iter().map(|(name, member)| name.len().saturating_add(bytes(member))).sum(),
        _ => 0,
    };
    own.saturating_add(16)
}
