//! Recommendations and the secure score of a part of the tree, as every surface shows them.
//!
//! In: what is asked of the index, who asks. Out: for each recommendation how many resources follow it, which, and what that gives
//! or costs in the score. REST, the console and the command line ask here, so that a figure is the same everywhere.

use crate::access;
use crate::azruledata::{self, Known};
use crate::history::DAY;
use crate::parts::Parts;
use crate::problem::Problem;
use assess::posture::{self, Record, Resource};
use assess::recommendation::{self, Asked, Recommendation, VULNERABILITIES};
use assess::score::{self, Control, Score};
use fleet::{ImageState, ImageTest, Index, Query, ScoreSettings, ScoreTally};
use model::facts::Id;
use model::facts::{RegistryFact, SubscriptionFact};
use model::network::Rules;
use model::pattern::Pattern;
use model::role::{Action, Scope, allowed};
use model::{Micros, Severity};
use serde_json::Value;
use std::collections::HashMap;
use store::{Assignment, Exemption, Principal, Suppression};

/// Days after which an image in use should be built anew.
const FRESH_DAYS: i64 = 90;
/// Why a registry is not reached.
const BLOCKED: &str = "Network rules keep the scanner out, and trusted services may not pass.";
/// The recommendation that every image is judged.
const UNJUDGED: &str = "images-unjudged";
/// The outcome of a rule that does not count.
const SUPPRESSED: &str = "Suppressed";

/// What is asked, by whom, with the facts that the index does not hold.
#[derive(Clone)]
pub struct Question {
    /// The part of the tree.
    pub node: Scope,
    /// The same as a filter, what the asker may see, and the time.
    pub query: Query,
    /// Everything that was exempted.
    pub exemptions: Vec<Exemption>,
    /// Who looks after what.
    pub assignments: Vec<Assignment>,
    suppressions: Vec<Suppression>,
    networks: HashMap<Id, Rules>,
    grants: Vec<model::role::Grant>,
    data_age_hours: Option<i64>,
}

/// A recommendation and how it stands.
pub struct Summary {
    /// The recommendation.
    pub recommendation: Recommendation,
    /// Resources by state.
    pub tally: ScoreTally,
    /// Points that following it would add.
    pub gain: f64,
    /// Who looks after it, from the narrowest scope.
    pub assignment: Option<Assignment>,
}

/// A registry as a resource of a recommendation.
#[derive(Debug, Clone)]
pub struct RegistryState {
    /// The subscription.
    pub subscription: SubscriptionFact,
    /// The registry.
    pub registry: RegistryFact,
    /// How it stands.
    pub state: ImageState,
    /// Why.
    pub reasons: Vec<String>,
}

/// Collects what a question about a part of the tree needs beside the index.
pub async fn question(parts: &Parts, principal: &Principal, node: Scope, query: Query) -> Result<Question, Problem> {
    let scope = access::readable(parts, principal)?;
    let mut filter = query.filter.clone();
    let fields = [("subscription", &node.subscription), ("registry", &node.registry), ("repository", &node.repository)];
    for (field, name) in fields.into_iter().filter_map(|(field, name)| Some((field, name.as_deref()?))) {
        filter.field(field, name)?;
    }
    if node.resource_group.is_some() && node.registry.is_none() {
        let held = access::registries_of(parts, &node)?;
        let names: Vec<&str> = held.iter().filter_map(|scope| scope.registry.as_deref()).collect();
        filter.field("registry", &names.join(","))?;
    }
    let fetched = (parts.database)().feeds.into_iter().filter_map(|feed| Micros::parse(&feed.fetched?)).min();
    let age = |at: Micros| (query.now.0.saturating_sub(at.0)).max(0) / (DAY / 24);
    Ok(Question {
        suppressions: parts.store.suppressions().await?,
        networks: parts.store.registries().await?.into_iter().map(|row| (row.id, row.network)).collect(),
        exemptions: parts.store.exemptions().await?,
        assignments: parts.store.assignments().await?,
        grants: principal.grants.clone(),
        data_age_hours: fetched.map(age),
        query: Query { scope, filter, ..query },
        node,
    })
}

