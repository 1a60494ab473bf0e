//! What a secure score is made of: every image healthy, unhealthy, not applicable or not verified.
//!
//! In: places, what is seen of findings there, exemptions. Out: how many images of each state, by subscription and by
//! registry, and which. An image counts once in a subscription (once in a registry), however many places it has there; its
//! state is the worst of those. The arithmetic is not here.

use crate::cursor::{Key, Names, falling, page};
use crate::error::QueryError;
use crate::filter::TextIn;
use crate::images::tally_order;
use crate::index::{Image, Index, Presence, holds};
use crate::lanes::Lanes;
use crate::plan::Plan;
use crate::query::{Page, Query, Sort, SortKey};
use crate::rows::{Place, Tally};
use crate::sums::Sums;
use model::facts::Id;
use model::pattern::Pattern;
use model::severity::Severity;
use model::time::Micros;
use model::verdict::{Coverage, Verdict};
use std::collections::HashMap;

/// What is asked of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageTest {
    /// No open finding; one below this severity does not count; `unknown` is below none.
    Findings(Severity),
    /// Judged completely.
    Judged,
    /// Its distribution names itself like none of these.
    Supported(Vec<Pattern>),
    /// If it is pulled: pushed after this moment.
    Fresh(Micros),
}

/// What a score asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreSettings {
    /// What is asked of an image.
    pub test: ImageTest,
    /// Key of the recommendation that exemptions are made from.
    pub recommendation: String,
}

impl Default for ScoreSettings {
    fn default() -> Self {
        Self { test: ImageTest::Findings(Severity::Low), recommendation: String::new() }
    }
}

/// How an image stands; the later, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImageState {
    /// Not asked of it: exempt, an accessory, outside the window, or the plan is off.
    NotApplicable,
    /// Judged completely, without an open finding that counts.
    Healthy,
    /// Without such a finding as far as is known, which is not all.
    Unverified,
    /// With an open finding that counts.
    Unhealthy,
}

impl ImageState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::NotApplicable, Self::Healthy, Self::Unverified, Self::Unhealthy];

    /// Returns the word: `not-applicable`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotApplicable => "not-applicable",
            Self::Healthy => "healthy",
            Self::Unverified => "unverified",
            Self::Unhealthy => "unhealthy",
        }
    }

    /// Parses the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// How many images of each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScoreTally {
    /// Healthy.
    pub healthy: u64,
    /// Unhealthy.
    pub unhealthy: u64,
    /// Not applicable.
    pub not_applicable: u64,
    /// Not verified.
    pub unverified: u64,
}

impl ScoreTally {
    pub(crate) fn count(&mut self, state: ImageState) {
        *match state {
            ImageState::Healthy => &mut self.healthy,
            ImageState::Unhealthy => &mut self.unhealthy,
            ImageState::NotApplicable => &mut self.not_applicable,
            ImageState::Unverified => &mut self.unverified,
        } += 1;
    }
}

/// What a score is made of, in a scope.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Score {
    /// By row id of the subscription; those without an image left out.
    pub subscriptions: Vec<(Id, ScoreTally)>,
    /// By row id of the registry; those without an image left out.
    pub registries: Vec<(Id, ScoreTally)>,
}

/// An image of a subscription, as a resource that a recommendation is asked of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRow {
    /// Row id of the image.
    pub image_id: Id,
    /// Digest of the image.
    pub image: String,
    /// Platform of the image.
    pub platform: String,
    /// How it stands.
    pub state: ImageState,
    /// Why: `findings`, the verdict, `exempt`, the coverage; each once.
    pub reasons: Vec<&'static str>,
    /// Where it is in this subscription, in order of path.
    pub places: Vec<Place>,
    /// Findings in these places together.
    pub tally: Tally,
}

/// Answers how places stand.
pub(crate) struct States<'a> {
    index: &'a Index,
    test: &'a ImageTest,
    /// A past moment: what images say of themselves is of now.
    at: Option<i64>,
    /// By repository: digests that are exempt; the empty one stands for all.
    exempt: HashMap<u32, Vec<&'a str>>,
}

impl<'a> States<'a> {
    pub fn new(index: &'a Index, settings: &'a ScoreSettings, at: Option<i64>, clock: i64) -> Self {
        let mut exempt: HashMap<u32, Vec<&str>> = HashMap::new();
        let asked = |e: &&model::facts::ExemptionFact| {
            e.recommendation == settings.recommendation && holds(e.since.0, e.until.0, at) && clock < e.expires.0
        };
        for exemption in index.exemptions.iter().filter(asked) {
            for repository in index.repositories_in(&exemption.scope) {
                exempt.entry(repository as u32).or_default().push(&exemption.digest);
            }
        }
        Self { index, test: &settings.test, at, exempt }
    }

