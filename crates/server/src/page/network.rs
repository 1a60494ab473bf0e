//! `/settings/registries/{name}/network`: who may speak to a registry, and the forms that change it.

use super::filled::Filled;
use super::form::Field;
use super::frame::{Frame, Step, page as render};
use super::visit::Visit;
use crate::api::network::{self as api, IpRuleBody, NetworkBody, NetworkView};
use crate::api::tree::{Tree, can, place_of};
use crate::body::Form;
use crate::params::{Name, encoded};
use crate::problem::Problem;
use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use model::role::Action;
use serde::Deserialize;

const REGISTRIES: &str = "/settings/registries";

#[derive(Template)]
#[template(path = "network.html")]
struct Network {
    frame: Frame,
    crumbs: Vec<Step>,
    here: String,
    view: NetworkView,
    /// In a sentence, who is let in.
    says: String,
    tone: &'static str,
    may: bool,
    guard: String,
    trouble: String,
    fields: Vec<Field>,
    add: Vec<Field>,
    /// The rule whose removal is to be confirmed, or empty.
    doubtful: String,
}

/// An IP rule that is to go.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Removal {
    ip_address: String,
    #[serde(default)]
    confirm: bool,
}

fn says(view: &NetworkView) -> (String, &'static str) {
    let scanner = match view.scanner_allowed {
        true => "The scanner is let in.",
        false => "The scanner is kept out: images are blocked by network rules. Allow trusted services to scan them.",
    };
    let clients = match (view.public_network_enabled, view.default_action, view.ip_rules.len()) {
        (false, ..) => "No client is let in: public access is off.".to_owned(),
        (true, "Allow", _) => "Every client is let in.".to_owned(),
        (true, _, 0) => "No client is let in: the default action is Deny, and there is no IP rule.".to_owned(),
        (true, _, n) => format!("Only clients of {n} {} are let in.", if n == 1 { "network" } else { "networks" }),
    };
    (format!("{clients} {scanner}"), if view.scanner_allowed { "" } else { "warn" })
}

fn blank(visit: &Visit, view: &NetworkView) -> Filled {
    let word = |yes: bool| if yes { "true" } else { "false" };
    let values = [
        ("public_network_enabled", word(view.public_network_enabled)),
        ("default_action", view.default_action),
        ("allow_trusted_services", word(view.allow_trusted_services)),
    ];
    Filled::new(&visit.asker, &values)
}

/// Shows the page. `asks`: the change cuts off whoever asks for it, and wants to be confirmed.
async fn show(visit: &Visit, name: &str, form: Option<Filled>, doubt: Option<&str>) -> Result<Response, Problem> {
    let view = api::show(&visit.parts, &visit.asker, name).await?;
    let tree = Tree::read(&visit.parts, &visit.asker).await?;
    let may = can(&visit.asker, Action::Own, &place_of(tree.registry(name)?));
    let form = form.unwrap_or_else(|| blank(visit, &view));
    let mut fields = vec![
        Field::select("public_network_enabled", "Public access", "", &[("true", "On"), ("false", "Off: no client")])
            .hint("Off keeps every client out, whatever the IP rules say."),
        Field::select("default_action", "Default action", "", &[("Allow", "Allow"), ("Deny", "Deny")])
            .hint("What happens to an address that no IP rule names."),
        Field::select(
            "allow_trusted_services",
            "Trusted services",
            "",
            &[("true", "Allow the scanner"), ("false", "Keep the scanner out as well")],
        )
        .hint("Counts where clients are kept out."),
    ];
    if doubt == Some("") {
        fields.push(Field::check("confirm", "Keep out my own address as well", false));
    }
    let fields: Vec<Field> = fields.into_iter().map(|field| form.field(field)).collect();
    let add = Field::text("ip_address", "Address or network", "").required().example("203.0.113.0/24");
    let add = match view.your_address.as_str() {
        "" => add,
        address => add.hint(format!("Yours is {address}.")),
    };
    let add = vec![form.field(add)];
    let all: Vec<Field> = fields.iter().chain(&add).cloned().collect();
    let (says, tone) = says(&view);
    let path = format!("/registries/{}/network", encoded(name));
    let frame = Frame::new(visit, "settings").still();
    let shown = render(&Network {
        frame: frame.programs(visit, &path, &format!("portwarden registry network show {name}")),
        crumbs: vec![
            Step { text: "Registries".into(), link: REGISTRIES.into() },
            Step { text: name.to_owned(), link: format!("{REGISTRIES}/{}", encoded(name)) },
        ],
        here: format!("{REGISTRIES}/{}/network", encoded(name)),
        view,
        says,
        tone,
        may,
        guard: form.guard(),
        trouble: form.trouble(&all),
        fields,
        add,
        doubtful: doubt.unwrap_or("").to_owned(),
    });
    Ok(form.answer(shown))
}

