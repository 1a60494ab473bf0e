//! Network rules of an embedded registry: shown, set, an IP rule more or less. The words are those of `az acr`.
//!
//! The rules hold at `/v2/` and `/oauth2`. REST and the console are not behind them, so that an owner can take them back.

use super::tree::{Tree, place_of};
use crate::access::may_in;
use crate::asker::Asker;
use crate::body::Body;
use crate::params::{Name, Params};
use crate::parts::Parts;
use crate::problem::Problem;
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::network::Network;
use model::role::Action;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use store::{NetworkChange, Registry};
use utoipa::ToSchema;

/// What becomes of the network rules of a registry; what is left out stays.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkBody {
    /// `false`: no client is let in, whatever the IP rules say.
    #[serde(default)]
    pub public_network_enabled: Option<bool>,
    /// What happens to an address that no IP rule names: `Allow` or `Deny`.
    #[serde(default)]
    pub default_action: Option<String>,
    /// Whether the scanner is let in where clients are kept out.
    #[serde(default)]
    pub allow_trusted_services: Option<bool>,
    /// The IP rules, all of them: addresses and networks, at most 100.
    #[serde(default)]
    pub ip_rules: Option<Vec<String>>,
    /// `true`: go on although the rules keep out the address that this is asked from.
    #[serde(default)]
    pub confirm: Option<bool>,
}

/// An IP rule.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IpRuleBody {
    /// An address or a network: `203.0.113.7`, `10.0.0.0/8`, `2001:db8::/32`.
    pub ip_address: String,
}

/// Network rules of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct NetworkView {
    /// Name of the registry.
    pub registry: String,
    /// Whether clients are let in at all.
    pub public_network_enabled: bool,
    /// What happens to an address that no IP rule names: `Allow` or `Deny`.
    pub default_action: &'static str,
    /// Whether the scanner is let in where clients are kept out.
    pub allow_trusted_services: bool,
    /// The networks that are let in.
    pub ip_rules: Vec<String>,
    /// Whether the scanner is let in now; where it is not, images are `blocked-by-network`.
    pub scanner_allowed: bool,
    /// The identity of the scanner in the resource logs.
    pub scanner_identity: String,
    /// The address that this is asked from, or empty.
    pub your_address: String,
    /// Whether a client at that address is let in now.
    pub your_address_allowed: bool,
}

async fn view(parts: &Parts, registry: &Registry, asker: &Asker) -> Result<NetworkView, Problem> {
    let rules = &registry.network;
    Ok(NetworkView {
        registry: registry.name.clone(),
        public_network_enabled: rules.public_access,
        default_action: if rules.default_allow { "Allow" } else { "Deny" },
        allow_trusted_services: rules.trusted_bypass,
        ip_rules: rules.allowed.iter().map(Network::to_string).collect(),
        scanner_allowed: rules.admits_scanner(),
        scanner_identity: parts.store.scanner_identity().await?,
        your_address: asker.address.clone(),
        your_address_allowed: rules.admits(address(asker)),
    })
}

fn address(asker: &Asker) -> Option<IpAddr> {
    asker.address.parse().ok()
}

/// Reads a network that a request names in a field.
fn network(field: &str, text: &str) -> Result<Network, Problem> {
    let wrong = || {
        let want = "write an address as 203.0.113.7 or 2001:db8::1, a network as 10.0.0.0/8 or 2001:db8::/32";
        Problem::parameter(field, format!("{text:?} is no address and no network; {want}"))
    };
    Network::parse(text).ok_or_else(wrong)
}

/// The rules of a registry that the asker may see.
pub async fn show(parts: &Parts, asker: &Asker, name: &str) -> Result<NetworkView, Problem> {
    let tree = Tree::read(parts, asker).await?;
    let registry = tree.registry(name)?;
    may_in(&asker.principal, Action::Read, &place_of(registry))?;
    view(parts, registry, asker).await
}

