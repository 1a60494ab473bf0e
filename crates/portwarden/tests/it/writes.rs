//! The program ends itself at named steps of writes that people make: all of a write is there or nothing of it, its audit agrees, and
//! sent again it is not done twice.
//!
//! `PORTWARDEN_KILLS` says how often at each step.

use crate::house::{House, Server, engines};
use crate::http;
use crate::steps::{again, armed, dies, kills};
use serde_json::{Value, json};
use std::time::Duration;

/// Rules of one file.
const RULES: usize = 200;
/// Steps of one file of rules, in the order in which they are passed.
const APPLY: [&str; 5] = ["rules:closed", "rules:opened", "audit:written#100", "audit:written#200", "rules:committed"];
const DELETE: [&str; 4] = ["rules:closed", "rules:opened", "audit:written", "rules:committed"];
const EXEMPT: [&str; 2] = ["audit:written", "exemption:committed"];

/// A request that is sent, and sent again.
struct Wish {
    method: &'static str,
    path: String,
    key: String,
    body: Value,
}

impl Wish {
    fn send(&self, server: &Server) -> std::io::Result<http::Reply> {
        let head = [("Content-Type", "application/json"), ("Idempotency-Key", self.key.as_str())];
        let body = if self.body.is_null() { String::new() } else { self.body.to_string() };
        http::send(server.port, self.method, &format!("/api/v1{}", self.path), &head, body.as_bytes())
    }
}

/// A house whose writes are cut off.
struct CutOff {
    house: House,
    slowest: Duration,
    /// Lines that the audit must have by now, beside those of the start.
    lines: i64,
}

impl CutOff {
    /// Sends a wish to a server that ends itself at the step; then again, as a client does that was told nothing. `lines` = what a
    /// wish that is done adds to the audit; `is_done` looks whether all of it is there (`false` = nothing of it).
    fn cut_off(&mut self, step: &str, wish: &Wish, lines: i64, is_done: impl Fn(&Server) -> bool) {
        let mut server = armed(&mut self.house, step);
        let answer = wish.send(&server);
        assert!(answer.is_err(), "{step}: nobody answers: {:?}", answer.map(|reply| reply.text()));
        dies(&mut server, step);
        let server = again(&self.house, &mut self.slowest);
        let done = step.ends_with("committed");
        assert_eq!(is_done(&server), done, "{step} of {} {}: all or nothing", wish.method, wish.path);
        assert_eq!(self.audited(), self.lines + if done { lines } else { 0 }, "{step}: its audit agrees");
        let reply = wish.send(&server).unwrap();
        let wanted: &[u16] = if done { &[404, 409] } else { &[200, 201, 204] };
        assert!(wanted.contains(&reply.status), "{step}, sent again: {} {}", reply.status, reply.text());
        assert!(is_done(&server), "{step}, sent again");
        self.lines += lines;
        assert_eq!(self.audited(), self.lines, "{step}, sent again: once");
        assert_eq!(server.get("/audit/chain")["whole"], true, "{step}");
    }

    fn audited(&self) -> i64 {
        self.house.count("SELECT COUNT(*) FROM audit WHERE action LIKE 'rule.%' OR action LIKE 'exemption.%'")
    }

    fn every(&mut self, steps: &[&str], mut wish: impl FnMut(&mut Self, usize, &str)) {
        let mut turn = 0;
        for step in steps {
            for _ in 0..kills() {
                turn += 1;
                wish(self, turn, step);
            }
        }
    }
}

fn file(turn: usize) -> Value {
    // One of the rules goes, and one comes, with every turn.
    let rule = |n: usize| {
        json!({"name": format!("rule {}", turn + n), "scope": "/", "criteria": {"finding_ids": [format!("CVE-2024-{n:04}")]},
            "reason": "accepted-risk", "justification": format!("turn {turn}")})
    };
    let rules: Vec<Value> = (0..RULES).map(rule).collect();
    json!({"rules": rules, "prune": true, "scope": "/", "confirm": true})
}

fn apply(turn: usize) -> Wish {
    Wish { method: "POST", path: "/rules/apply".into(), key: format!("apply {turn}"), body: file(turn) }
}