/// The recommendation of a key.
pub fn find(key: &str) -> Result<Recommendation, Problem> {
    let found = recommendation::all().into_iter().find(|r| r.key == key);
    found.ok_or_else(|| Problem::absent("recommendation", key))
}

/// How a part of the tree stands: what the score and every recommendation of a question need, worked out once.
pub struct Standing<'a> {
    index: &'a Index,
    question: &'a Question,
    /// Images by what was found in them.
    images: fleet::Score,
    registries: Vec<Judged<'a>>,
}

impl<'a> Standing<'a> {
    /// Asks the index.
    pub fn of(index: &'a Index, question: &'a Question) -> Result<Self, Problem> {
        let images = states_of(index, question, &findings())?;
        let registries = judged(index, question, &images)?;
        Ok(Self { index, question, images, registries })
    }

    /// How it would stand if some images had no findings; digests separated by commas.
    pub fn fixed(mut self, digests: &str) -> Result<Self, Problem> {
        let mut filter = self.question.query.filter.clone();
        filter.field("image", digests)?;
        let query = Query { filter, limit: 1, ..self.question.query.clone() };
        for (of, fixed) in self.index.score(&query, &findings())?.subscriptions {
            for (_, tally) in self.images.subscriptions.iter_mut().filter(|(id, _)| *id == of) {
                let fixed = fixed.unhealthy.min(tally.unhealthy);
                (tally.healthy, tally.unhealthy) = (tally.healthy + fixed, tally.unhealthy - fixed);
            }
        }
        Ok(self)
    }

    /// Images by what was found in them.
    pub fn images(&self) -> ScoreTally {
        sum(&self.images)
    }

    /// The secure score of all of it.
    pub fn score(&self) -> Score {
        controls(&self.images(), &records(self.registries.iter()))
    }

    /// The secure score of each subscription; those where nothing counts left out.
    pub fn split(&self) -> Vec<(&'a SubscriptionFact, Score)> {
        let of = |subscription: &'a SubscriptionFact| {
            let images = self.images.subscriptions.iter().find(|(id, _)| *id == subscription.id);
            let here = self.registries.iter().filter(|of| of.registry.subscription.id == subscription.id);
            (subscription, controls(&images.map(|(_, tally)| *tally).unwrap_or_default(), &records(here)))
        };
        self.index.subscriptions().iter().map(of).filter(|(_, score)| score.weight() > 0).collect()
    }

    /// Points ÷ most points; of several subscriptions each weighed by its resources. `None` if nothing counts.
    pub fn ratio(&self) -> Option<f64> {
        let parts: Vec<Score> = self.split().into_iter().map(|(_, score)| score).collect();
        if parts.len() > 1 { score::together(&parts) } else { self.score().ratio() }
    }

    /// Every recommendation with how it stands, those with most to gain first.
    pub fn summaries(&self) -> Result<Vec<Summary>, Problem> {
        let all = recommendation::all().into_iter().map(|recommendation| self.summary(recommendation));
        let mut all = all.collect::<Result<Vec<Summary>, Problem>>()?;
        let order = |s: &Summary| (s.tally.unhealthy == 0, std::cmp::Reverse(s.recommendation.severity));
        all.sort_by(|a, b| order(a).cmp(&order(b)).then(b.gain.total_cmp(&a.gain)));
        Ok(all)
    }

    /// One recommendation with how it stands.
    pub fn summary(&self, recommendation: Recommendation) -> Result<Summary, Problem> {
        let (index, question) = (self.index, self.question);
        let tally = match image_settings(&recommendation, question) {
            Some(_) if recommendation.key == VULNERABILITIES => self.images(),
            Some(settings) => sum(&states_of(index, question, &settings)?),
            None => count(&states(index, question, &self.registries, &recommendation)),
        };
        let gain = if tally.unhealthy == 0 { 0.0 } else { self.gain(&recommendation) };
        let of_it = question.assignments.iter().filter(|a| a.recommendation == recommendation.key);
        let held = of_it.filter(|a| a.scope.holds(&question.node));
        let assignment = held.max_by_key(|a| a.scope.depth()).cloned();
        Ok(Summary { recommendation, tally, gain, assignment })
    }

    /// Points that following a recommendation would add to its control.
    fn gain(&self, recommendation: &Recommendation) -> f64 {
        let score = self.score();
        let of = score.controls.iter().find(|control| Some(control.name.as_str()) == recommendation.control);
        let Some(control) = of.filter(|control| control.unhealthy > 0) else { return 0.0 };
        match recommendation.asked {
            Asked::Posture(rule) => {
                let share = posture::share(&records(self.registries.iter()), rule);
                control.gain() * share / control.unhealthy as f64
            }
            _ => control.gain(),
        }
    }
}

