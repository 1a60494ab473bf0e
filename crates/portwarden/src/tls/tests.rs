use super::*;
use rcgen::KeyPair;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::io::{Read, Write};
use std::net::TcpStream;

/// A certificate of one's own making, and its key, in PEM; it ends after some days.
fn made(days: i64) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    let now = u64::try_from(crate::clock::now().0 / 1_000_000).unwrap().checked_add_signed(days * 86_400).unwrap();
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(now);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn files(folder: &Path, (certificate, key): &(String, String)) -> Choice {
    let files = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&files.0, certificate).unwrap();
    std::fs::write(&files.1, key).unwrap();
    Choice::Files { certificate: files.0, key: files.1 }
}

#[test]
fn certificate_and_key_belong_together_or_the_sentence_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (made(60), made(60));
    for (certificate, key, said, why) in [
        (one.0.as_str(), one.1.as_str(), "", "as they were made"),
        (&one.0, &other.1, "is not that of the certificate", "another's key"),
        ("", &one.1, "no certificate", "an empty file"),
        (&one.1, &one.1, "no certificate", "the key twice"),
        (&one.0, &one.0, "no private key", "the certificate twice"),
        (
            &one.0,
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "cannot be used",
            "not a key inside",
        ),
    ] {
        let choice = files(folder.path(), &(certificate.to_owned(), key.to_owned()));
        match Certificate::open(&choice, folder.path(), Vec::new()) {
            Ok(_) => assert!(said.is_empty(), "{why}"),
            Err(error) => assert!(!said.is_empty() && error.to_string().contains(said), "{why}: {error}"),
        }
    }
}

#[test]
fn files_that_changed_are_taken_up_and_bad_ones_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (made(60), made(-1));
    let choice = files(folder.path(), &first);
    let certificate = Certificate::open(&choice, folder.path(), Vec::new()).unwrap();
    let shown = || certificate.current().cert[0].to_vec();
    let before = shown();
    certificate.look().unwrap();
    assert_eq!(shown(), before, "nothing changed");
    files(folder.path(), &(second.0.clone(), first.1.clone()));
    assert!(certificate.look().is_err(), "half replaced");
    assert!(certificate.look().is_ok(), "told once");
    assert_eq!(shown(), before);
    std::fs::remove_file(folder.path().join("key.pem")).unwrap();
    assert!(certificate.look().is_ok(), "away for a moment");
    files(folder.path(), &second);
    certificate.look().unwrap();
    assert_ne!(shown(), before, "an expired one is the operator's choice");
    assert!(certificate.ends_within(Duration::ZERO));
}

/// Says one line over TLS and returns the protocol's version, or why there was no connection.
fn handshake(
    config: &Arc<ServerConfig>,
    authority: &Path,
    name: &str,
) -> Result<rustls::ProtocolVersion, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(provider())).with_safe_default_protocol_versions()?;
    let client = Arc::new(client.with_root_certificates(roots).with_no_client_auth());
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = rustls::ClientConnection::new(client, name)?;
    let mut server = rustls::ServerConnection::new(config.clone())?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        wire.clear();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok(client.protocol_version().unwrap())
}

#[test]
fn who_trusts_the_own_authority_trusts_every_name_before_and_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let listen = "192.0.2.7".parse().unwrap();
    let open = || {
        Certificate::open(&Choice::Auto, data.path(), names(listen, Some("https://Registry.example:8443/"))).unwrap()
    };
    let first = open();
    let trusted = data.path().join("trusted.crt");
    std::fs::copy(first.authority().unwrap().file(), &trusted).unwrap();
    let key = std::fs::read(data.path().join("tls/ca-key.pem")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(data.path().join("tls/ca-key.pem")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    for (certificate, why) in [(first, "first"), (open(), "started again")] {
        let config = certificate.config().unwrap();
        for name in ["localhost", "127.0.0.1", "::1", "registry.example", "192.0.2.7"] {
            let version = handshake(&config, &trusted, name).unwrap_or_else(|e| panic!("{why} {name}: {e}"));
            assert_eq!(version, rustls::ProtocolVersion::TLSv1_3, "{name}");
        }
        assert!(handshake(&config, &trusted, "example.org").is_err(), "another name");
    }
    assert_eq!(std::fs::read(data.path().join("tls/ca-key.pem")).unwrap(), key);
    std::fs::remove_file(data.path().join("tls/ca.crt")).unwrap();
    let again = open();
    assert!(handshake(&again.config().unwrap(), &trusted, "localhost").is_ok(), "the same key: who trusts it goes on");
    std::fs::remove_file(data.path().join("tls/ca-key.pem")).unwrap();
    let other = open();
    assert!(handshake(&other.config().unwrap(), &trusted, "localhost").is_err(), "another authority");
}

#[test]
fn an_own_certificate_is_replaced_before_it_ends() {
    let data = tempfile::tempdir().unwrap();
    let certificate = Certificate::open(&Choice::Auto, data.path(), names("127.0.0.1".parse().unwrap(), None)).unwrap();
    let shown = || certificate.current().cert[0].to_vec();
    let before = shown();
    certificate.look().unwrap();
    assert_eq!(shown(), before, "fresh");
    let (pem, key) = made(20);
    let old = pair(&(pem.into_bytes(), key.into_bytes()), Path::new("c"), Path::new("k")).unwrap();
    *certificate.current.write().unwrap() = Arc::new(old);
    certificate.look().unwrap();
    assert!(!certificate.ends_within(SOON));
}

#[test]
fn the_host_of_an_address_is_found() {
    for (url, want) in [
        ("https://registry.example", "registry.example"),
        ("https://Registry.example:5000/x", "registry.example"),
        ("http://[::1]:5000", "::1"),
        ("https://user@h.example/", "h.example"),
        ("h.example:1", "h.example"),
    ] {
        assert_eq!(host(url), want, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_client_holds_up_nobody_and_plain_http_is_told() {
    let data = tempfile::tempdir().unwrap();
    let certificate = Certificate::open(&Choice::Auto, data.path(), names("127.0.0.1".parse().unwrap(), None)).unwrap();
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let app = axum::Router::new().route("/", axum::routing::get(|| async { "hello" }));
    let limits = crate::connections::Limits::of(&crate::settings::limits::Limits::default());
    let acceptor = tokio_rustls::TlsAcceptor::from(certificate.config().unwrap());
    let end = tokio_util::sync::CancellationToken::new();
    let serving = crate::connections::serve(socket, Some(acceptor), app, limits, Arc::new([]), end);
    let serving = tokio::spawn(serving);
    let _silent: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(address).unwrap()).collect();
    let authority = certificate.authority().unwrap().file().to_owned();
    let client = tokio::task::spawn_blocking(move || {
        let mut plain = TcpStream::connect(address).unwrap();
        plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let mut told = String::new();
        let _ = plain.read_to_string(&mut told);
        assert!(told.starts_with("HTTP/1.1 400") && told.ends_with("https:// first\n"), "{told}");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
        let client =
            ClientConfig::builder_with_provider(Arc::new(provider())).with_safe_default_protocol_versions().unwrap();
        let client = Arc::new(client.with_root_certificates(roots).with_no_client_auth());
        let connection = rustls::ClientConnection::new(client, ServerName::try_from("localhost").unwrap()).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, TcpStream::connect(address).unwrap());
        stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    });
    client.await.unwrap();
    serving.abort();
}
