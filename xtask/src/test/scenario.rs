//! A throw-away gateway before a mock provider, with an alias for each behaviour the suites ask for.
//! The aliases are the contract with `tests/sdk`: rename them there and here together.

use anyhow::Result;
use xshell::TempDir;

use crate::instance::{Binaries, Instance, Keys, Mock, Plan};
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
    ("dies", "mock-gpt+events=10+fault=error_event:3"),
    ("cut", "mock-gpt+events=10+fault=cut_after_events:3"),
];

/// All that a suite needs; everything stops and vanishes when it is dropped.
pub(super) struct Scenario {
    pub(super) instance: Instance,
    pub(super) keys: Keys,
    // Dropped after the gateway: it may still be writing there.
    _mock: Mock,
    _home: TempDir,
}

impl Scenario {
    pub(super) fn start(workspace: &Workspace, binaries: &Binaries) -> Result<Self> {
        let home = workspace.shell.create_temp_dir()?;
        let mock = Mock::start(binaries, home.path(), 0, None)?;
        let config = format!("providers:\n{}", mock.row(ALIASES));
        let mut instance = Plan::throw_away(binaries, home.path(), config)?.start()?;
        let keys = instance.make_keys()?;
        Ok(Self { instance, keys, _mock: mock, _home: home })
    }

    /// What a suite reads from its environment.
    pub(super) fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("NEXUS_URL", self.instance.url()),
            ("NEXUS_METRICS_URL", self.instance.metrics_url()),
            ("NEXUS_KEY", self.keys.app.clone()),
            ("NEXUS_ADMIN_KEY", self.keys.admin.clone()),
        ]
    }
}
