//! PostgreSQL behind TLS: what the URL asks for is what is spoken, and a server that is another is refused.

use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::{assert_whole_trail, calls, database, totals};
use crate::node::{Site, mocked, until};

/// An authority, and the certificate of a server at the loopback's address under it.
struct Authority {
    root: String,
    server: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let own = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned(), "db.test".to_owned()]).unwrap();
        let server = params.signed_by(&own, &issuer).unwrap().pem();
        Self { root, server, key: own.serialize_pem() }
    }
}

#[expect(clippy::disallowed_methods, reason = "`psql` is how a server is told things here")]
fn psql(url: &str, commands: &[&str]) -> String {
    let mut psql = Command::new("psql");
    psql.args([url, "--quiet", "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1"]);
    commands.iter().for_each(|command| _ = psql.args(["--command", command]));
    let output = psql.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Has the server show a certificate from now on; who does not ask for TLS is served as before.
fn show(url: &str, authority: &Authority) {
    let write = |name: &str, text: &str| {
        let lines = format!("SELECT unnest(string_to_array('{}', E'\\n'))", text.trim());
        format!("COPY ({lines}) TO PROGRAM 'umask 077; cat > {name}'")
    };
    psql(
        url,
        &[
            &write("e2e.key", &authority.key),
            &write("e2e.crt", &authority.server),
            "ALTER SYSTEM SET ssl_key_file = 'e2e.key'",
            "ALTER SYSTEM SET ssl_cert_file = 'e2e.crt'",
            "ALTER SYSTEM SET ssl = on",
            "SELECT pg_reload_conf()",
        ],
    );
}

/// What a command that asks for the database says, and whether it came through.
fn asked(site: &mut Site, url: &str) -> (bool, String) {
    site.variables.retain(|(name, _)| *name != "DATABASE_URL");
    site.variables.push(("DATABASE_URL", url.to_owned()));
    let output = site.command(&["migrate", "status"]).output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_server_is_looked_at_as_the_url_says_and_all_that_is_said_is_sealed() {
    let Some(plain) = database() else { return };
    let (mock, mut site) = mocked(&[]);
    site.variables.push(("TMPDIR", site.path().display().to_string()));
    let (authority, other) = (Authority::new(), Authority::new());
    let [root, wrong] = [("root.pem", &authority), ("wrong.pem", &other)].map(|(name, authority)| {
        std::fs::write(site.file(name), &authority.root).unwrap();
        site.file(name).display().to_string()
    });
    show(&plain, &authority);
    until("the server speaks TLS", || asked(&mut site, &format!("{plain}?sslmode=require")).0.then_some(()));
    let named = plain.replace("127.0.0.1", "localhost");
    for (url, expected) in [
        (format!("{plain}?sslmode=require"), None),
        (format!("{plain}?sslmode=verify-ca&sslrootcert={root}"), None),
        (format!("{named}?sslmode=verify-ca&sslrootcert={root}"), None),
        (format!("{plain}?sslmode=verify-full&sslrootcert={root}"), None),
        (format!("{plain}?sslmode=verify-full&sslrootcert={root}&host=db.test&hostaddr=127.0.0.1"), None),
        (format!("{named}?sslmode=verify-full&sslrootcert={root}"), Some("not valid for name")),
        (format!("{plain}?sslmode=require&sslrootcert={wrong}"), Some("invalid peer certificate")),
        (format!("{plain}?sslmode=verify-full&sslrootcert={wrong}"), Some("invalid peer certificate")),
        (format!("{plain}?sslmode=verify-full&sslrootcert=system"), Some("UnknownIssuer")),
        (format!("{plain}?sslmode=verify-full&sslrootcert=no-file.pem"), Some("`sslrootcert` names")),
        (format!("{plain}?sslmode=prefer"), Some("`sslmode` is disable, require, verify-ca or verify-full")),
    ] {
        let (is_through, said) = asked(&mut site, &url);
        assert_eq!(is_through, expected.is_none(), "{url}: {said}");
        assert!(said.contains(expected.unwrap_or_default()), "{url}: {said}");
    }
    asked(&mut site, &format!("{plain}?sslmode=verify-full&sslrootcert={root}"));
    let (_, key) = site.key("app");
    let node = site.start();
    assert_eq!(calls(&node, &key, "gpt"), 200);
    let ours = "SELECT bool_and(ssl), count(*) > 0 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE datname = current_database() AND application_name = 'nexus'";
    assert_eq!(psql(&plain, &[ours]), "t|t");
    node.stop();
    assert_eq!(totals(&plain).attempts, mock.counts().requests);
    assert_whole_trail(&site);
    let left = std::fs::read_dir(site.path()).unwrap().map_while(Result::ok).map(|entry| entry.file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with("nexus-tls-")).collect();
    assert!(left.is_empty(), "no socket is left behind: {left:?}");
}