/// How the index is asked for the images of a recommendation; `None` where it is asked of registries.
pub fn image_settings(recommendation: &Recommendation, question: &Question) -> Option<ScoreSettings> {
    let now = question.query.as_of.unwrap_or(question.query.now);
    let test = match recommendation.asked {
        Asked::Findings => ImageTest::Findings(Severity::Low),
        Asked::Judged => ImageTest::Judged,
        Asked::Supported => {
            ImageTest::Supported(assess::end_of_life::over(now).iter().map(|name| Pattern::new(name)).collect())
        }
        Asked::Fresh => ImageTest::Fresh(Micros(now.0.saturating_sub(FRESH_DAYS * DAY))),
        Asked::Plan | Asked::Reachable | Asked::Posture(_) => return None,
    };
    Some(ScoreSettings { test, recommendation: recommendation.key.to_owned() })
}

/// How the index is asked for the images of the control of findings.
pub fn findings() -> ScoreSettings {
    ScoreSettings { recommendation: VULNERABILITIES.to_owned(), ..ScoreSettings::default() }
}

/// Asks how images stand.
fn states_of(index: &Index, question: &Question, settings: &ScoreSettings) -> Result<fleet::Score, Problem> {
    Ok(index.score(&Query { limit: 1, ..question.query.clone() }, settings)?)
}

/// Images of all subscriptions together.
fn sum(score: &fleet::Score) -> ScoreTally {
    score.subscriptions.iter().fold(ScoreTally::default(), |sum, (_, tally)| ScoreTally {
        healthy: sum.healthy + tally.healthy,
        unhealthy: sum.unhealthy + tally.unhealthy,
        not_applicable: sum.not_applicable + tally.not_applicable,
        unverified: sum.unverified + tally.unverified,
    })
}

fn count(states: &[RegistryState]) -> ScoreTally {
    let of = |state: ImageState| states.iter().filter(|s| s.state == state).count() as u64;
    ScoreTally {
        healthy: of(ImageState::Healthy),
        unhealthy: of(ImageState::Unhealthy),
        not_applicable: of(ImageState::NotApplicable),
        unverified: of(ImageState::Unverified),
    }
}

/// A registry that the asker may read as a whole.
struct Watched<'a> {
    subscription: &'a SubscriptionFact,
    registry: &'a RegistryFact,
    scope: Scope,
    /// The registry as posture rules see it.
    shown: Value,
}

/// A registry and what every posture rule says of it.
struct Judged<'a> {
    registry: Watched<'a>,
    records: Vec<Record>,
}

