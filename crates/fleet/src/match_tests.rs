//! What a filter asks of a match: in masks and in one bit a vulnerability and a package, worked out before the walk.

use crate::filter::{Condition, Hidden, Span, Test, TextIn};
use crate::index::{Index, Matched, hidden_bits};
use model::advisory::{Category, VendorState};
use model::pattern::Pattern;
use model::severity::Severity;

/// What is asked of a match.
#[derive(Default)]
pub(crate) struct MatchTests {
    severity: u8,
    state: u8,
    category: u8,
    fixable: Option<bool>,
    /// Nothing can pass: `fix:yes fix:no`.
    never: bool,
    /// First seen at the latest.
    pub until: Option<i64>,
    shown: u8,
    hidden: Option<Hidden>,
    /// By vulnerability; empty if nothing is asked of it.
    vulnerabilities: Vec<bool>,
    /// Vulnerabilities that are named: no other can pass.
    pub named: Option<Vec<u32>>,
    /// By package; empty if nothing is asked of it.
    pub packages: Vec<bool>,
    texts: Vec<(bool, Pattern)>,
    /// By vulnerability and by package: which of `texts` they contain, one bit each.
    text_bits: (Vec<u64>, Vec<u64>),
    id: Vec<u64>,
}

impl MatchTests {
    pub fn new(index: &Index, conditions: &[Condition], text_in: TextIn, until: Option<i64>) -> Self {
        let mut tests = Self { severity: u8::MAX, state: u8::MAX, category: u8::MAX, until, ..Self::default() };
        for Condition { not, test } in conditions {
            let masked = |mask: u8| if *not { !mask } else { mask };
            let speaks = |bit: u8| if *not { 0 } else { bit };
            match test {
                Test::Severity(mask) => {
                    tests.severity &= masked(*mask);
                    tests.shown |=
                        speaks(hidden_bits(Severity::Negligible, Category::Vulnerability, VendorState::Open));
                }
                Test::Category(mask) => {
                    tests.category &= masked(*mask);
                    tests.shown |= speaks(hidden_bits(Severity::Low, Category::KernelHeaders, VendorState::Open));
                }
                Test::State(mask) => {
                    tests.state &= masked(*mask);
                    let asked = VendorState::UnderInvestigation;
                    tests.shown |= speaks(hidden_bits(Severity::Low, Category::Vulnerability, asked));
                }
                Test::Fixable(want) => {
                    let want = *want != *not;
                    tests.never |= tests.fixable.is_some_and(|before| before != want);
                    tests.fixable = Some(want);
                }
                Test::Hidden(hidden) => tests.hidden = Some(*hidden),
                Test::Id(_, half) => tests.id.push(*half),
                Test::Text(pattern) if text_in == TextIn::Matches => tests.texts.push((*not, pattern.clone())),
                _ => tests.narrow(index, *not, test, text_in),
            }
        }
        tests.read_texts(index);
        tests
    }

    /// Tests what depends on the vulnerability or on the package alone, once each.
    fn narrow(&mut self, index: &Index, not: bool, test: &Test, text_in: TextIn) {
        let span = |span: &Span, number: i32| number >= 0 && span.holds(i64::from(number));
        match test {
            Test::Kev(want) => self.each_vulnerability(index, |v| ((index.vulnerabilities[v].kev > 0) == *want) != not),
            Test::Epss(s) => self.each_vulnerability(index, |v| span(s, index.vulnerabilities[v].epss) != not),
            Test::Cvss(s) => self.each_vulnerability(index, |v| span(s, index.vulnerabilities[v].cvss) != not),
            Test::Vulnerability(patterns) => self.name_vulnerabilities(index, not, patterns),
            Test::Package(patterns) => self.each_package(index, |p| {
                let (row, purl) = (&index.packages[p], index.text(index.packages[p].purl));
                let name = index.text(index.components[row.component as usize].name);
                let purl = purl.strip_prefix("pkg:").unwrap_or(purl);
                patterns.iter().any(|pattern| pattern.matches(name) || pattern.matches(purl)) != not
            }),
            Test::Kind(patterns) => self.each_package(index, |p| {
                let row = &index.packages[p];
                let ecosystem = index.text(index.components[row.component as usize].ecosystem);
                let purl = index.text(row.purl);
                let kind = purl.strip_prefix("pkg:").and_then(|p| p.split('/').next()).unwrap_or("");
                patterns.iter().any(|pattern| pattern.matches(kind) || pattern.matches(ecosystem)) != not
            }),
            Test::Text(pattern) if text_in == TextIn::Packages => self.each_package(index, |p| {
                let name = index.components[index.packages[p].component as usize].name;
                pattern.matches(index.text(name)) != not
            }),
            _ => {}
        }
    }