    /// Returns why an image is not asked, or could not be read, in a place. Of a past moment only this is known: an accessory
    /// was one always, the window closed after the last push or pull, a plan was off where the place is frozen.
    fn coverage(&self, image: usize, frozen: bool) -> Coverage {
        match (self.index.images[image].coverage, self.at) {
            (Coverage::Accessory, _) => Coverage::Accessory,
            _ if frozen => Coverage::PlanOff,
            (now, None) => now,
            (Coverage::OutsideWindow, Some(at)) if self.index.window_of_image(image) <= at => Coverage::OutsideWindow,
            _ => Coverage::InWindow,
        }
    }

    /// Returns how far an image was read: at a past moment by the reading that held then.
    fn verdict(&self, image: usize) -> Verdict {
        let now = self.index.images[image].verdict;
        if self.at.is_none() {
            return now;
        }
        let mut readings = self.index.readings_of_image(image).map(|r| &self.index.readings[r]);
        match (readings.any(|reading| holds(reading.since, reading.until, self.at)), now) {
            (false, _) => Verdict::None,
            (true, Verdict::Gaps) => Verdict::Gaps,
            (true, _) => Verdict::Complete,
        }
    }

    /// Returns how a place stands and why.
    pub fn of(&self, presence: usize, frozen: bool, lanes: &Lanes) -> (ImageState, &'static str) {
        let row = &self.index.presences[presence];
        let image = &self.index.images[row.image as usize];
        let digest = self.index.text(image.digest);
        let exempt = self.exempt.get(&row.repository).is_some_and(|of| of.iter().any(|d| d.is_empty() || *d == digest));
        if exempt {
            return (ImageState::NotApplicable, "exempt");
        }
        let coverage = self.coverage(row.image as usize, frozen);
        if matches!(coverage, Coverage::Accessory | Coverage::OutsideWindow | Coverage::PlanOff) {
            return (ImageState::NotApplicable, coverage.as_str());
        }
        self.tested(row, image, coverage, lanes)
    }

    /// Returns how a place stands of which the question is asked.
    fn tested(&self, row: &Presence, image: &Image, coverage: Coverage, lanes: &Lanes) -> (ImageState, &'static str) {
        let verdict = self.verdict(row.image as usize);
        let complete = verdict == Verdict::Complete;
        match self.test {
            ImageTest::Findings(floor) => {
                let counts = |s: &&Severity| **s == Severity::Unknown || **s >= *floor;
                if Severity::WORST_FIRST.iter().filter(counts).any(|s| lanes.0[*s as usize] > 0) {
                    return (ImageState::Unhealthy, "findings");
                }
                if coverage == Coverage::BlockedByNetwork {
                    return (ImageState::Unverified, coverage.as_str());
                }
                (if complete { ImageState::Healthy } else { ImageState::Unverified }, verdict.as_str())
            }
            ImageTest::Judged => (if complete { ImageState::Healthy } else { ImageState::Unhealthy }, verdict.as_str()),
            ImageTest::Supported(_) if verdict == Verdict::None => (ImageState::Unverified, "none"),
            ImageTest::Supported(over) => match over.iter().any(|name| name.matches(self.index.text(image.os))) {
                true => (ImageState::Unhealthy, "end-of-life"),
                false => (ImageState::Healthy, "supported"),
            },
            ImageTest::Fresh(_) if row.last_pull == 0 => (ImageState::NotApplicable, "not-pulled"),
            ImageTest::Fresh(after) if row.last_push < after.0 => (ImageState::Unhealthy, "stale"),
            ImageTest::Fresh(_) => (ImageState::Healthy, "fresh"),
        }
    }
}

