//! A gateway with its mock provider, its data and its keys: what `dev`, `test` and `bench` all stand on.
//! Everything an instance writes lies in its home's `nexus-data`, readable by its owner alone.

mod dialect;
mod mock;
mod secrets;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::http;
use crate::service::{Program, Service, tail};
pub(crate) use dialect::{DIALECTS, Dialect, OPENAI};
pub(crate) use mock::{Binaries, Mock, Profile, free_port, is_free};
pub(crate) use secrets::{Secrets, random_hex, write_private};

const START_PATIENCE: Duration = Duration::from_secs(60);
const KEY_PATIENCE: Duration = Duration::from_secs(10);
pub(crate) const LOOPBACK: &str = "127.0.0.1";
pub(crate) const DATA: &str = "nexus-data";

/// The folder for all that an instance in `home` writes.
pub(crate) fn make_data(home: &Path) -> Result<()> {
    Ok(fs::DirBuilder::new().recursive(true).mode(0o700).create(home.join(DATA))?)
}

/// What to start.
#[derive(Clone)]
pub(crate) struct Plan {
    pub binaries: Binaries,
    /// The folder in which `nexus-data` lies.
    pub home: PathBuf,
    /// The configuration file's text.
    pub config: String,
    pub port: u16,
    pub metrics_port: u16,
    /// Flags beside those every instance needs.
    pub flags: Vec<String>,
    /// Variables beside its root secrets.
    pub env: Vec<(String, String)>,
    /// The socket of its address, where somebody else holds it.
    pub socket: Option<Arc<TcpListener>>,
    pub core: Option<u32>,
    /// Logs go to the terminal instead of a file.
    pub is_loud: bool,
}

/// A running gateway.
pub(crate) struct Instance {
    pub service: Service,
    plan: Plan,
    env: Vec<(String, String)>,
}

/// The keys of an instance, as `nexus key create` prints them.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Keys {
    pub admin: String,
    pub app: String,
}

impl Plan {
    /// On free ports in a folder of its own, to be thrown away.
    pub(crate) fn throw_away(binaries: &Binaries, home: &Path, config: String) -> Result<Self> {
        let (port, metrics_port) = (free_port()?, free_port()?);
        Ok(Self {
            binaries: binaries.clone(),
            home: home.to_owned(),
            config,
            port,
            metrics_port,
            flags: Vec::new(),
            env: Vec::new(),
            socket: None,
            core: None,
            is_loud: false,
        })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.home.join(DATA)
    }

    fn config_file(&self) -> PathBuf {
        self.data().join("dev.yaml")
    }

    /// Where its root secrets are kept.
    pub(crate) fn secrets_file(&self) -> PathBuf {
        self.data().join("dev.env")
    }

    pub(crate) fn log_file(&self) -> PathBuf {
        self.data().join("gateway.log")
    }

    fn program(&self, args: Vec<String>, env: Vec<(String, String)>) -> Program {
        Program {
            name: "nexus",
            binary: self.binaries.path("nexus"),
            args,
            env,
            folder: self.home.clone(),
            log: (!self.is_loud).then(|| self.log_file()),
            core: self.core,
        }
    }

    /// Writes the configuration, starts the gateway and waits until it says it is ready.
    pub(crate) fn start(self) -> Result<Instance> {
        make_data(&self.home)?;
        write_private(&self.config_file(), &self.config)?;
        let mut env = Secrets::kept(&self.secrets_file())?.0;
        env.push(("MONITORING_PORT".into(), self.metrics_port.to_string()));
        env.extend(self.env.iter().cloned());
        let mut args = vec!["serve".into(), "--config".into(), self.config_file().display().to_string()];
        args.extend(["--bind".into(), format!("{LOOPBACK}:{}", self.port)]);
        args.extend(self.flags.iter().cloned());
        let program = self.program(args, env.clone());
        // where another process may answer on the same address, its own listener says that it serves
        let (mut service, port, path) = match &self.socket {
            Some(socket) => (program.start_on(socket)?, self.metrics_port, "/metrics"),
            None => (program.start()?, self.port, "/readyz"),
        };
        service.wait_until(START_PATIENCE, || matches!(http::ask(port, path, None), Ok((200, _))))?;
        Ok(Instance { service, plan: self, env })
    }
}

impl Instance {
    pub(crate) fn address(&self) -> String {
        format!("{LOOPBACK}:{}", self.plan.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.plan.port
    }

    pub(crate) fn metrics_port(&self) -> u16 {
        self.plan.metrics_port
    }

    pub(crate) fn metrics_address(&self) -> String {
        format!("{LOOPBACK}:{}", self.plan.metrics_port)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    pub(crate) fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.metrics_address())
    }

    /// Its root secrets, by the names of their variables.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = (&str, &str)> {
        let named = |(name, _): &&(String, String)| name.ends_with("_KEY");
        self.env.iter().filter(named).map(|(name, secret)| (name.as_str(), secret.as_str()))
    }

    pub(crate) fn log_tail(&self) -> String {
        tail(&self.plan.log_file())
    }

    /// A new pair, usable when this returns.
    pub(crate) fn make_keys(&mut self) -> Result<Keys> {
        let [admin, app] = ["admin", "app"].map(|level| self.make_key(level, &["--team", "dev"]));
        let keys = Keys { admin: admin?, app: app? };
        let port = self.plan.port;
        self.service
            .wait_until(KEY_PATIENCE, || knows(port, &keys))
            .context("the new keys are not accepted")?;
        Ok(keys)
    }

    /// The pair kept in `file` if it still verifies, else a new one, kept there.
    pub(crate) fn kept_keys(&mut self, file: &Path) -> Result<Keys> {
        let kept = fs::read_to_string(file).ok().and_then(|text| serde_json::from_str::<Keys>(&text).ok());
        if let Some(keys) = kept.filter(|keys| knows(self.plan.port, keys)) {
            return Ok(keys);
        }
        let keys = self.make_keys()?;
        write_private(file, &serde_json::to_string_pretty(&keys)?)?;
        Ok(keys)
    }

    /// An admin key of no team, which may do everything; it proves itself and is good at once.
    pub(crate) fn make_platform_key(&self) -> Result<String> {
        self.make_key("admin", &[])
    }

    fn make_key(&self, level: &str, team: &[&str]) -> Result<String> {
        #[derive(Deserialize)]
        struct Created {
            key: String,
        }
        let args = [&["key", "create", "--level", level, "--output", "json"], team].concat();
        let args = args.into_iter().map(str::to_owned).collect();
        let output = self.plan.program(args, self.env.clone()).output()?;
        if !output.status.success() {
            bail!("`nexus key create` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let created: Created = serde_json::from_slice(&output.stdout)
            .context("`nexus key create` printed no JSON with a `key`")?;
        Ok(created.key)
    }
}

/// Whether the gateway on `port` takes both keys for real; what they may do is another matter.
fn knows(port: u16, keys: &Keys) -> bool {
    [&keys.admin, &keys.app].iter().all(|key| {
        http::ask(port, "/v1/models", Some(key)).is_ok_and(|(status, _)| status != 401 && status < 500)
    })
}