/// Returns whether the rules are those of a turn; they must be those of this one or those of the one before.
fn are_of(server: &Server, turn: usize) -> bool {
    let rules = server.get("/rules/export?format=json&scope=/");
    let mut said: Vec<(String, String)> = rules["rules"].as_array().unwrap().iter().map(name_and_turn).collect();
    said.sort();
    let of = |turn: usize| {
        let mut wanted: Vec<(String, String)> =
            file(turn)["rules"].as_array().unwrap().iter().map(name_and_turn).collect();
        wanted.sort();
        wanted
    };
    assert_eq!(server.get("/rules?limit=1")["total"], RULES, "the list agrees with the file");
    assert!(said == of(turn) || said == of(turn - 1), "a mixture of two files: {said:?}");
    said == of(turn)
}

fn name_and_turn(rule: &Value) -> (String, String) {
    (rule["name"].as_str().unwrap().to_owned(), rule["justification"].as_str().unwrap().to_owned())
}

fn exemption(turn: usize) -> Wish {
    let body =
        json!({"recommendation": "end-of-life", "scope": "/", "kind": "waiver", "reason": format!("turn {turn}")});
    Wish { method: "POST", path: "/exemptions".into(), key: format!("exemption {turn}"), body }
}

fn exempted(server: &Server, turn: usize) -> usize {
    let all = server.get("/exemptions");
    all["items"].as_array().unwrap().iter().filter(|item| item["reason"] == format!("turn {turn}")).count()
}

fn rules(trial: &mut CutOff) {
    let server = trial.house.start();
    assert_eq!(apply(0).send(&server).unwrap().status, 200);
    drop(server);
    trial.lines = trial.audited();
    assert_eq!(trial.lines, RULES as i64);
    // All but two rules are changed; one is ended and one is made: a line each.
    let lines = RULES as i64 + 1;
    trial.every(&APPLY, |trial, turn, step| {
        trial.cut_off(step, &apply(turn), lines, |server| are_of(server, turn));
    });
    let server = trial.house.start();
    let listed = server.get("/rules?limit=1000");
    drop(server);
    let ids: Vec<String> =
        listed["items"].as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap().to_owned()).collect();
    trial.every(&DELETE, |trial, turn, step| {
        let id = ids[turn].clone();
        let wish =
            Wish { method: "DELETE", path: format!("/rules/{id}"), key: format!("delete {turn}"), body: Value::Null };
        let gone = |server: &Server| server.get("/rules?limit=1")["total"] == RULES - turn;
        trial.cut_off(step, &wish, 1, gone);
    });
}

fn exemptions(trial: &mut CutOff) {
    trial.every(&EXEMPT, |trial, turn, step| {
        let is_there = |server: &Server| {
            let there = exempted(server, turn);
            assert!(there <= 1, "{there} of them");
            there == 1
        };
        trial.cut_off(step, &exemption(turn), 1, is_there);
    });
    trial.every(&EXEMPT, |trial, turn, step| {
        let server = trial.house.start();
        let all = server.get("/exemptions");
        let items = all["items"].as_array().unwrap();
        let id = items.iter().find(|item| item["reason"] == format!("turn {turn}")).unwrap()["id"].clone();
        drop(server);
        let path = format!("/exemptions/{}", id.as_str().unwrap());
        let wish = Wish { method: "DELETE", path, key: format!("end {turn}"), body: Value::Null };
        trial.cut_off(step, &wish, 1, |server| exempted(server, turn) == 0);
    });
}

#[test]
fn a_kill_at_any_step_of_a_write_leaves_all_of_it_or_nothing_and_its_audit_agrees() {
    for house in engines() {
        let mut trial = CutOff { house, slowest: Duration::ZERO, lines: 0 };
        rules(&mut trial);
        exemptions(&mut trial);
        let steps = APPLY.len() + DELETE.len() + 2 * EXEMPT.len();
        let (engine, slowest) = (trial.house.engine(), trial.slowest);
        println!("{engine:<10} {steps} steps of writes, {} kills each, ready again <= {slowest:?}", kills());
    }
}
