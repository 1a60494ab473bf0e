//! Who may see what: every route of the table, asked by everybody, of what is theirs, of others, and of nobody.

use crate::fleet::Fleet;
use axum::body::Body;
use http::Request;
use model::role::Role;

/// What a route's braces stand for, once in a repository of the narrow reader, once in another, once nowhere.
struct Things {
    digest: String,
    finding: String,
    vulnerability: &'static str,
    rule: String,
}

impl Things {
    fn fill(&self, route: &str) -> String {
        let id = match route {
            _ if route.contains("/findings/") => self.finding.as_str(),
            _ if route.contains("/rules/") => self.rule.as_str(),
            _ => self.vulnerability,
        };
        route.replace("{digest}", &self.digest).replace("{id}", id)
    }
}

#[tokio::test]
async fn everybody_gets_of_every_route_what_their_roles_allow() {
    let fleet = Fleet::new().await;
    fleet.user("reader", Role::Reader, None).await;
    fleet.user("narrow", Role::Reader, Some("team/one")).await;
    fleet.user("puller", Role::AcrPull, None).await;
    fleet.user("auditor", Role::Auditor, None).await;
    let id = |finding: serde_json::Value| finding["id"].as_str().unwrap().to_owned();
    let own = Things {
        digest: fleet.one.clone(),
        finding: id(fleet.finding(&format!("image={}", fleet.one)).await),
        vulnerability: "CVE-2024-0000",
        rule: fleet.rule("team/one").await,
    };
    let other = Things {
        digest: fleet.two.clone(),
        finding: id(fleet.finding(&format!("image={}&package=pkg*", fleet.two)).await),
        vulnerability: "CVE-2023-0001",
        rule: fleet.rule("team/two").await,
    };
    let absent = Things {
        digest: format!("sha256:{}", "0".repeat(64)),
        finding: "00000000-0000-0000-0000-000000000000".into(),
        vulnerability: "CVE-1999-0001",
        rule: "00000000-0000-0000-0000-000000000000".into(),
    };
    for route in fleet.routes().await {
        let audit = route.ends_with("/events") || route.ends_with("/jobs") || route.contains("/logs/");
        let one = route.contains('{');
        if ![
            "/images",
            "/findings",
            "/vulnerabilities",
            "/packages",
            "/counts",
            "/repositories",
            "/events",
            "/jobs",
            "/db",
        ]
        .iter()
        .any(|area| route.starts_with(&format!("/api/v1{area}")))
        {
            continue;
        }
        let tree = ["/subscriptions", "/registries", "/plans", "/usage", "/imports"];
        if tree.iter().any(|area| route.starts_with(&format!("/api/v1{area}"))) {
            continue; // about nodes of the tree, not images: `tree.rs` asks them
        }
        for (user, of_own, of_other, of_absent) in [
            ("admin", 200, 200, 404),
            ("auditor", 200, 200, 404),
            ("reader", if audit { 403 } else { 200 }, 200, 404),
            ("narrow", if audit { 403 } else { 200 }, 404, 404),
            ("puller", 403, 403, 403),
        ] {
            let asked = [(&own, of_own), (&other, of_other), (&absent, of_absent)];
            let asked = &asked[..if one { 3 } else { 1 }];
            answers(&fleet, user, &route, asked).await;
        }
    }
}

async fn answers(fleet: &Fleet, user: &str, route: &str, asked: &[(&Things, u16)]) {
    let mut absences = Vec::new();
    for (things, want) in asked {
        let path = things.fill(route);
        let answer = fleet.get_as(user, &path, &[]).await.is(*want, &format!("{user} {path}"));
        if *want != 200 {
            assert_eq!(answer.header("content-type"), "application/problem+json", "{user} {path}");
            assert_eq!(answer.json()["status"], *want, "{user} {path}");
        }
        if *want == 404 {
            let text = answer.text();
            let names = [things.digest.as_str(), things.finding.as_str(), things.vulnerability];
            absences.push(names.iter().fold(text, |text, name| text.replace(name, "NAME")));
        }
    }
    absences.dedup();
    assert!(absences.len() < 2, "{user} {route}: what is not theirs differs from what is not there: {absences:?}");
}

