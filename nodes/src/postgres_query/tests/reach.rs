//! Which databases are reached, and by whom.

use std::{path::Path, process::Command};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};

use super::{Place, bench};
use crate::{
    OwnDatabase, Services, ServicesConfig,
    testing::{Bench, allowing, services},
};

fn one() -> Value {
    json!({"mode": "query", "sql": "SELECT 1 AS one"})
}

#[tokio::test]
async fn a_private_network_needs_the_operators_word() {
    let params = json!({"url": "postgres://u:p@127.0.0.1:1/d", "statement": one()});
    Bench::with("postgres.query", &services()).fails(params.clone(), "EGRESS_DENIED", "loopback").await;
    bench().fails(params, "NETWORK_ERROR", "cannot be reached").await;
}

#[tokio::test]
async fn a_secret_goes_to_its_own_hosts_only() {
    let Some(place) = Place::open().await else { return };
    let params = place.params(json!({"statement": one()}));
    bench().secret_for("DB", &["db.example.org"]).fails(params.clone(), "SECRET_HOST_DENIED", "DB").await;
    bench().secret_for("DB", &["127.0.0.1"]).output(params).await;
}

/// H12: FlowForge's own database is refused, at whatever address.
#[tokio::test]
async fn the_servers_own_database_is_refused() {
    let Some(place) = Place::open().await else { return };
    let (server, name) = place.url.rsplit_once('/').unwrap();
    let port = server.rsplit_once(':').unwrap().1;
    let owning = |url: &str| {
        let config = ServicesConfig {
            javascript: crate::JavaScriptConfig::new(crate::testing::worker(), &[]),
            egress: "127.0.0.0/8".parse().unwrap(),
            sandbox: crate::SandboxConfig::new(crate::SandboxPolicy::Bubblewrap),
            claude: None,
            work_dir: crate::testing::work_dir(),
            own_database: OwnDatabase::from_url(url),
            own_redis: None,
            models: crate::ModelsConfig::new(None, None, None).unwrap(),
            push: crate::PushPolicy::default(),
        };
        Bench::with("postgres.query", &Services::new(config))
    };
    let socket = format!("postgres:///{name}?host=/run/postgresql&port={port}");
    for own in [place.url.clone(), format!("postgresql://x:y@localhost:{port}/{name}?sslmode=disable"), socket] {
        for host in ["127.0.0.1", "localhost", "127.0.0.2"] {
            let params = json!({"url": place.url.replace("127.0.0.1", host), "statement": one()});
            // At 127.0.0.2 nobody listens, so that is not even dialled successfully.
            let fault = owning(&own).run(params).await.unwrap_err();
            assert!(fault.code == "EGRESS_DENIED" || host == "127.0.0.2", "{own} {host}: {fault}");
        }
    }
    let other = owning(&format!("{server}/another"));
    other.output(place.params(json!({"statement": one()}))).await;
}

/// Whatever the address: it is known by its tables.
#[tokio::test]
async fn any_flowforge_database_is_refused() {
    let Some(place) = Place::with("CREATE TABLE step_runs (); CREATE TABLE step_leases ()").await else { return };
    place.run(json!({"statement": one()})).await;
    place.rows("CREATE TABLE seaql_migrations ()").await;
    place.fails(json!({"statement": one()}), "EGRESS_DENIED", "FlowForge").await;
    place.fails(json!({"statement": one(), "once": true}), "EGRESS_DENIED", "FlowForge").await;
    assert_eq!(place.rows("SELECT to_regclass('flowforge_effects')").await, ["null"]);
}

#[tokio::test]
async fn a_server_without_encryption_is_only_used_when_that_was_said() {
    let Some(place) = Place::open().await else { return };
    place.fails(json!({"statement": one(), "tls": "require"}), "POSTGRES_TLS", "does not support TLS").await;
    for tls in ["prefer", "disable"] {
        place.run(json!({"statement": one(), "tls": tls})).await;
    }
}

/// A certificate for this name, signed by an authority whose certificate comes first.
fn certificate(name: &str) -> (String, String, String) {
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    (issuer.pem(), certificate.pem(), key.serialize_pem())
}

pub(super) fn script(arguments: &[&str], options: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/setup/postgres.sh");
    let done = Command::new("sh").arg(script).args(arguments).env("PG_OPTIONS", options).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// PostgreSQL reads no key that others may read, and runs as another user when we are root.
fn write(folder: &Path, name: &str, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    if std::env::var("USER").is_ok_and(|user| user == "root") || std::fs::metadata("/root/.").is_ok() {
        Command::new("chown").arg("postgres").arg(&path).status().unwrap();
    }
    path.display().to_string()
}

/// A server of its own that speaks TLS.
struct Encrypted {
    folder: tempfile::TempDir,
    url: String,
}

impl Encrypted {
    fn start(certificate: &str, key: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let (certificate, key) = (write(folder.path(), "crt", certificate), write(folder.path(), "key", key));
        let options = format!("-c ssl=on -c ssl_cert_file={certificate} -c ssl_key_file={key}");
        let url = script(&["start", &folder.path().join("pg").display().to_string()], &options);
        Self { folder, url }
    }
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        script(&["stop", &self.folder.path().join("pg").display().to_string()], "");
    }
}

#[tokio::test]
async fn an_encrypted_connection_is_to_whom_it_should_be() {
    if std::env::var("FLOWFORGE_TEST_POSTGRES").is_err() {
        eprintln!("SKIPPED: FLOWFORGE_TEST_POSTGRES names no server, so none is started here either");
        return;
    }
    let (authority, certificate, key) = certificate("localhost");
    let server = Encrypted::start(&certificate, &key);
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let params = |host: &str, tls: Value, roots: &str| {
        let url = server.url.replace("127.0.0.1", host);
        json!({"url": url, "tls": tls, "ca_certificate": roots, "statement": {"mode": "query", "sql": sql}})
    };
    let bench = Bench::with("postgres.query", &allowing("127.0.0.0/8"));
    for (host, tls, roots, is_encrypted) in [
        ("localhost", json!("require"), &*authority, true),
        ("localhost", Value::Null, "", true),
        ("127.0.0.1", json!("prefer"), "", true),
        ("127.0.0.1", json!("disable"), "", false),
    ] {
        let output = bench.output(params(host, tls.clone(), roots)).await;
        assert_eq!(output.value["rows"], json!([{"ssl": is_encrypted}]), "{host} {tls}");
    }
    for (host, tls) in [("127.0.0.1", "require"), ("127.0.0.1", "prefer")] {
        bench.fails(params(host, json!(tls), &authority), "POSTGRES_TLS", "not valid for name").await;
    }
    bench.fails(params("localhost", json!("require"), ""), "POSTGRES_TLS", "certificate").await;
    bench.fails(params("localhost", json!("require"), "nonsense"), "INVALID_PARAMETER", "PEM").await;
    // What is cancelled over an encrypted connection ends over there as well.
    let sleep = json!({"url": server.url, "timeout_s": 0.5, "statements": [
        {"mode": "query", "sql": super::limits::OFF}, {"mode": "query", "sql": "SELECT pg_sleep(1000)"}]});
    bench.fails(sleep, "POSTGRES_TIMEOUT", "").await;
    let place = Place::on(&server.url).await;
    place.until("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'flowforge'", "0").await;
}
