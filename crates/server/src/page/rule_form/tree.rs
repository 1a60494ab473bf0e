//! The scope tree of the form: what one may choose, what holds there already, how much is open there.

use crate::asker::Asker;
use crate::page::frame::{self, visible};
use crate::parts::Parts;
use crate::problem::Problem;
use fleet::{Filter, Index, Query, Scope as Within, Sort};
use model::facts::{RegistryFact, SubscriptionFact};
use model::role::{Action, Scope, allowed};
use store::RuleRow;

/// Children of one node that are shown.
const CHILDREN: usize = 50;

/// A node that may be chosen.
pub struct Node {
    /// Its path.
    pub path: String,
    /// What people read.
    pub name: String,
    /// How deep it is.
    pub depth: usize,
    /// Whether it is chosen.
    pub chosen: bool,
    /// Open findings there.
    pub open: u64,
    /// Rules that stand there.
    pub rules: usize,
    /// Where they are listed.
    pub rules_link: String,
    /// Rules that stand above it and hold there.
    pub inherited: usize,
    /// What is inside and not shown.
    pub below: usize,
}

/// The tree.
pub struct Tree {
    /// Its nodes, from the top.
    pub nodes: Vec<Node>,
    /// Repositories that are not shown.
    pub more: u64,
}

struct Grow<'a> {
    index: &'a Index,
    asker: &'a Asker,
    chosen: Scope,
    /// Only what lies truly within this.
    below: Option<&'a Scope>,
    rows: &'a [RuleRow],
    query: Query,
    tree: Tree,
}

/// Grows the tree: everything on the way to `look`, and what lies right in it.
pub fn nodes(
    parts: &Parts,
    asker: &Asker,
    chosen: &str,
    look: &str,
    below: Option<&Scope>,
    rows: &[RuleRow],
) -> Result<Tree, Problem> {
    let look = Scope::parse(look.trim()).unwrap_or_default();
    let chosen = Scope::parse(chosen.trim()).unwrap_or_default();
    let query = Query { limit: CHILDREN, now: (parts.now)(), ..Query::default() };
    parts.index.ask(|index| {
        let tree = Tree { nodes: Vec::new(), more: 0 };
        let mut grow = Grow { index, asker, chosen, below, rows, query, tree };
        grow.everything(&look)?;
        Ok(grow.tree)
    })
}

impl Grow<'_> {
    fn everything(&mut self, look: &Scope) -> Result<(), Problem> {
        let subscriptions = self.index.subscriptions();
        self.node(Scope::ALL, "Everything".into(), Within::Everything, 0)?;
        for subscription in subscriptions {
            let open = subscriptions.len() == 1 || look.subscription.as_deref() == Some(&subscription.guid);
            self.subscription(subscription, look, open)?;
        }
        Ok(())
    }

    fn subscription(&mut self, of: &SubscriptionFact, look: &Scope, open: bool) -> Result<(), Problem> {
        let scope = Scope { subscription: Some(of.guid.clone()), ..Scope::ALL };
        let registries: Vec<&RegistryFact> =
            self.index.registries().iter().filter(|registry| registry.subscription == of.id).collect();
        let within = Within::Within { subscriptions: vec![of.id], registries: Vec::new(), repositories: Vec::new() };
        let hidden = if open { 0 } else { registries.len() };
        self.node(scope.clone(), format!("Subscription {}", of.name), within, hidden)?;
        if !open {
            return Ok(());
        }
        let mut groups: Vec<&str> = registries.iter().map(|registry| registry.resource_group.as_str()).collect();
        groups.sort_unstable();
        groups.dedup();
        for group in groups {
            let members: Vec<&RegistryFact> =
                registries.iter().filter(|registry| registry.resource_group == group).copied().collect();
            let scope = Scope { resource_group: Some(group.to_owned()), ..scope.clone() };
            let ids = members.iter().map(|registry| registry.id).collect();
            let within = Within::Within { subscriptions: Vec::new(), registries: ids, repositories: Vec::new() };
            self.node(scope.clone(), format!("Group {group}"), within, 0)?;
            for registry in members.into_iter().take(CHILDREN) {
                let open = registries.len() == 1 || look.registry.as_deref() == Some(&registry.name);
                self.registry(registry, &scope, open)?;
            }
        }
        Ok(())
    }

    fn registry(&mut self, of: &RegistryFact, group: &Scope, open: bool) -> Result<(), Problem> {
        let scope = Scope { registry: Some(of.name.clone()), ..group.clone() };
        let within = || Within::Within { subscriptions: Vec::new(), registries: vec![of.id], repositories: Vec::new() };
        let list = Query { scope: within(), sort: Sort::parse("findings")?, ..self.query.clone() };
        let page = self.index.repositories(&list)?;
        let hidden = if open { 0 } else { usize::try_from(page.total).unwrap_or(usize::MAX) };
        self.node(scope.clone(), format!("Registry {}", of.name), within(), hidden)?;
        if !open {
            return Ok(());
        }
        let shown = page.items.len() as u64;
        self.tree.more += page.total.saturating_sub(shown);
        let mut names: Vec<(String, u64)> =
            page.items.into_iter().map(|row| (row.name.clone(), row.tally.findings())).collect();
        let chosen = self.chosen.repository.clone().filter(|_| self.chosen.registry.as_deref() == Some(&of.name));
        if let Some(name) = chosen.filter(|name| !names.iter().any(|(known, _)| known == name)) {
            let open = self.open_in_repository(&of.name, &name)?;
            names.insert(0, (name, open));
        }
        for (name, open) in names {
            let scope = Scope { repository: Some(name.clone()), ..scope.clone() };
            self.push(scope, name, open, 0);
        }
        Ok(())
    }

    fn open_in_repository(&self, registry: &str, name: &str) -> Result<u64, Problem> {
        let mut filter = Filter::default();
        filter.field("registry", registry)?;
        filter.field("repository", name)?;
        Ok(self.index.open_findings(&Query { filter, ..self.query.clone() })?)
    }

    fn node(&mut self, scope: Scope, name: String, within: Within, hidden: usize) -> Result<(), Problem> {
        if !self.may(&scope) {
            return Ok(());
        }
        let open = self.index.open_findings(&Query { scope: within, ..self.query.clone() })?;
        self.push(scope, name, open, hidden);
        Ok(())
    }

    /// Whether a rule may be made there: by right, and because it is narrower than the rule that is overridden.
    fn may(&self, scope: &Scope) -> bool {
        let narrower = self.below.is_none_or(|wide| wide.holds(scope) && scope.depth() > wide.depth());
        narrower && allowed(&self.asker.principal.grants, Action::EditPolicy, scope)
    }

    fn push(&mut self, scope: Scope, name: String, open: u64, below: usize) {
        if !self.may(&scope) {
            return;
        }
        let path = scope.to_path();
        let now = self.query.now;
        let here = |row: &&RuleRow| row.rule.scope.to_path() == path;
        let in_force = |row: &&RuleRow| row.rule.state(now) == model::rule::State::InForce;
        let above = |row: &&RuleRow| row.rule.scope.holds(&scope) && row.rule.scope.depth() < scope.depth();
        let rules = self.rows.iter().filter(in_force).filter(here).count();
        let inherited = self.rows.iter().filter(in_force).filter(above).count();
        let (chosen, depth) = (self.chosen.to_path() == path, usize::from(scope.depth()));
        let rules_link = frame::link("/rules", &[("scope", &path)]);
        let name = visible(&name);
        self.tree.nodes.push(Node { path, name, depth, chosen, open, rules, rules_link, inherited, below });
    }
}