/// The registries within the scope of a question, with how their images stand by what was found in them, and by whether they were judged.
fn watched<'a>(index: &'a Index, question: &Question, health: &fleet::Score) -> Result<Vec<Watched<'a>>, Problem> {
    let unjudged = ScoreSettings { test: ImageTest::Judged, recommendation: UNJUDGED.to_owned() };
    let judged = states_of(index, question, &unjudged)?;
    let tally = |score: &fleet::Score, id| {
        score.registries.iter().find(|(of, _)| *of == id).map(|(_, tally)| *tally).unwrap_or_default()
    };
    let mut found = Vec::new();
    for registry in index.registries() {
        let Some(subscription) = index.subscriptions().iter().find(|s| s.id == registry.subscription) else { continue };
        let scope = access::of_registry(&subscription.guid, registry);
        if !allowed(&question.grants, Action::Read, &scope) || !question.node.holds(&scope) {
            continue;
        }
        let shown = azruledata::resource(&Known {
            subscription,
            registry,
            network: question.networks.get(&registry.id).filter(|_| registry.kind == "embedded"),
            standard: index.plan_off_since(registry.id, question.query.now).is_none(),
            judged: tally(&judged, registry.id),
            health: tally(health, registry.id),
            data_age_hours: question.data_age_hours,
        });
        found.push(Watched { subscription, registry, scope, shown });
    }
    Ok(found)
}

/// What the rules say of the registries within the scope of a question.
fn judged<'a>(index: &'a Index, question: &Question, health: &fleet::Score) -> Result<Vec<Judged<'a>>, Problem> {
    let judge = |mut registry: Watched<'a>| {
        let records = checked(question, &registry.scope, std::mem::take(&mut registry.shown));
        Judged { registry, records }
    };
    Ok(watched(index, question, health)?.into_iter().map(judge).collect())
}

/// What every posture rule says of a resource.
fn checked(question: &Question, scope: &Scope, shown: Value) -> Vec<Record> {
    let resource = Resource::new(shown);
    let mut records = posture::check(resource.as_slice(), posture::ALL, &posture::Settings::default());
    records.iter_mut().for_each(|record| question.suppress(scope, record));
    records
}

/// The plans of subscriptions within the scope of a question that the asker may read as a whole.
fn plans(index: &Index, question: &Question) -> Vec<(Scope, Value)> {
    let scope = |s: &SubscriptionFact| Scope { subscription: Some(s.guid.clone()), ..Scope::ALL };
    let all = index.subscriptions().iter().map(|s| (scope(s), s));
    let seen = all.filter(|(at, _)| allowed(&question.grants, Action::Read, at) && question.node.holds(at));
    seen.map(|(at, s)| (at, azruledata::plan(&s.guid, index.plan_is_on(&s.guid, question.query.now)))).collect()
}

/// How the registries stand that a recommendation is asked of.
pub fn registries(
    index: &Index,
    question: &Question,
    recommendation: &Recommendation,
) -> Result<Vec<RegistryState>, Problem> {
    Ok(states(index, question, &Standing::of(index, question)?.registries, recommendation))
}

fn states(
    index: &Index,
    question: &Question,
    judged: &[Judged<'_>],
    recommendation: &Recommendation,
) -> Vec<RegistryState> {
    let state = |Judged { registry: of, records }: &Judged<'_>| {
        let exempt = question.exempt(recommendation.key, &of.scope);
        let (state, reasons) = match (exempt, recommendation.asked) {
            (Some(reason), _) => (ImageState::NotApplicable, vec![format!("exempt: {reason}")]),
            (None, Asked::Plan) => match index.plan_off_since(of.registry.id, question.query.now) {
                Some(_) => (ImageState::Unhealthy, vec!["The plan is off.".to_owned()]),
                None => (ImageState::Healthy, Vec::new()),
            },
            (None, Asked::Reachable) => match question.networks.get(&of.registry.id) {
                Some(rules) if !rules.admits_scanner() => (ImageState::Unhealthy, vec![BLOCKED.to_owned()]),
                _ => (ImageState::Healthy, Vec::new()),
            },
            (None, Asked::Posture(rule)) => match records.iter().find(|r| r.rule.name == rule.name) {
                Some(Record { outcome: "Pass", .. }) => (ImageState::Healthy, Vec::new()),
                Some(record) if record.outcome == SUPPRESSED => (ImageState::NotApplicable, record.reasons.clone()),
                Some(record) => (ImageState::Unhealthy, record.reasons.clone()),
                None => (ImageState::NotApplicable, vec!["The rule is not about such a registry.".to_owned()]),
            },
            (None, _) => return None,
        };
        let (subscription, registry) = (of.subscription.clone(), of.registry.clone());
        Some(RegistryState { subscription, registry, state, reasons })
    };
    judged.iter().filter_map(state).collect()
}