#[tokio::test]
async fn lists_and_totals_hold_nothing_from_outside_a_scope() {
    let fleet = Fleet::new().await;
    fleet.user("narrow", Role::Reader, Some("team/one")).await;
    for (path, want) in [
        ("/api/v1/repositories", 1),
        ("/api/v1/images", 3),
        ("/api/v1/findings", 3),
        ("/api/v1/vulnerabilities", 3),
        ("/api/v1/packages", 2),
        ("/api/v1/findings?q=repo:team/two", 0),
        ("/api/v1/packages?package=pkg000", 0),
    ] {
        let answer = fleet.get_as("narrow", path, &[]).await.is(200, path);
        assert_eq!(answer.json()["total"], want, "{path}");
        assert!(!answer.text().contains("team/two"), "{path}");
    }
    let counts = fleet.get_as("narrow", "/api/v1/counts", &[]).await.json();
    assert_eq!((&counts["repositories"], &counts["counts"]["findings"]), (&1.into(), &3.into()));
    // A vulnerability of both repositories counts the images of one.
    let both = fleet.get_as("narrow", "/api/v1/vulnerabilities/CVE-2024-0001", &[]).await.json();
    assert_eq!((&both["images"], both["hits"].as_array().map(Vec::len)), (&1.into(), Some(1)));
    for page in ["/", "/findings", "/vulnerabilities", "/vulnerabilities/CVE-2024-0001"] {
        let html = fleet.get_as("narrow", page, &[("accept", "text/html")]).await.is(200, page).text();
        assert!(!html.contains("team/two") && !html.contains(&fleet.two), "{page}");
    }
    let foreign = fleet.image_page("team/two", &fleet.two);
    fleet.get_as("narrow", &foreign, &[("accept", "text/html")]).await.is(404, "an image of another repository");
}

#[tokio::test]
async fn without_a_login_nothing_but_health_and_assets_answers() {
    let fleet = Fleet::new().await;
    let mut paths = fleet.routes().await;
    let page = fleet.image_page("team/one", &fleet.one);
    paths.extend(["/", "/findings", "/vulnerabilities", "/live", "/nothing", &page].map(str::to_owned));
    for (n, path) in (0u32..).zip(paths) {
        let path = path.replace("{digest}", &fleet.one).replace("{id}", "CVE-2024-0000");
        // From an address each, so that wrong passwords lock nobody out.
        let peer = store::Peer { address: std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).into(), secure: false };
        let page = Request::builder().uri(&path).header("accept", "text/html").body(Body::empty()).unwrap();
        if !path.starts_with("/api/") {
            let answer = fleet.raw(page).await.is(303, &path);
            assert!(answer.header("location").starts_with("/sign-in"), "{path}");
        }
        for (login, accept) in [
            (None, "*/*"),
            (Some("Basic YTpi"), "*/*"),
            (Some("Bearer pw_wrong"), "text/html"),
            (Some("Digest x"), "*/*"),
        ] {
            let mut request = Request::builder().uri(&path).header("accept", accept).extension(peer);
            if let Some(login) = login {
                request = request.header("authorization", login);
            }
            let answer = fleet.raw(request.body(Body::empty()).unwrap()).await.is(401, &path);
            assert!(answer.header("www-authenticate").starts_with("Basic realm="), "{path}");
            let html = accept == "text/html" && !path.starts_with("/api/");
            let kind = if html { "text/html; charset=utf-8" } else { "application/problem+json" };
            assert_eq!(answer.header("content-type"), kind, "{path}");
            assert!(!answer.text().contains("generation"), "{path} tells a stranger about the database");
        }
    }
    for path in ["/healthz", "/readyz", "/metrics", "/assets/style.css", "/assets/app.js", "/api/v1/openapi.json"] {
        fleet.raw(Request::builder().uri(path).body(Body::empty()).unwrap()).await.is(200, path);
    }
}
