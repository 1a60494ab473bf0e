//! The security team's day, from the plan to an image that is healthy again, told through REST and told through the command line.
//!
//! What is known, the images and the figures after each step are those of `console/checks/seed.json`, which the browser's walk reads
//! as well: whoever tells the story, both surfaces give the same figures at every step.

use crate::feeds;
use crate::house::{House, Server, engines, pause};
use crate::images::{self, Image, OS_RELEASE, layer, tar};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

const STORY: &str = include_str!("../../../../console/checks/seed.json");
const MAIN: &str = "dbd0cb49-b563-45e7-9724-889e799fa648";
const CONTROL: &str = "Remediate vulnerabilities";
/// How long a change may take to be everywhere.
const AT_ONCE: Duration = Duration::from_secs(1);
const SEVERITIES: [&str; 4] = ["critical", "high", "medium", "low"];

/// Through which surface the story is told.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Surface {
    Rest,
    Command,
}

struct Telling<'a> {
    surface: Surface,
    house: &'a House,
    server: &'a Server,
    story: Value,
    subscription: String,
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

impl Telling<'_> {
    /// Runs a command; `--server` makes it ask the running server.
    fn told(&self, words: &[&str]) -> Value {
        let done = self.house.run(&[words, &["--format", "json"]].concat());
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap()
    }

    fn asked(&self, words: &[&str]) -> Value {
        let url = format!("http://admin:secret@127.0.0.1:{}", self.server.port);
        self.told(&[words, &["--server", &url]].concat())
    }

    fn sent(&self, method: &str, path: &str, body: &Value) -> Value {
        let head = [("Content-Type", "application/json")];
        let reply = self.server.send(method, &format!("/api/v1{path}"), &head, body.to_string().as_bytes());
        assert!(reply.status < 300, "{method} {path}: {} {}", reply.status, reply.text());
        if reply.body.is_empty() { Value::Null } else { reply.json() }
    }

    fn switch(&self, tier: &str) {
        match self.surface {
            Surface::Rest => {
                let body = json!({"name": "ContainerRegistry", "subscription": self.subscription, "tier": tier});
                self.sent("PUT", "/plans", &body)
            }
            Surface::Command => self.asked(&["plan", "set", "--name", "ContainerRegistry", "--tier", tier]),
        };
    }

    /// Hides what is below medium in the whole subscription; returns the rule's name.
    fn hide(&self) -> String {
        let scope = format!("/{}", self.subscription);
        let made = match self.surface {
            Surface::Rest => {
                let criteria = json!({"severity_below": "medium"});
                let body = json!({"scope": scope, "criteria": criteria});
                let preview = self.sent("POST", "/rules/preview", &body);
                assert_eq!(
                    (&preview["findings"], &preview["images"], &preview["score_gain"]),
                    (&json!(3), &json!(2), &json!(2.0)),
                    "{preview}"
                );
                let body = json!({"scope": scope, "criteria": criteria, "reason": "accepted-risk", "justification": "nothing below medium this quarter", "expires": "30d"});
                self.sent("POST", "/rules", &body)
            }
            Surface::Command => {
                let criteria = ["--scope", &scope, "--severity-below", "medium"];
                let preview = self.asked(&[&["rule", "preview"][..], &criteria].concat());
                assert_eq!(preview["findings"], 3, "{preview}");
                let why = ["--reason", "accepted-risk", "--justification", "nothing below medium this quarter"];
                self.asked(&[&["rule", "create", "--expires", "30d"][..], &criteria, &why].concat())
            }
        };
        text(&made["id"]).to_owned()
    }

    /// Lets another rule hold in one repository; returns its id.
    fn narrow(&self, wider: &str) -> String {
        let scope = format!("/{}/local/payments/api", self.subscription);
        let made = match self.surface {
            Surface::Rest => {
                let body = json!({"scope": scope, "criteria": {"cvss_below": 6.5}, "reason": "other", "justification": "takes cards", "expires": "30d"});
                self.sent("POST", &format!("/rules/{wider}/override"), &body)
            }
            Surface::Command => {
                let what = ["rule", "override", wider, "--scope", &scope, "--cvss-below", "6.5"];
                self.asked(&[&what[..], &["--justification", "takes cards", "--expires", "30d"]].concat())
            }
        };
        assert_eq!(made["overrides"], wider, "{made}");
        text(&made["id"]).to_owned()
    }

    fn end(&self, rule: &str) {
        match self.surface {
            Surface::Rest => self.sent("DELETE", &format!("/rules/{rule}"), &Value::Null),
            Surface::Command => self.asked(&["rule", "delete", rule]),
        };
    }

    /// The rules that the scope tree marks: their scopes.
    fn applied(&self) -> Vec<String> {
        let rules = match self.surface {
            Surface::Rest => self.server.get("/rules"),
            Surface::Command => self.asked(&["rule", "list"]),
        };
        list(&rules["items"]).iter().map(|rule| text(&rule["scope"]).to_owned()).collect()
    }

    fn by_rest(&self) -> Value {
        let counts = self.server.get("/counts")["counts"].clone();
        let one = self.server.get(&format!("/recommendations/{MAIN}"));
        let (score, usage) = (self.server.get("/score"), self.server.get("/usage"));
        let mut figures = vec![counts["findings"].clone()];
        figures.extend(SEVERITIES.iter().map(|word| counts[word].clone()));
        figures.push(counts["disabled"].clone());
        figures.extend(rest_of(&one, &score, &usage));
        Value::Array(figures)
    }

    fn by_command(&self) -> Value {
        let total =
            |words: &[&str]| self.told(&[&["finding", "list", "--limit", "1"][..], words].concat())["total"].clone();
        let all = self.asked(&["recommendation", "list"]);
        let one = list(&all["items"]).iter().find(|one| one["key"] == MAIN).unwrap();
        let (score, usage) = (self.asked(&["score", "show"]), self.asked(&["usage"]));
        let mut figures = vec![total(&[])];
        figures.extend(SEVERITIES.iter().map(|word| total(&[&format!("severity:{word}")])));
        figures.push(total(&["status:disabled"]));
        figures.extend(rest_of(one, &score, &usage));
        Value::Array(figures)
    }

    /// Both surfaces say what the story says of this step.
    fn stands(&self, step: &str) {
        let wanted = &self.story["steps"][step];
        assert!(wanted.is_array(), "{step}");
        // What the registry changed is in the index a moment after its answer.
        let begun = Instant::now();
        while &self.by_rest() != wanted && begun.elapsed() < AT_ONCE {
            pause();
        }
        assert_eq!(&self.by_rest(), wanted, "{step}, by REST, told through {:?}", self.surface);
        assert_eq!(&self.by_command(), wanted, "{step}, by the command line, told through {:?}", self.surface);
    }

    fn image(&self, name: &str) -> Image {
        of(&self.story["images"][name], name)
    }

    fn push(&self, repository: &str, tag: &str, image: &Image) {
        assert_eq!(self.server.push(repository, tag, image).status, 201);
    }

    /// Recommendation > registry > repository > image > finding > details.
    fn drill(&self, old: &str) {
        let find = |items: &Value, field: &str, value: &str| {
            list(items).iter().find(|one| one[field] == value).unwrap_or_else(|| panic!("no {value}: {items}")).clone()
        };
        let finding = match self.surface {
            Surface::Rest => {
                let one = find(&self.server.get("/recommendations")["items"], "key", MAIN);
                assert_eq!(one["status"], "unhealthy");
                assert!(!list(&one["remediation"]).is_empty());
                let resources = self.server.get(&format!("/recommendations/{MAIN}/resources"));
                assert_eq!(find(&resources["items"], "name", old)["state"], "unhealthy");
                find(&self.server.get("/repositories?registry=local")["items"], "name", "payments/api");
                find(&self.server.get("/images?repository=payments/api")["items"], "digest", old);
                let rows = self.server.get(&format!("/findings?image={old}&repository=payments/api"));
                let row = find(&rows["items"], "finding_id", "CVE-2026-20003");
                self.server.get(&format!("/findings/{}", text(&row["id"])))
            }
            Surface::Command => {
                find(&self.asked(&["recommendation", "list"])["items"], "key", MAIN);
                let resources = self.asked(&["recommendation", "show", MAIN]);
                assert_eq!(find(&resources["items"], "name", old)["state"], "unhealthy");
                find(&self.told(&["image", "list", "repo:payments/api"])["items"], "digest", old);
                let rows = self.told(&["finding", "list", "repo:payments/api", &format!("image:{old}")]);
                let row = find(&rows["items"], "finding_id", "CVE-2026-20003");
                self.told(&["finding", "show", text(&row["id"])])
            }
        };
        let whole = finding.to_string();
        let wanted = [
            "Prototype pollution in minimist",
            "1.2.6",
            "9.8",
            "CVSS:3.1/AV:N",
            "GHSA-aaaa-bbbb-0003",
            "app/node_modules/minimist",
        ];
        for part in wanted {
            assert!(whole.contains(part), "{part}: {whole}");
        }
    }
}