impl Question {
    /// The reason of an exemption in force that holds a resource as a whole.
    fn exempt(&self, key: &str, scope: &Scope) -> Option<&str> {
        let at = self.query.as_of.unwrap_or(self.query.now);
        let in_force = |e: &&Exemption| e.since <= at && at < e.what.expires && e.what.digest.is_empty();
        let here = |e: &&Exemption| e.what.recommendation == key && e.what.scope.holds(scope);
        self.exemptions.iter().filter(in_force).find(here).map(|e| e.what.reason.as_str())
    }

    /// Takes a record out of every count where a suppression or an exemption says so; why comes first.
    fn suppress(&self, scope: &Scope, record: &mut Record) {
        let at = self.query.as_of.unwrap_or(self.query.now);
        let exempt = self.exempt(record.rule.name, scope).map(|reason| format!("exempt: {reason}"));
        let suppression = self.suppressions.iter().find(|s| s.holds(record.rule.name, scope, at));
        let why = exempt.or_else(|| suppression.map(|s| posture::suppressed(&s.what.reason)));
        if let Some(why) = why {
            record.outcome = SUPPRESSED;
            record.reasons.insert(0, why);
        }
    }
}

/// Every posture rule on every registry and plan that the asker may read as a whole, with its scope.
pub fn posture(index: &Index, question: &Question) -> Result<Vec<(Scope, Record)>, Problem> {
    let of = |Judged { registry, records }: Judged<'_>| {
        records.into_iter().map(move |record| (registry.scope.clone(), record))
    };
    let registries = Standing::of(index, question)?.registries.into_iter().flat_map(of);
    let plan = |(scope, shown): (Scope, Value)| {
        checked(question, &scope, shown).into_iter().map(move |record| (scope.clone(), record))
    };
    Ok(registries.chain(plans(index, question).into_iter().flat_map(plan)).collect())
}

/// The registries, and the plans of subscriptions, as `Export-AzRuleData` writes them.
pub fn resources(index: &Index, question: &Question) -> Result<Vec<Value>, Problem> {
    let health = states_of(index, question, &findings())?;
    let registries = watched(index, question, &health)?.into_iter().map(|registry| registry.shown);
    Ok(registries.chain(plans(index, question).into_iter().map(|(_, shown)| shown)).collect())
}

/// What the posture rules say of some registries.
fn records<'s, 'a: 's>(registries: impl Iterator<Item = &'s Judged<'a>>) -> Vec<Record> {
    registries.flat_map(|of| of.records.iter().cloned()).collect()
}

/// The control of findings and those of posture.
fn controls(images: &ScoreTally, records: &[Record]) -> Score {
    let of_posture = posture::Control::ALL.into_iter().map(|of| {
        let (healthy, unhealthy) = posture::tally(records, of);
        Control { name: of.title().to_owned(), max: of.max(), healthy, unhealthy, not_applicable: 0 }
    });
    Score { controls: std::iter::once(control(images)).chain(of_posture).collect() }
}

/// The control of findings.
pub fn control(images: &ScoreTally) -> Control {
    Control {
        name: score::VULNERABILITIES.to_owned(),
        max: score::VULNERABILITIES_MAX,
        healthy: images.healthy,
        unhealthy: images.unhealthy,
        not_applicable: images.not_applicable + images.unverified,
    }
}

/// Images by what was found in them.
pub fn images(index: &Index, question: &Question) -> Result<ScoreTally, Problem> {
    Ok(sum(&states_of(index, question, &findings())?))
}

/// Images by what was found in them at a past moment.
pub fn past(index: &Index, question: &Question, at: Micros) -> Result<ScoreTally, Problem> {
    let query = Query { as_of: Some(at), limit: 1, ..question.query.clone() };
    Ok(sum(&index.score(&query, &findings())?))
}
