//! Forms as pages show them: blank, or with what was typed and what was wrong with it.

use super::form::Field;
use super::frame::visible;
use crate::asker::{Asker, CSRF_FIELD, KEY_FIELD};
use crate::body::Form;
use crate::problem::Problem;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// A form with its values.
pub struct Filled {
    form: Form,
    problem: Option<Problem>,
    csrf: String,
    key: String,
}

impl Filled {
    /// A form with its first values.
    pub fn new(asker: &Asker, values: &[(&str, &str)]) -> Self {
        Self::with(asker, Form::of(values), None)
    }

    /// The form once more, because something was wrong.
    pub fn again(asker: &Asker, form: Form, problem: Problem) -> Self {
        Self::with(asker, form, Some(problem))
    }

    fn with(asker: &Asker, form: Form, problem: Option<Problem>) -> Self {
        let key = uuid::Uuid::new_v4().simple().to_string();
        Self { form, problem, csrf: asker.csrf.clone(), key }
    }

    /// The hidden fields that every form of the console carries: `{{ form.guard()|safe }}`.
    pub fn guard(&self) -> String {
        let field = |name: &str, value: &str| format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">");
        field(CSRF_FIELD, &self.csrf) + &field(KEY_FIELD, &self.key)
    }

    /// What stands in a field.
    pub fn value(&self, name: &str) -> &str {
        self.form.typed(name)
    }

    /// What is chosen in a field of several.
    pub fn chosen<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.form.chosen(name)
    }

    /// What is wrong with a field, or empty.
    pub fn wrong(&self, name: &str) -> String {
        self.problem.as_ref().filter(|p| p.field == name).map(|p| visible(&p.detail)).unwrap_or_default()
    }

    /// A field with what was typed into it and what is wrong with that. A blank form leaves a field what it begins with.
    pub fn field(&self, field: Field) -> Field {
        if self.problem.is_none() && !self.form.has(field.name) {
            return field;
        }
        Field { value: self.form.typed(field.name).to_owned(), ..field }.judged(self.problem.as_ref())
    }

    /// What is wrong with none of these fields, and so stands above the form; or empty.
    pub fn trouble(&self, fields: &[Field]) -> String {
        let elsewhere = |problem: &&Problem| fields.iter().all(|field| field.name != problem.field);
        let problem = self.problem.as_ref().filter(elsewhere);
        problem.map(|p| format!("{}. {}", visible(&p.detail), p.next_step)).unwrap_or_default()
    }

    /// Answers with the page that shows this form: its status is that of the problem.
    pub fn answer(&self, page: Response) -> Response {
        let Some(problem) = &self.problem else { return page };
        let status = StatusCode::from_u16(problem.status).unwrap_or_default();
        let mut response = (status, page).into_response();
        response.extensions_mut().insert(problem.clone());
        response
    }
}
