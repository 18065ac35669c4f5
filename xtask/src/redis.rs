//! A Valkey or Redis of our own, to be thrown away: on a free port of the loopback, with nothing on disk, so that one that
//! was killed has forgotten everything.

use std::net::TcpStream;
use std::time::Duration;

use anyhow::Result;
use xshell::{Shell, TempDir, cmd};

use crate::host;
use crate::instance::{LOOPBACK, free_port};
use crate::service::{Program, Service};

const START_PATIENCE: Duration = Duration::from_secs(10);

/// A running server.
#[derive(Debug)]
pub(crate) struct Redis {
    pub service: Service,
    program: Program,
    _home: TempDir,
    pub port: u16,
}

impl Redis {
    /// Starts one, installing it first where that is possible.
    pub(crate) fn start(shell: &Shell) -> Result<Self> {
        host::ensure(shell, &[host::REDIS])?;
        let name =
            cmd!(shell, "sh -c").arg("command -v valkey-server || command -v redis-server").quiet().read()?;
        let (home, port) = (shell.create_temp_dir()?, free_port()?);
        let args = ["--bind", LOOPBACK, "--port", &port.to_string(), "--save", "", "--appendonly", "no"];
        let program = Program {
            name: "redis",
            binary: name.into(),
            args: args.map(str::to_owned).to_vec(),
            env: Vec::new(),
            folder: home.path().to_owned(),
            log: Some(home.path().join("server.log")),
            core: None,
        };
        let service = program.start()?;
        let mut started = Self { service, program, _home: home, port };
        started.wait()?;
        Ok(started)
    }

    /// Starts it again after it was killed.
    pub(crate) fn start_again(&mut self) -> Result<()> {
        self.service = self.program.start()?;
        self.wait()
    }

    fn wait(&mut self) -> Result<()> {
        let port = self.port;
        self.service.wait_until(START_PATIENCE, || TcpStream::connect((LOOPBACK, port)).is_ok())
    }
}
