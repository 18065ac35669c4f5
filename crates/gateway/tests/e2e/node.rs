//! A throw-away gateway: its own folder, free ports, keys made by its own command line.
//!
//! Dropping it kills the process and removes the folder; what it logged stays at hand until then.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nexus_testkit::{Mock, Options};
use tempfile::TempDir;

use crate::client::{Answer, Client};

pub const SECRET_KEY: &str = "5Q0l0hTgIEeS7K0n5mV1c8Z3xB6yP9wA2dF4gH7jK1s=";
pub const ENCRYPTION_KEY: &str = "hV8mN2bX4cZ7lK9jH1gF3dS5aP6oI0uY+tR/eW2qQ8k=";
pub const PROVIDER_KEY: &str = "sk-provider-canary-93c1f0a7d2";

/// Waits until a condition holds; a condition that never does fails the test.
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "never came true: {what}");
        std::thread::yield_now();
    }
}

/// A folder with a configuration, and the ports it names.
pub struct Site {
    folder: TempDir,
    pub api: SocketAddr,
    pub metrics: SocketAddr,
    /// Variables beside those every site has.
    pub variables: Vec<(&'static str, String)>,
}

/// A provider of the kind `custom` on the loopback.
pub fn provider(name: &str, endpoint: &str, models: &[(&str, &str)]) -> String {
    let models: String = models
        .iter()
        .map(|(alias, real)| format!("      - {{ alias: \"{alias}\", real_name: \"{real}\" }}\n"))
        .collect();
    format!(
        "  - name: {name}\n    kind: custom\n    endpoint: \"{endpoint}\"\n    api_key: \"${{PROVIDER_KEY}}\"\n    allow_private_network: true\n    models:\n{models}"
    )
}

impl Site {
    pub fn new(providers: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [api, metrics] = [free_address(), free_address()];
        let yaml = format!("timeouts: {{ first_byte_ms: 1500 }}\nproviders:\n{providers}");
        fs::write(folder.path().join("nexus.yaml"), yaml).unwrap();
        Self { folder, api, metrics, variables: Vec::new() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The binary with this site's environment and nothing of ours.
    #[expect(clippy::disallowed_methods, reason = "the test is about the process")]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nexus"));
        command
            .args(arguments)
            .env_clear()
            .env("NEXUS_SECRET_KEY", SECRET_KEY)
            .env("DB_ENCRYPTION_KEY", ENCRYPTION_KEY)
            .env("PROVIDER_KEY", PROVIDER_KEY)
            .env("MONITORING_PORT", self.metrics.port().to_string())
            // no test waits for clients that stay
            .env("NEXUS_SERVER__LEAVE_SECONDS", "0")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end and returns what it printed.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes a key with the command line.
    pub fn key(&self, level: &str) -> (String, String) {
        let printed =
            self.run(&["key", "create", "--level", level, "--output", "json", "--config", "nexus.yaml"]);
        let json: serde_json::Value = serde_json::from_str(&printed).unwrap();
        (json["id"].as_str().unwrap().to_owned(), json["key"].as_str().unwrap().to_owned())
    }

    pub fn start(&self) -> Node<'_> {
        self.start_with(&[])
    }

    /// Starts the gateway and waits until it is ready.
    pub fn start_with(&self, arguments: &[&str]) -> Node<'_> {
        self.start_under(ENCRYPTION_KEY, arguments)
    }

    /// The same with another `DB_ENCRYPTION_KEY`.
    pub fn start_under(&self, encryption_key: &str, arguments: &[&str]) -> Node<'_> {
        self.start_among(&[("DB_ENCRYPTION_KEY", encryption_key)], arguments)
    }

    /// The same with these variables beside or in the place of the usual ones.
    pub fn start_among(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Node<'_> {
        let port = self.api.port().to_string();
        let mut all = vec!["serve", "--config", "nexus.yaml", "--port", &port, "--workers", "2"];
        all.extend(arguments);
        let log = fs::OpenOptions::new().create(true).append(true).open(self.file("nexus.log")).unwrap();
        let mut command = self.command(&all);
        command.envs(variables.iter().copied()).stderr(log);
        let mut node = Node { site: self, child: command.spawn().unwrap() };
        until("the gateway is ready", || {
            if let Some(status) = node.child.try_wait().unwrap() {
                panic!("the gateway ended with {status}:\n{}", self.log());
            }
            node.get("/readyz", &[]).filter(|answer| answer.status == 200)
        });
        node
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.file("nexus.log")).unwrap_or_default()
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// A running gateway.
pub struct Node<'a> {
    pub site: &'a Site,
    child: Child,
}

impl Node<'_> {
    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn client(&self) -> Client {
        Client::connect(self.site.api).unwrap()
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
        let mut client = Client::connect(self.site.api).ok()?;
        client.send("GET", path, headers, b"").ok()?;
        client.answer().ok()
    }

    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut client = self.client();
        client.send(method, path, headers, body.as_bytes()).unwrap();
        client.answer().unwrap()
    }

    /// `POST /v1/chat/completions` with a bearer key.
    pub fn chat(&self, key: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.request("POST", "/v1/chat/completions", &headers, body)
    }

    /// The page of metrics.
    pub fn metrics(&self) -> String {
        let mut client = Client::connect(self.site.metrics).unwrap();
        client.send("GET", "/metrics", &[], b"").unwrap();
        client.answer().unwrap().text().to_owned()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a signal is sent by the tool for it; no library is worth it"
    )]
    pub fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub fn wait(&mut self) -> ExitStatus {
        until("the gateway ends", || self.child.try_wait().unwrap())
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Stops it in order, so that everything booked is in the database.
    pub fn stop(mut self) {
        self.signal("TERM");
        let status = self.wait();
        assert!(status.success(), "{status}:\n{}", self.site.log());
    }
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped_already = self.child.wait();
    }
}

/// A mock provider behind the alias `gpt` (and the alias `scripted` for each script given).
pub fn mocked(scripts: &[(&str, &str)]) -> (Mock, Site) {
    let mock = Mock::start(Options::default()).unwrap();
    let mut models = vec![("gpt", "mock-gpt")];
    models.extend(scripts);
    let site = Site::new(&provider("mock", &mock.url(), &models));
    (mock, site)
}

pub fn ask(model: &str) -> String {
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"say hello"}}]}}"#)
}

pub fn ask_stream(model: &str) -> String {
    format!(r#"{{"model":"{model}","stream":true,"messages":[{{"role":"user","content":"say hello"}}]}}"#)
}