/// The places of an image in one unit, with how they stand: unit, image, presence, state, reason.
type Standing = (u32, u32, u32, ImageState, &'static str);

impl Index {
    /// Counts images by state. The filter's words of places say which; words of findings say which findings count.
    pub fn score(&self, query: &Query, settings: &ScoreSettings) -> Result<Score, QueryError> {
        let plan = Plan::new(self, &Query { limit: 1, ..query.clone() }, TextIn::Places)?;
        let mut places = self.standing(&plan, &Sums::new(&plan), query, settings);
        let mut score = Score::default();
        let registry = |p: u32| self.repositories[self.presences[p as usize].repository as usize].registry;
        places.iter_mut().for_each(|place| place.0 = registry(place.2));
        for (registry, tally) in tallies(&mut places) {
            score.registries.push((self.registries[registry as usize].id, tally));
        }
        let subscriptions: Vec<u32> = (0..self.registries.len()).map(|r| self.subscription_at(r)).collect();
        places.iter_mut().for_each(|place| place.0 = subscriptions[place.0 as usize]);
        for (subscription, tally) in tallies(&mut places) {
            score.subscriptions.push((self.subscriptions.get(subscription as usize).map_or(0, |s| s.id), tally));
        }
        Ok(score)
    }

    /// Lists images with how they stand, the worst first: all, or those of one state. An image is a row in each subscription.
    pub fn states(
        &self,
        query: &Query,
        settings: &ScoreSettings,
        state: Option<ImageState>,
    ) -> Result<Page<StateRow>, QueryError> {
        query.sort.only(&[SortKey::Default])?;
        let plan = Plan::new(self, query, TextIn::Places)?;
        let sums = Sums::new(&plan);
        let mut places = self.standing(&plan, &sums, query, settings);
        places.sort_unstable();
        let all = places.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1));
        let groups: Vec<&[Standing]> = all.filter(|group| state.is_none_or(|state| worst(group) == state)).collect();
        let tally = |group: &[Standing]| {
            let mut tally = Tally::default();
            group.iter().for_each(|place| tally.add(&sums.place(place.2 as usize).tally(), 1));
            tally
        };
        let by_severity = Sort { key: SortKey::Severity, reverse: false };
        let rows = groups.iter().enumerate().map(|(at, group)| {
            let [critical, high, medium, low, ..] = tally_order(by_severity, &tally(group));
            let numbers = [falling(false, worst(group) as i64), critical, high, medium, low, 0];
            let (subscription, image, ..) = group.first().copied().unwrap_or((0, 0, 0, ImageState::Healthy, ""));
            let ids = [self.images[image as usize].id, i64::from(subscription), 0, 0];
            (Key { numbers, names: Names::default(), ids }, at as u32)
        });
        let list = format!("states {state:?} {settings:?}");
        page(
            self,
            query,
            &list,
            rows,
            |_| Some(Names::default()),
            |at| self.state_row(&plan, groups[at], tally(groups[at])),
        )
    }

    fn state_row(&self, plan: &Plan<'_>, group: &[Standing], tally: Tally) -> StateRow {
        let image = &self.images[group.first().map_or(0, |place| place.1 as usize)];
        let state = worst(group);
        let mut reasons: Vec<&str> = group.iter().filter(|place| place.3 == state).map(|place| place.4).collect();
        reasons.sort_unstable();
        reasons.dedup();
        let mut presences: Vec<usize> = group.iter().map(|place| place.2 as usize).collect();
        presences.sort_by_key(|p| (self.path(*p), self.presences[*p].id));
        StateRow {
            image_id: image.id,
            image: self.text(image.digest).to_owned(),
            platform: self.text(image.platform).to_owned(),
            state,
            reasons,
            places: presences.into_iter().map(|p| self.place(p, plan.sight.at, &plan.sight.view)).collect(),
            tally,
        }
    }

    /// The places that pass, each with its subscription and how it stands.
    fn standing(&self, plan: &Plan<'_>, sums: &Sums<'_>, query: &Query, settings: &ScoreSettings) -> Vec<Standing> {
        let clock = plan.sight.at.unwrap_or(query.now.0);
        let states = States::new(self, settings, plan.sight.at, clock);
        let subscriptions: Vec<u32> = (0..self.registries.len()).map(|r| self.subscription_at(r)).collect();
        let mut places = Vec::new();
        plan.each_place(|presence| {
            let row = &self.presences[presence];
            let registry = self.repositories[row.repository as usize].registry as usize;
            let frozen = plan.sight.view.frozen(registry).is_some();
            let (state, reason) = states.of(presence, frozen, &sums.place(presence));
            places.push((subscriptions[registry], row.image, presence as u32, state, reason));
        });
        places
    }

    /// Returns the position of a registry's subscription.
    pub(crate) fn subscription_at(&self, registry: usize) -> u32 {
        let id = self.registries[registry].subscription;
        self.subscriptions.iter().position(|s| s.id == id).map_or(u32::MAX, |at| at as u32)
    }

    /// Returns the repositories that a scope holds.
    pub(crate) fn repositories_in(&self, scope: &model::role::Scope) -> Vec<usize> {
        let above = model::role::Scope { repository: None, ..scope.clone() };
        let registries: Vec<bool> =
            (0..self.registries.len()).map(|r| above.holds(&self.scope_of_registry(r))).collect();
        let named = |name: &str| scope.repository.as_deref().is_none_or(|wanted| wanted == name);
        let rows = self.repositories.iter().enumerate();
        rows.filter(|(_, row)| registries[row.registry as usize] && named(&row.name)).map(|(at, _)| at).collect()
    }
}

fn worst(group: &[Standing]) -> ImageState {
    group.iter().map(|place| place.3).max().unwrap_or(ImageState::NotApplicable)
}

/// Counts images by unit.
fn tallies(places: &mut [Standing]) -> Vec<(u32, ScoreTally)> {
    places.sort_unstable();
    let mut all: Vec<(u32, ScoreTally)> = Vec::new();
    for group in places.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let unit = group.first().map_or(0, |place| place.0);
        if all.last().is_none_or(|(last, _)| *last != unit) {
            all.push((unit, ScoreTally::default()));
        }
        all.iter_mut().next_back().into_iter().for_each(|(_, tally)| tally.count(worst(group)));
    }
    all
}
