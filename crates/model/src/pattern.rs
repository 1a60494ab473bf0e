//! Names with `*` for any text, as filters, disable rules and settings use them.

/// A text in which `*` stands for any text; upper and lower case are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Makes a pattern.
    pub fn new(text: &str) -> Self {
        Self(text.to_ascii_lowercase())
    }

    /// A pattern for texts that contain this one.
    pub fn within(text: &str) -> Self {
        Self(format!("*{}*", text.to_ascii_lowercase()))
    }

    /// Returns whether it is a search for nothing, which every text holds.
    pub fn is_any(&self) -> bool {
        self.0 == "**"
    }

    /// Returns the text if it stands for itself alone.
    pub fn exact(&self) -> Option<&str> {
        (!self.0.contains('*')).then_some(&self.0)
    }

    /// Returns whether a text matches. Linear in most cases, quadratic at worst: never exponential.
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text) = (self.0.as_bytes(), text.as_bytes());
        let (mut p, mut t) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while t < text.len() {
            if pattern.get(p) == Some(&b'*') {
                retry = Some((p + 1, t));
                p += 1;
            } else if pattern.get(p) == Some(&text[t].to_ascii_lowercase()) {
                p += 1;
                t += 1;
            } else if let Some((after_star, from)) = retry {
                retry = Some((after_star, from + 1));
                (p, t) = (after_star, from + 1);
            } else {
                return false;
            }
        }
        pattern[p..].iter().all(|byte| *byte == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_letters_have_no_case() {
        for (pattern, text, want, why) in [
            ("libssl*", "LibSSL3", true, "at the end"),
            ("*ssl*", "openssl", true, "in the middle"),
            ("a*b*c", "aXbYbZc", true, "the second b is the right one"),
            ("a*b", "ab", true, "a star stands for nothing as well"),
            ("a*b", "abc", false, "the end counts"),
            ("", "", true, "nothing is nothing"),
            ("", "a", false, "and only that"),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), want, "{why}");
        }
    }
}
