//! Network rules with a real client from two loopback addresses, the scanner in and out by the switch, and what the logs say.

use crate::hostile::write_layout;
use crate::house::{House, Server, block_on, engines, until};
use crate::images;
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use tokio::net::{TcpListener, TcpSocket};

/// Carries connections on to a server from 127.0.0.2; returns the port that it listens on.
fn from_another_address(server: u16) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((mut client, _)) = listener.accept().await {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
                let mut onward = socket.connect(([127, 0, 0, 1], server).into()).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut onward).await;
            }
        })
    });
    port
}

/// Runs a command against the running server; returns whether it succeeded and what it said.
fn told(house: &House, server: &Server, arguments: &[&str]) -> (bool, String) {
    let url = format!("http://admin:secret@127.0.0.1:{}", server.port);
    let output = house.run(&[arguments, &["--server", &url]].concat());
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn done(house: &House, server: &Server, arguments: &[&str]) -> String {
    let (good, text) = told(house, server, arguments);
    assert!(good, "{arguments:?}: {text}");
    text
}

/// Pulls with skopeo; returns whether it succeeded and what it said.
fn pull(house: &House, port: u16) -> (bool, String) {
    let mut command = Command::new("skopeo");
    command.args(["--insecure-policy", "copy", "--src-creds", "admin:secret", "--src-tls-verify=false"]);
    command.arg(format!("docker://127.0.0.1:{port}/app:1")).arg(format!("oci:pulled-{port}"));
    command.current_dir(house.folder.path()).env("HOME", house.folder.path()).stdin(Stdio::null());
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn push(house: &House, server: &Server, tag: &str, salt: &str) -> String {
    let (image, layout) = (images::good(salt), house.folder.path().join(format!("layout-{tag}")));
    write_layout(&layout, &image);
    let mut command = Command::new("skopeo");
    command.args(["--insecure-policy", "copy", "--dest-creds", "admin:secret", "--dest-tls-verify=false"]);
    command.arg(format!("oci:{}", layout.display())).arg(format!("docker://127.0.0.1:{}/app:{tag}", server.port));
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    image.digest()
}

fn walk(house: &House) {
    let server = house.start();
    let elsewhere = from_another_address(server.port);
    let first = push(house, &server, "1", "network one");
    server.judged(&first);
    assert!(pull(house, elsewhere).0, "as a registry begins, everybody is let in");

    // A rule that cuts off whoever makes it asks again.
    let deny = ["registry", "network", "set", "local", "--default-action", "Deny"];
    let (good, said) = told(house, &server, &deny);
    assert!(!good && said.contains("keep out 127.0.0.1") && said.contains("confirm"), "{said}");
    done(house, &server, &["registry", "network", "allow", "local", "--ip-address", "127.0.0.1"]);
    done(house, &server, &deny);
    let (good, said) = pull(house, server.port);
    assert!(good, "127.0.0.1 is named: {said}");
    let (good, said) = pull(house, elsewhere);
    assert!(!good, "127.0.0.2 is not");
    assert!(said.contains("client with IP '127.0.0.2' is not allowed access by the network rules"), "{said}");

    // The scanner: let in by the bypass, kept out without it, and in again at once.
    let second = push(house, &server, "2", "network two");
    server.judged(&second);
    let bypass = |word| ["registry", "network", "set", "local", "--allow-trusted-services", word];
    done(house, &server, &bypass("false"));
    let third = push(house, &server, "3", "network three");
    let shown = until("the image is known", || server.image(&third));
    let state = ["coverage", "verdict", "work"].map(|name| shown[name].as_str().unwrap_or("").to_owned());
    assert_eq!(state, ["blocked-by-network", "none", "idle"], "{shown}");
    assert_eq!(server.get(&format!("/images/{third}/scans"))["items"].as_array().map(Vec::len), Some(0));
    done(house, &server, &bypass("true"));
    server.judged(&third);

    both_logs_tell(house, &server, &third);
    assert!(!server.log_text().contains("panicked"));
}

fn both_logs_tell(house: &House, server: &Server, third: &str) {
    let lines = |path: &str| server.get(path)["items"].as_array().cloned().unwrap_or_default();
    let results = |items: &[Value]| items.iter().filter_map(|line| line["result"].as_i64()).collect::<Vec<_>>();
    let identity = server.get("/logs/settings")["scanner_identity"].as_str().unwrap().to_owned();
    let refused = lines("/logs/login?address=127.0.0.2&result=failed");
    assert!(results(&refused).contains(&401), "skopeo asked how to log in: {refused:?}");
    let kept_out = lines("/logs/repository?operation=pull&address=127.0.0.2&result=403");
    assert_eq!(kept_out.len(), 1, "and then for the manifest: {kept_out:?}");
    assert_eq!((&kept_out[0]["repository"], &kept_out[0]["tag"]), (&"app".into(), &"1".into()));
    assert!(!lines("/logs/login?identity=admin&address=127.0.0.2&result=ok").is_empty(), "while it was let in");
    assert!(!lines("/logs/repository?operation=pull&identity=admin&address=127.0.0.2").is_empty());
    assert_eq!(lines("/logs/repository?operation=push&identity=admin").len(), 3);
    let scanner = lines("/logs/login?scanner=yes");
    let mut turns = results(&scanner);
    turns.dedup();
    assert_eq!(turns, [200, 403, 200], "newest first: in, out, in");
    assert!(scanner.iter().all(|line| line["identity"] == identity.as_str()));
    let pulls = lines(&format!("/logs/repository?scanner=yes&digest={third}"));
    assert_eq!(
        (pulls.len(), &pulls[0]["identity"], &pulls[0]["repository"]),
        (1, &identity.as_str().into(), &"app".into())
    );
    let text = done(house, server, &["log", "repository", "--scanner", "--format", "jsonl"]);
    let line = text.lines().find(|line| line.contains(third)).expect(&text);
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["Identity"], &line["OperationName"]), (&identity.as_str().into(), &"pull".into()));
    assert_eq!((&line["ResultDescription"], &line["Repository"]), (&"200".into(), &"app".into()));
    let csv = server.send("GET", "/api/v1/logs/login?format=csv&scanner=yes", &[], b"").text();
    assert!(csv.lines().next().is_some_and(|head| head.contains("CallerIpAddress") && head.contains("JwtId")), "{csv}");
    assert!(csv.lines().count() > scanner.len(), "{csv}");
}

