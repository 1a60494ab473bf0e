//! TLS and the key of secrets, on the program itself: what is wrong is said, what changes is taken up.

use crate::bad_input::ended;
use crate::house::{House, Server, engines, free_port, until};
use crate::images;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

/// A certificate of one's own making for `localhost`, and its key, in PEM.
fn made(ends: rcgen::CertificateParams) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    (ends.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn params() -> CertificateParams {
    CertificateParams::new(vec!["localhost".into()]).unwrap()
}

/// A request over TLS to `localhost`, trusting one certificate; the answer with its head.
pub fn ask(port: u16, authority: &Path, path: &str) -> std::io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    let trusted = CertificateDer::from_pem_file(authority).map_err(std::io::Error::other)?;
    roots.add(trusted).map_err(std::io::Error::other)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let name = ServerName::try_from("localhost").unwrap();
    let connection = rustls::ClientConnection::new(config, name).map_err(std::io::Error::other)?;
    let mut stream = rustls::StreamOwned::new(connection, TcpStream::connect(("127.0.0.1", port))?);
    let login = crate::http::LOGIN;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: {login}\r\nConnection: close\r\n\r\n"
    )?;
    let mut text = String::new();
    match stream.read_to_string(&mut text) {
        Err(why) if text.is_empty() => Err(why),
        _ => Ok(text),
    }
}

/// Starts a server that speaks TLS and waits until it is ready.
pub fn start(house: &House, tls: &str, authority: &Path) -> Server {
    let server = house.spawn(free_port(), &["--tls", tls]);
    until("a server that speaks TLS", || {
        ask(server.port, authority, "/readyz").ok().filter(|answer| answer.starts_with("HTTP/1.1 200"))
    });
    server
}