/// What the recommendation, the score and usage say.
fn rest_of(one: &Value, score: &Value, usage: &Value) -> [Value; 4] {
    let control = list(&score["controls"]).iter().find(|control| control["name"] == CONTROL).unwrap();
    let metered: u64 = list(&usage["items"]).iter().map(|row| row["images"].as_u64().unwrap()).sum();
    [one["unhealthy"].clone(), one["healthy"].clone(), control["formula"].clone(), metered.into()]
}

/// An image of packages by kind.
fn of(kinds: &Value, salt: &str) -> Image {
    let packages = |kind: &str| -> Vec<(String, String)> {
        let rows = kinds[kind].as_object().cloned().unwrap_or_default();
        rows.into_iter().map(|(name, version)| (name, text(&version).to_owned())).collect()
    };
    let debian = packages("debian");
    let debian: Vec<(&str, &str)> = debian.iter().map(|(name, version)| (name.as_str(), version.as_str())).collect();
    let mut files = vec![
        ("etc/os-release".to_owned(), OS_RELEASE.to_owned()),
        ("var/lib/dpkg/status".into(), images::status(&debian)),
    ];
    for (name, version) in packages("npm") {
        let package = json!({"name": name, "version": version});
        files.push((format!("app/node_modules/{name}/package.json"), package.to_string()));
    }
    for (name, version) in packages("PyPI") {
        let folder = format!("usr/lib/python3/{}-{version}.dist-info", name.to_lowercase());
        files
            .push((format!("{folder}/METADATA"), format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")));
    }
    files.push(("etc/salt".into(), salt.to_owned()));
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    images::image(vec![layer(&tar(&files))])
}

/// The feeds of the story: those of every test, with its vulnerabilities in place of theirs.
fn advisories(tree: &Path, vulnerabilities: &[Value]) {
    feeds::write(tree, &[], 2026, 0);
    let mut tracker: Map<String, Value> = Map::new();
    for one in vulnerabilities.iter().filter(|one| one["feed"] == "debian") {
        let mut release = json!({"status": "open", "repositories": {"bookworm": "1"}, "urgency": one["urgency"]});
        if let Some(fixed) = one["fixed"].as_str() {
            release["status"] = "resolved".into();
            release["fixed_version"] = fixed.into();
        }
        let record = json!({"description": one["description"], "scope": "remote", "releases": {"bookworm": release}});
        tracker.insert(text(&one["package"]).to_owned(), json!({text(&one["id"]): record}));
    }
    std::fs::write(tree.join(feeds::TRACKER), Value::Object(tracker).to_string()).unwrap();
    for ecosystem in ["npm", "PyPI"] {
        let file = std::fs::File::create(tree.join(format!("osv-vulnerabilities/{ecosystem}/all.zip"))).unwrap();
        let mut zip = zip::ZipWriter::new(file);
        for one in vulnerabilities.iter().filter(|one| one["feed"] == ecosystem) {
            let id = text(&one["id"]);
            let kind = if ecosystem == "PyPI" { "ECOSYSTEM" } else { "SEMVER" };
            let record = json!({"id": format!("GHSA-aaaa-bbbb-{}", &id[id.len() - 4..]), "aliases": [id], "modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z",
                "summary": one["description"], "details": one["description"], "severity": [{"type": "CVSS_V3", "score": one["vector"]}],
                "affected": [{"package": {"ecosystem": ecosystem, "name": one["package"]}, "ranges": [{"type": kind, "events": [{"introduced": "0"}, {"fixed": one["fixed"]}]}]}]});
            zip.start_file(format!("{id}.json"), zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(record.to_string().as_bytes()).unwrap();
        }
        zip.finish().unwrap();
    }
}

fn tell(surface: Surface, house: &House) {
    let story: Value = serde_json::from_str(STORY).unwrap();
    let tree = house.folder.path().join("feeds");
    advisories(&tree, list(&story["vulnerabilities"]));
    feeds::update(house, &tree);
    let server = house.start();
    let subscription = text(&server.get("/subscriptions")["items"][0]["guid"]).to_owned();
    let telling = Telling { surface, house, server: &server, story, subscription };
    let (old, fixed) = (telling.image("old"), telling.image("fixed"));

    telling.switch("Free");
    telling.push("payments/api", "1.0", &old);
    telling.stands("the plan is off");
    telling.switch("Standard");
    server.judged(&old.digest());
    telling.stands("the plan is on");

    telling.push("payments/api", "stable", &old);
    telling.push("mirror/api", "1.0", &old);
    for (repository, name) in [("payments/worker", "worker"), ("web/site", "clean")] {
        let image = telling.image(name);
        telling.push(repository, "1.0", &image);
        server.judged(&image.digest());
    }
    telling.stands("all is pushed");
    telling.drill(&old.digest());

    let rule = telling.hide();
    assert_eq!(telling.applied(), [format!("/{}", telling.subscription)]);
    telling.stands("a rule is applied");
    let narrower = telling.narrow(&rule);
    assert_eq!(telling.applied().len(), 2);
    telling.stands("it is overridden");
    telling.end(&narrower);
    telling.stands("the override is deleted");
    telling.end(&rule);
    assert!(telling.applied().is_empty());
    telling.stands("the rule is deleted");

    telling.push("payments/api", "1.1", &fixed);
    server.judged(&fixed.digest());
    telling.stands("the fixed image is pushed");
    for repository in ["payments/api", "mirror/api"] {
        let path = format!("/v2/{repository}/manifests/{}", old.digest());
        assert_eq!(server.send("DELETE", &path, &[], b"").status, 202);
    }
    telling.stands("the old image is deleted");
    println!(
        "{} on {}: {} steps",
        format!("{surface:?}").to_lowercase(),
        house.engine(),
        telling.story["steps"].as_object().unwrap().len()
    );
}

#[test]
fn the_security_teams_day_goes_through_rest() {
    for house in engines() {
        tell(Surface::Rest, &house);
    }
}

#[test]
fn the_security_teams_day_goes_through_the_command_line() {
    for house in engines() {
        tell(Surface::Command, &house);
    }
}
