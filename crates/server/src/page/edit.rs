//! A page with one form that changes one thing, and below it what cannot be taken back.

use super::form::Field;
use super::frame::{Frame, Step};
use askama::Template;

/// The page.
#[derive(Template)]
#[template(path = "edit.html")]
pub struct Edit {
    /// The frame.
    pub frame: Frame,
    /// What it is about.
    pub title: String,
    /// Where it belongs.
    pub crumbs: Vec<Step>,
    /// Other pages about it.
    pub more: Vec<Step>,
    /// What to know before.
    pub says: Vec<String>,
    /// The hidden fields that every form carries.
    pub guard: String,
    /// What is wrong with no field of its own, or empty.
    pub trouble: String,
    /// Where the form goes.
    pub action: String,
    /// Fields that nobody types.
    pub hidden: Vec<(&'static str, String)>,
    /// Fields.
    pub fields: Vec<Field>,
    /// The word on the button.
    pub button: String,
    /// What is asked twice.
    pub sure: Option<Sure>,
}

/// Something that is asked twice.
pub struct Sure {
    /// The word on the button that opens it.
    pub summary: String,
    /// What it does.
    pub text: String,
    /// Where the form goes.
    pub action: String,
    /// The word on the button that does it.
    pub button: String,
}
