//! The programs of an instance and the mock provider among them.
//! A port is found by asking the system, so two runs side by side do not meet.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xshell::cmd;

use super::{Dialect, LOOPBACK, OPENAI};
use crate::service::{Program, Service};
use crate::workspace::Workspace;

/// How the programs were built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Debug,
    Release,
}

/// The folder with the programs of an instance.
#[derive(Clone, Debug)]
pub(crate) struct Binaries(PathBuf);

impl Binaries {
    /// Builds gateway and testkit.
    pub(crate) fn build(workspace: &Workspace, profile: Profile) -> Result<Self> {
        let shell = &workspace.shell;
        let release = (profile == Profile::Release).then_some("--release");
        cmd!(shell, "cargo build {release...} -p nexus-gateway -p nexus-testkit --bins").quiet().run()?;
        let folder = if profile == Profile::Release { "release" } else { "debug" };
        Ok(Self(workspace.target.join(folder)))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((LOOPBACK, 0))?.local_addr()?.port())
}

pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((LOOPBACK, port)).is_ok()
}

/// A running mock provider.
#[derive(Debug)]
pub(crate) struct Mock {
    pub service: Service,
    pub port: u16,
}

impl Mock {
    /// Starts it on `port`, 0 for any.
    pub(crate) fn start(binaries: &Binaries, folder: &Path, port: u16, core: Option<u32>) -> Result<Self> {
        Self::start_with(binaries, folder, port, core, &[])
    }

    /// The same; it writes a line of each answer into `oracle`.
    pub(crate) fn start_noting(binaries: &Binaries, folder: &Path, oracle: &Path) -> Result<Self> {
        Self::start_with(binaries, folder, 0, None, &["--oracle".to_owned(), oracle.display().to_string()])
    }

    fn start_with(
        binaries: &Binaries,
        folder: &Path,
        port: u16,
        core: Option<u32>,
        more: &[String],
    ) -> Result<Self> {
        let listen = ["--listen".to_owned(), format!("{LOOPBACK}:{port}")];
        let program = Program {
            name: "nexus-mock",
            binary: binaries.path("nexus-mock"),
            args: [&listen, more].concat(),
            env: Vec::new(),
            folder: folder.to_owned(),
            log: None,
            core,
        };
        let (service, greeting) = program.start_and_greet()?;
        let port = port_of(&greeting).with_context(|| format!("`nexus-mock` said `{greeting}`"))?;
        Ok(Self { service, port })
    }

    /// The base URL a provider row needs.
    pub(crate) fn endpoint(&self) -> String {
        self.endpoint_at("/v1")
    }

    fn endpoint_at(&self, base: &str) -> String {
        format!("http://{LOOPBACK}:{}{base}", self.port)
    }

    /// The provider row of a configuration file, with these aliases and the names behind them.
    pub(crate) fn row(&self, models: &[(&str, &str)]) -> String {
        self.row_as(&OPENAI, models)
    }

    /// The same of a provider that is spoken to in this dialect.
    pub(crate) fn row_as(&self, dialect: &Dialect, models: &[(&str, &str)]) -> String {
        let Dialect { kind, base, key, options, .. } = dialect;
        let models: String = models
            .iter()
            .map(|(alias, real)| format!("      - {{ alias: \"{alias}\", real_name: \"{real}\" }}\n"))
            .collect();
        let endpoint = self.endpoint_at(base);
        let key = key.trim_end();
        let options = options.replace("{mock}", &format!("{LOOPBACK}:{}", self.port));
        format!(
            "  - name: \"mock\"\n    kind: {kind}\n    endpoint: \"{endpoint}\"\n    \
             allow_private_network: true\n    api_key: '{key}'\n    options: {options}\n    models:\n{models}"
        )
    }
}

/// The port in `.. on http://127.0.0.1:PORT/v1`.
fn port_of(greeting: &str) -> Option<u16> {
    greeting.rsplit_once(':')?.1.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mocks_port_is_read_from_its_greeting() {
        let cases = [
            ("mock provider on http://127.0.0.1:4123/v1", Some(4123)),
            ("mock provider on http://127.0.0.1:4123", Some(4123)),
            ("something else", None),
        ];
        for (greeting, port) in cases {
            assert_eq!(port_of(greeting), port, "{greeting}");
        }
    }
}