#[test]
fn a_certificate_or_key_file_that_is_wrong_is_named_with_the_next_step() {
    let house = House::new();
    let folder = house.folder.path();
    let (one, other) = (made(params()), made(params()));
    for (name, text, mode) in [
        ("cert.pem", &one.0, 0o644),
        ("key.pem", &one.1, 0o600),
        ("other.pem", &other.1, 0o600),
        ("short.key", &"00".repeat(31), 0o600),
        ("open.key", &"00".repeat(32), 0o604),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
        std::fs::set_permissions(folder.join(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    let rows: &[(&str, &str, &str, &[&str])] = &[
        ("no certificate file", "--tls", "nowhere.pem,key.pem", &["nowhere.pem", "No such file"]),
        ("no key of the certificate", "--tls", "cert.pem,nowhere.pem", &["nowhere.pem", "No such file"]),
        ("the key of another", "--tls", "cert.pem,other.pem", &["other.pem", "cert.pem", "belong together"]),
        ("files in the wrong order", "--tls", "key.pem,cert.pem", &["key.pem", "BEGIN CERTIFICATE"]),
        ("a short sealing key", "--key-file", "short.key", &["short.key", "64 hexadecimal digits", "openssl rand"]),
        ("a sealing key for all", "--key-file", "open.key", &["open.key", "chmod 600"]),
        (
            "a sealing key that is elsewhere",
            "--key-file",
            "nowhere/key",
            &["nowhere/key", "move it here", "portwarden.key"],
        ),
    ];
    for (what, flag, value, said) in rows {
        let listen = format!("127.0.0.1:{}", free_port());
        ended(what, &house.run(&["serve", "--offline", "--listen", &listen, flag, value]), 2, said);
    }
}

#[test]
fn sealed_secrets_open_with_their_key_only_on_both_engines() {
    for house in engines() {
        let key = house.folder.path().join("sealing.key");
        let named = key.to_str().unwrap();
        let secret = "SELECT CAST(LENGTH(value) AS BIGINT) FROM secret WHERE name = 'registry-token'";
        let listen = format!("127.0.0.1:{}", free_port());
        let serve = ["serve", "--offline", "--listen", listen.as_str()];
        drop(house.start());
        let usual = house.data().join("portwarden.key");
        let again = [&serve[..], &["--key-file", named]].concat();
        if house.database.is_some() {
            assert_eq!(house.count(secret), 32, "as it is: each process may have a data folder of its own");
            assert!(!usual.exists());
        } else {
            assert_eq!(house.count(secret), 64, "sealed with a key beside the data");
            assert_eq!(std::fs::metadata(&usual).unwrap().permissions().mode() & 0o777, 0o600);
            let told = String::from_utf8_lossy(&house.run(&["doctor"]).stdout).into_owned();
            assert!(told.contains("portwarden.key: a copy of the database alone"), "{told}");
            ended(
                "the key is elsewhere",
                &house.run(&again),
                2,
                &["key-file", named, "move it here from", "portwarden.key"],
            );
            std::fs::rename(&usual, &key).unwrap();
        }
        let server = house.start_as(&["--key-file", named]);
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(house.count(secret), 64, "sealed");
        assert_eq!(server.push("sealed", "1", &images::good("sealed")).status, 201);
        drop(server);
        ended("no key named", &house.run(&serve), 2, &["key-file", "are sealed", "PORTWARDEN_KEY_FILE"]);
        assert!(!usual.exists(), "no second key is made");
        let kept = std::fs::read(&key).unwrap();
        std::fs::remove_file(&key).unwrap();
        ended("the key is lost", &house.run(&again), 2, &["key-file", named, "put their key back"]);
        std::fs::write(&key, "ab".repeat(32)).unwrap();
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        ended("another key", &house.run(&again), 2, &["key-file", "does not hold the key"]);
        std::fs::write(&key, kept).unwrap();
        house.start_as(&["--key-file", named]);
    }
}

#[test]
fn a_certificate_that_was_replaced_is_shown_without_a_restart() {
    let house = House::new();
    let folder = house.folder.path();
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let put = |pair: &(String, String)| {
        std::fs::write(&cert, &pair.0).unwrap();
        std::fs::write(&key, &pair.1).unwrap();
    };
    let (first, second) = (made(params()), made(params()));
    std::fs::write(folder.join("first.crt"), &first.0).unwrap();
    std::fs::write(folder.join("second.crt"), &second.0).unwrap();
    put(&first);
    let files = format!("{},{}", cert.display(), key.display());
    let server = start(&house, &files, &folder.join("first.crt"));
    assert!(ask(server.port, &folder.join("second.crt"), "/readyz").is_err());
    put(&second);
    until("the second certificate", || ask(server.port, &folder.join("second.crt"), "/readyz").ok());
    put(&(second.0.clone(), first.1));
    until("a word on the wrong key", || server.log_text().contains("is not that of the certificate").then_some(()));
    assert!(ask(server.port, &folder.join("second.crt"), "/readyz").is_ok(), "the good one stays");
    let mut over = params();
    over.not_after = rcgen::date_time_ymd(2024, 1, 1);
    put(&made(over));
    until("a word on the end", || server.log_text().contains("has expired").then_some(()));
}

#[test]
fn over_tls_every_address_that_is_told_is_https() {
    let house = House::new();
    let authority = house.data().join("tls/ca.crt");
    let server = start(&house, "auto", &authority);
    let host = format!("localhost:{}", server.port);
    let said = server.log_text();
    let place = authority.to_str().unwrap();
    for line in [
        format!("Portwarden listens on https://{host}"),
        format!("{place} /etc/containers/certs.d/{host}/ca.crt"),
        format!("{place} /etc/docker/certs.d/{host}/ca.crt"),
        format!("curl --cacert {place} https://{host}/healthz"),
        format!("skopeo copy --dest-creds admin:PASSWORD oci:./layout:TAG docker://{host}/app:1"),
    ] {
        assert!(said.contains(&line), "{line}: {said}");
    }
    let anonymous = ask(server.port, &authority, "/v2/nobody/tags/list").unwrap();
    assert!(!anonymous.contains("http://"), "{anonymous}");
    let mut plain = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut told = String::new();
    let _ = plain.read_to_string(&mut told);
    assert!(told.contains("https://"), "{told}");
    let scanned = house.run(&["scan", &format!("{host}/nowhere:1"), "--login", "admin:secret", "--ca-bundle", place]);
    ended("nothing there", &scanned, 5, &["nowhere"]);
}
