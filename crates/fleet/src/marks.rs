//! What a filter asks of disable rules: `status:` and `rule:` words.
//!
//! In: the words, the view of the moment. Out: which matches are marked in which groups, and whether marked ones are shown.

use crate::filter::{Condition, Status, Test};
use crate::index::Index;
use crate::kinds::KindBits;
use crate::view::View;
use model::pattern::Pattern;

/// What marks mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mode {
    /// Marked by a rule: left out, and counted as disabled.
    #[default]
    Open,
    /// Nothing is marked.
    All,
    /// Marked: left out.
    Except,
    /// Not marked: left out.
    Only,
}

/// Marks of every group.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    pub mode: Mode,
    /// What is marked, where that is not what rules hide.
    own: KindBits,
    /// By rule: whether a word asks for it.
    asked: Vec<bool>,
}

/// Rules by name or stable id.
fn named(index: &Index, patterns: &[Pattern]) -> Vec<bool> {
    let is = |text: &str| patterns.iter().any(|p| p.matches(text));
    index.rules.iter().map(|rule| is(&rule.fact.name) || is(&rule.fact.uid.to_string())).collect()
}

impl Marks {
    /// Marks where no word asks for a rule.
    pub fn unasked(mode: Mode) -> Self {
        Self { mode, ..Self::default() }
    }

    pub fn new(index: &Index, view: &View, conditions: &[Condition]) -> Self {
        let mut status = None;
        let (mut with, mut without): (Vec<Vec<bool>>, Vec<Vec<bool>>) = (Vec::new(), Vec::new());
        let mut contradicts = false;
        for Condition { not, test } in conditions {
            match test {
                Test::Status(asked) => {
                    contradicts |= status.is_some_and(|before| before != *asked);
                    status = Some(*asked);
                }
                Test::Rule(patterns) if *not => without.push(named(index, patterns)),
                Test::Rule(patterns) => with.push(named(index, patterns)),
                _ => {}
            }
        }
        let any = |of: &[Vec<bool>], rule: u32| of.iter().any(|rules| rules[rule as usize]);
        let mode = match status {
            _ if !with.is_empty() || contradicts => Mode::Only,
            Some(Status::Disabled) => Mode::Only,
            Some(Status::All) if without.is_empty() => Mode::All,
            Some(Status::All) => Mode::Except,
            Some(Status::Open) | None => Mode::Open,
        };
        let nothing = contradicts || (mode == Mode::Only && status == Some(Status::Open));
        let mut marks = Self::unasked(mode);
        if matches!(mode, Mode::Open | Mode::All) {
            return marks;
        }
        marks.asked = (0..index.rules.len()).map(|r| any(&with, r as u32)).collect();
        if nothing {
            return marks;
        }
        let hidden_by = |rules: &[bool]| view.kinds.bits(&view.groups, |rule| rules[rule as usize]);
        let taken_away = view.kinds.bits(&view.groups, |rule| any(&without, rule));
        if mode == Mode::Except {
            marks.own = taken_away;
            return marks;
        }
        marks.own = view.kinds.bits(&view.groups, |_| true);
        with.iter().for_each(|rules| marks.own.and(&hidden_by(rules)));
        marks.own.minus(&taken_away);
        marks
    }

    /// Returns the groups in which matches of a kind are marked, one bit each.
    pub fn of_kind<'a>(&'a self, view: &'a View, kind: usize) -> &'a [u64] {
        match self.mode {
            Mode::Open => view.hides.row(kind),
            Mode::All => &[],
            Mode::Except | Mode::Only => self.own.row(kind),
        }
    }

    /// Returns whether a match is shown that is marked, or is not.
    pub fn shows(&self, marked: bool) -> bool {
        match self.mode {
            Mode::All => true,
            Mode::Open | Mode::Except => !marked,
            Mode::Only => marked,
        }
    }

    /// Returns whether a word asks for a rule.
    pub fn asks_for(&self, rule: u32) -> bool {
        self.asked.get(rule as usize).is_some_and(|asked| *asked)
    }
}