/// Goes back to the page, or shows it with what was wrong.
async fn done(
    visit: &Visit,
    name: &str,
    form: Form,
    rule: &str,
    result: Result<NetworkView, Problem>,
) -> Result<Response, Problem> {
    let Err(problem) = result else {
        return Ok(Redirect::to(&format!("{REGISTRIES}/{}/network", encoded(name))).into_response());
    };
    let doubt = (problem.status == StatusCode::CONFLICT.as_u16() && problem.field == "confirm").then_some(rule);
    // Without the box to tick the question stands above the form.
    let problem =
        if doubt.is_some_and(|rule| !rule.is_empty()) { Problem { field: String::new(), ..problem } } else { problem };
    let again = Filled::again(&visit.asker, form, problem);
    show(visit, name, Some(again), doubt).await
}

/// `GET /settings/registries/{name}/network`
pub async fn page(visit: Visit, name: Name) -> Result<Response, Problem> {
    show(&visit, &name.0, None, None).await
}

/// `POST /settings/registries/{name}/network`
pub async fn set(visit: Visit, name: Name, form: Form) -> Result<Response, Problem> {
    let result = match form.read::<NetworkBody>() {
        Ok(body) => api::set(&visit.parts, &visit.asker, &name.0, body).await,
        Err(problem) => Err(problem),
    };
    done(&visit, &name.0, form, "", result).await
}

/// `POST /settings/registries/{name}/network/allow`
pub async fn allow(visit: Visit, name: Name, form: Form) -> Result<Response, Problem> {
    let result = match form.read::<IpRuleBody>() {
        Ok(body) => api::allow(&visit.parts, &visit.asker, &name.0, body).await,
        Err(problem) => Err(problem),
    };
    again_with_rules(&visit, &name.0, form, "", result).await
}

/// `POST /settings/registries/{name}/network/remove`
pub async fn remove(visit: Visit, name: Name, form: Form) -> Result<Response, Problem> {
    let (rule, result) = match form.read::<Removal>() {
        Ok(Removal { ip_address, confirm }) => {
            let result = api::remove(&visit.parts, &visit.asker, &name.0, &ip_address, Some(confirm)).await;
            (ip_address, result)
        }
        Err(problem) => (String::new(), Err(problem)),
    };
    again_with_rules(&visit, &name.0, form, &rule, result).await
}

/// As `done`, for forms that hold an address alone: the selects show what is set.
async fn again_with_rules(
    visit: &Visit,
    name: &str,
    form: Form,
    rule: &str,
    result: Result<NetworkView, Problem>,
) -> Result<Response, Problem> {
    if result.is_ok() {
        return done(visit, name, form, rule, result).await;
    }
    let view = api::show(&visit.parts, &visit.asker, name).await?;
    let word = |yes: bool| if yes { "true" } else { "false" };
    let form = Form::of(&[
        ("public_network_enabled", word(view.public_network_enabled)),
        ("default_action", view.default_action),
        ("allow_trusted_services", word(view.allow_trusted_services)),
        ("ip_address", form.typed("ip_address")),
    ]);
    done(visit, name, form, rule, result).await
}