#[test]
fn clients_and_the_scanner_are_let_in_and_kept_out_and_both_logs_show_it() {
    if Command::new("skopeo").arg("--version").output().is_err() {
        println!("1 check not run: no skopeo");
        return;
    }
    for house in engines() {
        walk(&house);
        println!("network rules and logs hold on {}", house.engine());
    }
}

#[test]
fn only_an_owner_of_everything_imports_and_tells_through_the_proxy_of_the_system() {
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = proxy.local_addr().unwrap().port();
    let (asked, asks) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for client in proxy.incoming().flatten() {
            let mut line = String::new();
            let _ = std::io::BufRead::read_line(&mut std::io::BufReader::new(client), &mut line);
            let _ = asked.send(line);
        }
    });
    let mut house = House::new();
    house.environment.push(("https_proxy".into(), format!("http://127.0.0.1:{port}")));
    let server = house.start();
    let guid = server.get("/subscriptions")["items"][0]["guid"].as_str().unwrap().to_owned();
    let grants = json!([{"role": "acr-push", "scope": format!("/{guid}/local/app")}]);
    let token = json!({"name": "ci", "principal": "admin", "grants": grants}).to_string();
    let typed = ("Content-Type", "application/json");
    let made = server.send("POST", "/api/v1/tokens", &[typed], token.as_bytes()).json();
    let pusher = format!("Bearer {}", made["token"].as_str().unwrap());
    let import = |login: &str| {
        let body = json!({"source": "nowhere.invalid/app:1"}).to_string();
        let head = [typed, ("Authorization", login)];
        let id = server.send("POST", "/api/v1/imports", &head, body.as_bytes()).json()["id"].clone();
        until("it failed once", || {
            server.get(&format!("/imports/{id}"))["error"].as_str().map(str::len).filter(|n| *n > 0)
        });
        asks.try_iter().filter(|line| line.contains("nowhere.invalid")).count()
    };
    assert_eq!(import(&pusher), 0, "the guard looks up every name itself");
    assert!(import(crate::http::LOGIN) > 0, "the operator's own network");
    let grants = json!([{"role": "security-admin", "scope": format!("/{guid}")}]);
    let token = json!({"name": "hooks", "principal": "admin", "grants": grants}).to_string();
    let made = server.send("POST", "/api/v1/tokens", &[typed], token.as_bytes()).json();
    let teller = format!("Bearer {}", made["token"].as_str().unwrap());
    let told = |login: &str| {
        let body =
            json!({"name": "x", "address": "https://nowhere.invalid/x", "scope": format!("/{guid}")}).to_string();
        let head = [typed, ("Authorization", login)];
        let made = server.send("POST", "/api/v1/notifications/channels", &head, body.as_bytes()).json();
        let id = made["channel"]["id"].as_i64().unwrap();
        server.send("POST", &format!("/api/v1/notifications/channels/{id}/test"), &[typed], b"{}");
        until("it failed once", || {
            let sent = server.get(&format!("/notifications/deliveries?channel={id}"))["items"][0]["error"].clone();
            sent.as_str().map(str::len).filter(|n| *n > 0)
        });
        asks.try_iter().filter(|line| line.contains("nowhere.invalid")).count()
    };
    assert_eq!(told(&teller), 0, "nor does it tell anybody by way of it");
    assert!(told(crate::http::LOGIN) > 0, "the operator's own network");
}
