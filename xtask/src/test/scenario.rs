//! A throw-away gateway before a mock provider, with an alias for each behaviour the suites ask for.
//! The aliases are the contract with `tests/sdk`: rename them there and here together.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use xshell::TempDir;

use super::tally::{Reader, Tally};
use crate::instance::{Binaries, Dialect, Instance, Keys, Mock, Plan};
use crate::workspace::Workspace;

/// Alias, and the mock's model that behaves so.
const ALIASES: &[(&str, &str)] = &[
    ("nexus-gpt4", "mock-gpt"),
    ("long", "mock-gpt+events=40"),
    ("slow", "mock-gpt+delay_ms=first:5000"),
    ("endless", "mock-gpt+events=2000+delay_ms=between:20"),
    ("no-usage", "mock-gpt+usage=absent"),
    ("commented", "mock-gpt+comment=every:2"),
    ("crlf", "mock-gpt+crlf"),
    ("limited", "mock-gpt+fault=status:429,retry_after:1"),
    ("broken", "mock-gpt+fault=status:500"),
    ("dies", "mock-gpt+events=10+delay_ms=between:20+fault=error_event:3"),
    ("cut", "mock-gpt+events=10+delay_ms=between:20+fault=cut_after_events:3"),
];

/// All that a suite needs; everything stops and vanishes when it is dropped.
pub(super) struct Scenario {
    pub(super) instance: Instance,
    keys: Keys,
    docs: PathBuf,
    lacks: String,
    provider_key: &'static str,
    // Dropped after the gateway: it may still be writing there.
    _mock: Mock,
    _home: TempDir,
}

impl Scenario {
    pub(super) fn start(workspace: &Workspace, binaries: &Binaries, dialect: &Dialect) -> Result<Self> {
        let home = workspace.shell.create_temp_dir()?;
        let mock = Mock::start(binaries, home.path(), 0, None)?;
        let aliases = [ALIASES, &[("embedder", dialect.embedder)]].concat();
        let config = format!("providers:\n{}", mock.row_as(dialect, &aliases));
        let mut instance = Plan::throw_away(binaries, home.path(), config)?.start()?;
        let keys = Keys { admin: instance.make_platform_key()?, ..instance.make_keys()? };
        Ok(Self {
            instance,
            keys,
            docs: workspace.root.join("docs"),
            lacks: dialect.lacks.join(","),
            provider_key: dialect.key,
            _mock: mock,
            _home: home,
        })
    }

    /// Runs a suite; the gateway's last words help where it failed.
    pub(super) fn finish(&self, command: &mut Command, read: Reader) -> Result<Tally> {
        let tally = Tally::of(command, read)?;
        if !tally.is_good() {
            println!("--- the gateway's last words\n{}", self.instance.log_tail());
        }
        Ok(tally)
    }

    /// What nobody may be told, as JSON: what it is, and the secret.
    pub(super) fn canaries(&self) -> Result<String> {
        let secrets = self.instance.secrets().chain([("the provider's key", self.provider_key)]);
        Ok(serde_json::to_string(&secrets.collect::<BTreeMap<_, _>>())?)
    }

    /// What a suite reads from its environment.
    pub(super) fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("NEXUS_URL", self.instance.url()),
            ("NEXUS_METRICS_URL", self.instance.metrics_url()),
            ("NEXUS_KEY", self.keys.app.clone()),
            ("NEXUS_ADMIN_KEY", self.keys.admin.clone()),
            ("NEXUS_LACKS", self.lacks.clone()),
            ("NEXUS_DOCS", self.docs.display().to_string()),
        ]
    }
}
