//! Why a question has no answer.

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // for the fields, which the message names; variants are documented
pub enum QueryError {
    /// A word of the filter, or a parameter, that means nothing. `at` is its first byte in the filter text.
    #[error("filter word {word:?} at {at}: {problem}; allowed: {}", allowed.join(", "))]
    Word { word: String, at: usize, problem: &'static str, allowed: Vec<&'static str> },
    /// An order that the list does not have.
    #[error("cannot sort by {word:?}; allowed: {}", allowed.join(", "))]
    Sort { word: String, allowed: Vec<&'static str> },
    /// A cursor that was not made for this question.
    #[error("the cursor {problem}; ask for the first page again")]
    Cursor { problem: &'static str },
    /// A page without rows.
    #[error("limit must be at least 1")]
    Limit,
}
