//! The first page of somebody who has no image yet: how one comes in, and what comes then.

use crate::page::frame::Step;
use crate::page::nav;
use crate::page::visit::Visit;
use model::role::Action;

/// What somebody does first: there is no image yet.
pub struct Begin {
    /// Commands that push one, by client.
    pub push: Vec<Step>,
    /// Whether the sample image is one press away.
    pub sample: bool,
    /// Whether they may import one.
    pub import: bool,
    /// What comes then.
    pub then: Vec<Then>,
}

/// What comes after the first image.
pub struct Then {
    /// Where.
    pub link: String,
    /// What.
    pub text: &'static str,
    /// How long it takes.
    pub about: &'static str,
}

/// What somebody may do first.
pub fn begin(visit: &Visit) -> Begin {
    let push = push(&visit.parts.public_url).into_iter();
    let may_push = nav::sees(&visit.who, Action::Push);
    let step = |(link, text, about): &(&'static str, &'static str, &'static str)| {
        let may = nav::leads(&visit.who, link);
        may.then(|| Then { link: (*link).into(), text, about })
    };
    Begin {
        push: push.map(|(text, link)| Step { text: text.into(), link }).collect(),
        sample: may_push && (visit.parts.sample)().is_some(),
        import: may_push,
        then: THEN.iter().filter_map(step).collect(),
    }
}

/// What comes after the first image: where, what, how long it takes.
const THEN: [(&str, &str, &str); 4] = [
    ("/settings/tokens", "Make a token for the pipeline that pushes", "1 minute"),
    ("/settings/access", "Let a teammate in", "2 minutes"),
    ("/settings/notifications", "Have somebody told of new findings that can be fixed", "3 minutes"),
    ("/settings/plans", "Say which subscriptions are scanned and metered", "1 minute"),
];

/// How an image is pushed here: the client, and the command.
pub fn push(public_url: &str) -> [(&'static str, String); 3] {
    let host = public_url.split("//").last().unwrap_or("localhost:5000");
    let plain =
        if public_url.starts_with("https://") { ["", ""] } else { [" --dest-tls-verify=false", " --tls-verify=false"] };
    [
        (
            "skopeo",
            format!("skopeo copy{} --dest-creds admin:PASSWORD docker-daemon:app:1 docker://{host}/app:1", plain[0]),
        ),
        ("podman", format!("podman push{} --creds admin:PASSWORD app:1 {host}/app:1", plain[1])),
        (
            "docker",
            format!("docker login -u admin {host} && docker tag app:1 {host}/app:1 && docker push {host}/app:1"),
        ),
    ]
}
