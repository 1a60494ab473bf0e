//! What `serve` says when it starts: where everything is, and the commands as they must be typed.
//!
//! In: settings, the address, the first password if it was just made. Out: lines on standard output, none with `--quiet`.

use crate::settings::Settings;
use crate::tls::Authority;
use std::io::IsTerminal;

/// Says where everything is. The password is printed once, and only to a terminal; it stays in a file that only the owner reads.
pub fn greet(settings: &Settings, url: &str, made: Option<&str>, authority: Option<&Authority>) {
    if settings.quiet {
        return;
    }
    let host = url.split("//").last().unwrap_or("localhost:5000").trim_end_matches('/');
    let file = settings.data.join("admin-password");
    println!("Portwarden listens on {url}  (console, REST and registry; data in {})", settings.data.display());
    match made {
        Some(password) if std::io::stdout().is_terminal() => {
            println!("  sign in    admin / {password}  (also in {})", file.display())
        }
        _ if file.exists() => println!("  sign in    admin, password in {}", file.display()),
        _ => println!("  sign in    admin, with the password that was set"),
    }
    println!("  sandbox    {}", scan::sandbox::tier());
    let (mut skopeo, mut podman) = (String::new(), String::new());
    if let Some(authority) = authority {
        trust(authority, host);
    } else if !url.starts_with("https://") {
        (skopeo, podman) = (" --dest-tls-verify=false".into(), " --tls-verify=false".into());
    }
    println!("  push with  skopeo copy{skopeo} --dest-creds admin:PASSWORD oci:./layout:TAG docker://{host}/app:1");
    println!("             podman push{podman} --creds admin:PASSWORD app:1 {host}/app:1");
    println!("             docker login -u admin {host} && docker tag app:1 {host}/app:1 && docker push {host}/app:1");
}

/// Says how a client comes to trust the own authority.
fn trust(authority: &Authority, host: &str) {
    let file = std::path::absolute(authority.file()).unwrap_or_else(|_| authority.file().to_owned());
    let file = file.display();
    println!("  trust      {file}  (the authority of this installation; copy it to each client, then)");
    println!("             skopeo, podman: sudo install -D -m 644 {file} /etc/containers/certs.d/{host}/ca.crt");
    println!("             docker: sudo install -D -m 644 {file} /etc/docker/certs.d/{host}/ca.crt");
    println!("             curl: curl --cacert {file} https://{host}/healthz");
    println!("             crane, portwarden scan: SSL_CERT_FILE={file}    oras: --ca-file {file}");
}
