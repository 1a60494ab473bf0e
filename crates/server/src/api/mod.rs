//! REST handlers, by what they answer.

pub mod findings;
pub mod images;
pub mod lists;
pub mod tokens;
pub mod work;