async fn change(parts: &Parts, asker: &Asker, name: &str, change: NetworkChange) -> Result<NetworkView, Problem> {
    let tree = Tree::read(parts, asker).await?;
    let registry = tree.registry(name)?;
    may_in(&asker.principal, Action::Own, &place_of(registry))?;
    let done = parts.store.change_network(registry.id, &change, &asker.caller()).await;
    let (changed, _) = done.map_err(|error| match error {
        store::Error::Conflict(why) => {
            let next = "Send it once more with confirm=true if they shall be kept out.";
            Problem { field: "confirm".into(), ..Problem::conflict(why, next) }
        }
        error => error.into(),
    })?;
    parts.index.catch_up(&parts.store).await?;
    view(parts, &changed, asker).await
}

/// Sets the rules.
pub async fn set(parts: &Parts, asker: &Asker, name: &str, body: NetworkBody) -> Result<NetworkView, Problem> {
    let default_allow = match body.default_action.as_deref() {
        None => None,
        Some(word) if word.eq_ignore_ascii_case("allow") => Some(true),
        Some(word) if word.eq_ignore_ascii_case("deny") => Some(false),
        Some(word) => {
            return Err(Problem::parameter("default_action", format!("{word:?} is neither Allow nor Deny")));
        }
    };
    let read = |rules: Vec<String>| rules.iter().map(|text| network("ip_rules", text)).collect::<Result<_, _>>();
    let wanted = NetworkChange {
        public_access: body.public_network_enabled,
        default_allow,
        trusted_bypass: body.allow_trusted_services,
        allowed: body.ip_rules.map(read).transpose()?,
        keep: kept(asker, body.confirm),
        ..NetworkChange::default()
    };
    change(parts, asker, name, wanted).await
}

/// The address that must not be cut off unless that was confirmed.
fn kept(asker: &Asker, confirm: Option<bool>) -> Option<IpAddr> {
    address(asker).filter(|_| confirm != Some(true))
}

/// Adds an IP rule. One that is there already is no fault.
pub async fn allow(parts: &Parts, asker: &Asker, name: &str, body: IpRuleBody) -> Result<NetworkView, Problem> {
    let add = Some(network("ip_address", &body.ip_address)?);
    change(parts, asker, name, NetworkChange { add, ..NetworkChange::default() }).await
}

/// Takes an IP rule away.
pub async fn remove(
    parts: &Parts,
    asker: &Asker,
    name: &str,
    rule: &str,
    confirm: Option<bool>,
) -> Result<NetworkView, Problem> {
    let remove = Some(network("ip_address", rule)?);
    let wanted = NetworkChange { remove, keep: kept(asker, confirm), ..NetworkChange::default() };
    change(parts, asker, name, wanted).await
}

/// `GET /registries/{name}/network`
pub async fn get(
    State(parts): State<Parts>,
    asker: Asker,
    name: Name,
    RawQuery(query): RawQuery,
) -> Result<Json<NetworkView>, Problem> {
    Params::parse(query.as_deref()).finish()?;
    show(&parts, &asker, &name.0).await.map(Json)
}

/// `PUT /registries/{name}/network`
pub async fn put(
    State(parts): State<Parts>,
    asker: Asker,
    name: Name,
    body: Body<NetworkBody>,
) -> Result<Json<NetworkView>, Problem> {
    set(&parts, &asker, &name.0, body.0).await.map(Json)
}

/// `POST /registries/{name}/network/ip-rules`
pub async fn post_rule(
    State(parts): State<Parts>,
    asker: Asker,
    name: Name,
    body: Body<IpRuleBody>,
) -> Result<Response, Problem> {
    let shown = allow(&parts, &asker, &name.0, body.0).await?;
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}

/// `DELETE /registries/{name}/network/ip-rules/{rule}`
pub async fn delete_rule(
    State(parts): State<Parts>,
    asker: Asker,
    Path((name, rule)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, Problem> {
    let mut params = Params::parse(query.as_deref());
    let confirm = params.take_confirm()?;
    params.finish()?;
    remove(&parts, &asker, &name, &rule, confirm).await?;
    Ok(StatusCode::NO_CONTENT)
}