    fn each_vulnerability(&mut self, index: &Index, pass: impl Fn(usize) -> bool) {
        self.vulnerabilities.resize(index.vulnerabilities.len(), true);
        for (v, passes) in self.vulnerabilities.iter_mut().enumerate() {
            *passes = *passes && pass(v);
        }
    }

    fn each_package(&mut self, index: &Index, pass: impl Fn(usize) -> bool) {
        self.packages.resize(index.packages.len(), true);
        for (p, passes) in self.packages.iter_mut().enumerate() {
            *passes = *passes && pass(p);
        }
    }

    fn name_vulnerabilities(&mut self, index: &Index, not: bool, patterns: &[Pattern]) {
        let mut named: Vec<u32> = Vec::new();
        for pattern in patterns {
            if let Some(name) = pattern.exact() {
                named.extend(index.vulnerability_at(name).map(|v| v as u32));
                continue;
            }
            let hit = |v: &usize| {
                let heading = index.text(index.vulnerabilities[*v].name);
                pattern.matches(heading) || index.aliases_of(*v).any(|alias| pattern.matches(alias))
            };
            named.extend((0..index.vulnerabilities.len()).filter(hit).map(|v| v as u32));
        }
        named.sort_unstable();
        named.dedup();
        if not {
            self.each_vulnerability(index, |v| named.binary_search(&(v as u32)).is_err());
            return;
        }
        if let Some(before) = &self.named {
            named.retain(|v| before.binary_search(v).is_ok());
        }
        self.each_vulnerability(index, |v| named.binary_search(&(v as u32)).is_ok());
        self.named = Some(named);
    }

    fn read_texts(&mut self, index: &Index) {
        if self.texts.is_empty() {
            return;
        }
        let bits = |hit: &dyn Fn(&Pattern) -> bool| {
            let hits = self.texts.iter().enumerate().filter(|(_, text)| hit(&text.1));
            hits.fold(0_u64, |bits, (i, _)| bits | 1 << i)
        };
        let of_vulnerability = |v: usize| {
            let row = &index.vulnerabilities[v];
            bits(&|pattern: &Pattern| {
                pattern.matches(index.text(row.name))
                    || pattern.matches(index.text(row.title))
                    || index.aliases_of(v).any(|alias| pattern.matches(alias))
            })
        };
        let of_component = |c| bits(&|pattern: &Pattern| pattern.matches(index.text(c)));
        let components: Vec<u64> = index.components.iter().map(|c| of_component(c.name)).collect();
        let vulnerabilities = (0..index.vulnerabilities.len()).map(of_vulnerability).collect();
        self.text_bits = (vulnerabilities, index.packages.iter().map(|p| components[p.component as usize]).collect());
    }

    /// Returns whether a match that holds is a finding (`true`), one that is only counted as hidden, or nothing.
    pub fn verdict(&self, index: &Index, row: &Matched) -> Option<bool> {
        let (package, vulnerability) = (row.package as usize, row.vulnerability as usize);
        let by_mask = self.severity & 1 << row.severity as u8 != 0
            && self.state & 1 << row.state as u8 != 0
            && self.category & 1 << row.category as u8 != 0;
        let passes = by_mask
            && !self.never
            && self.fixable.is_none_or(|f| f == row.fixable)
            && self.until.is_none_or(|u| row.first <= u)
            && self.vulnerabilities.get(vulnerability).is_none_or(|p| *p)
            && self.packages.get(package).is_none_or(|p| *p)
            && self.texts_pass(vulnerability, package)
            && (self.id.is_empty() || self.id.iter().all(|half| *half == index.match_half(row)));
        if !passes {
            return None;
        }
        let hides = hidden_bits(row.severity, row.category, row.state) & !self.shown != 0;
        match self.hidden {
            Some(Hidden::All) => Some(true),
            Some(Hidden::Only) => hides.then_some(true),
            Some(Hidden::No) | None => Some(!hides),
        }
    }

    fn texts_pass(&self, vulnerability: usize, package: usize) -> bool {
        if self.texts.is_empty() {
            return true;
        }
        let bits = self.text_bits.0[vulnerability] | self.text_bits.1[package];
        self.texts.iter().enumerate().all(|(i, (not, _))| (bits & 1 << i != 0) != *not)
    }

    /// Returns whether nothing is asked of matches.
    pub fn pass_all(&self) -> bool {
        self.pass_all_of_package() && self.packages.is_empty()
    }

    /// Returns whether nothing is asked of matches but what their package answers.
    pub fn pass_all_of_package(&self) -> bool {
        [self.severity, self.state, self.category] == [u8::MAX; 3]
            && self.fixable.is_none()
            && !self.never
            && self.until.is_none()
            && self.shown == 0
            && matches!(self.hidden, None | Some(Hidden::No))
            && self.vulnerabilities.is_empty()
            && self.texts.is_empty()
            && self.id.is_empty()
    }
}
