//! `/settings/notifications/relay`: the mail relay that channels of mail go by.

use super::filled::Filled;
use super::form::Field;
use super::frame::{Frame, Step, page as render};
use super::visit::Visit;
use crate::api::notifications::relay::{self as api, RelayBody, RelayView};
use crate::body::Form;
use crate::problem::Problem;
use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use model::notice::MailSafety;

const HERE: &str = "/settings/notifications/relay";

#[derive(Template)]
#[template(path = "mail_relay.html")]
struct Relay {
    frame: Frame,
    guard: String,
    crumbs: Vec<Step>,
    trouble: String,
    fields: Vec<Field>,
    named: bool,
}

fn fields(form: &Filled, named: bool) -> Vec<Field> {
    let safeties = MailSafety::ALL.map(|safety| {
        let text = match safety {
            MailSafety::StartTls => "STARTTLS, which the relay must offer",
            MailSafety::Tls => "TLS from the first byte",
            MailSafety::None => "None: who is on the way can read and change it",
        };
        (safety.as_str(), text)
    });
    let password = Field::text("password", "Password", "").kind("password").complete("off");
    let stays = if named { "Empty: it stays, for the same host and user. " } else { "" };
    let all = [
        Field::text("host", "Host", "")
            .required()
            .example("smtp.example.com")
            .hint("A name or an address, without the port."),
        Field::select("tls", "Encryption", "", &safeties),
        Field::text("port", "Port", "")
            .kind("number")
            .hint("Empty: 587; 465 with TLS from the first byte; 25 with none."),
        Field::text("user", "User", "").complete("off").hint("Empty: nobody signs in."),
        password.hint(format!("{stays}It is kept sealed and not shown again.")),
        Field::text("from", "Mail comes from", "").required().example("portwarden@example.com"),
    ];
    // What was typed into a field for a password is not sent back.
    let shown = |field: Field| if field.kind == "password" { Field { value: String::new(), ..field } } else { field };
    all.into_iter().map(|field| shown(form.field(field))).collect()
}

fn show(visit: &Visit, form: Filled, named: bool) -> Response {
    let fields = fields(&form, named);
    let frame = Frame::new(visit, "settings").still();
    let shown = render(&Relay {
        frame: frame.programs(visit, "/notifications/relay", "portwarden notification relay show"),
        guard: form.guard(),
        crumbs: vec![Step { text: "Notifications".into(), link: "/settings/notifications".into() }],
        trouble: form.trouble(&fields),
        fields,
        named,
    });
    form.answer(shown)
}

/// `GET /settings/notifications/relay`
pub async fn page(visit: Visit) -> Result<Response, Problem> {
    let relay = api::show(&visit.parts, &visit.asker).await?;
    let named = relay.is_some();
    let RelayView { host, port, tls, user, from } = relay.unwrap_or(RelayView {
        host: String::new(),
        port: 0,
        tls: MailSafety::StartTls.as_str(),
        user: String::new(),
        from: String::new(),
    });
    let port = if named { port.to_string() } else { String::new() };
    let values = [("host", host.as_str()), ("port", &port), ("tls", tls), ("user", &user), ("from", &from)];
    Ok(show(&visit, Filled::new(&visit.asker, &values), named))
}

/// `POST /settings/notifications/relay`
pub async fn save(visit: Visit, form: Form) -> Result<Response, Problem> {
    let saved = match form.read::<RelayBody>() {
        Ok(body) => api::set(&visit.parts, &visit.asker, body).await,
        Err(problem) => Err(problem),
    };
    match saved {
        Ok(_) => Ok(Redirect::to(HERE).into_response()),
        Err(problem) => {
            let named = api::show(&visit.parts, &visit.asker).await?.is_some();
            Ok(show(&visit, Filled::again(&visit.asker, form, problem), named))
        }
    }
}

/// `POST /settings/notifications/relay/delete`
pub async fn delete(visit: Visit) -> Result<Response, Problem> {
    api::end(&visit.parts, &visit.asker).await?;
    Ok(Redirect::to(HERE).into_response())
}
