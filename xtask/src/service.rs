//! A child process that never outlives the workshop: stopped when dropped, and by the kernel if the workshop is killed.
//! It stands in a process group of its own, so that Ctrl-C reaches it once and through us.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often a condition is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Longer than the gateway's own drain of idle connections; then it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(30);
const LOG_TAIL_LINES: usize = 20;

/// What to run, and how.
#[derive(Debug)]
pub(crate) struct Program {
    pub name: &'static str,
    pub binary: PathBuf,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    pub folder: PathBuf,
    /// Where its output goes; `None` is the workshop's own.
    pub log: Option<PathBuf>,
    /// The one core it may use.
    pub core: Option<u32>,
}

/// A running program.
#[derive(Debug)]
pub(crate) struct Service {
    name: &'static str,
    child: Child,
    log: Option<PathBuf>,
}

impl Program {
    /// Starts it. Variables that would turn an instance into another one are not inherited.
    pub(crate) fn start(&self) -> Result<Service> {
        self.start_as(self.command())
    }

    /// Starts it with a socket that listens already, handed over as systemd does it.
    pub(crate) fn start_on(&self, socket: &TcpListener) -> Result<Service> {
        let hand_over = "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\" 3<&0 0</dev/null";
        let own = [hand_over, "sh", &self.binary.display().to_string()].map(str::to_owned);
        let args = std::iter::once("-c".to_owned()).chain(own).chain(self.args.iter().cloned()).collect();
        let env = self.env.clone();
        let (folder, log) = (self.folder.clone(), self.log.clone());
        let program = Self { name: self.name, binary: "sh".into(), args, env, folder, log, core: self.core };
        let mut command = program.command();
        command.stdin(OwnedFd::from(socket.try_clone()?));
        self.start_as(command)
    }

    fn start_as(&self, mut command: Command) -> Result<Service> {
        let binary = self.binary.display();
        if let Some(log) = &self.log {
            let file = File::create(log).with_context(|| format!("cannot write `{}`", log.display()))?;
            command.stdout(file.try_clone()?).stderr(file);
        }
        let child = command.spawn().with_context(|| format!("cannot start `{binary}`: is it built?"))?;
        Ok(Service { name: self.name, child, log: self.log.clone() })
    }

    /// Starts it and gives the first line it prints, its greeting; the rest of its output is dropped.
    pub(crate) fn start_and_greet(&self) -> Result<(Service, String)> {
        let mut child = self.command().stdout(Stdio::piped()).spawn()?;
        let pipe = child.stdout.take().context("no pipe to read the greeting from")?;
        let service = Service { name: self.name, child, log: None };
        let mut reader = BufReader::new(pipe);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.is_empty() {
            bail!("`{}` ended before it said where it listens", self.name);
        }
        std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        Ok((service, line.trim().to_owned()))
    }

    /// Runs it to its end; `log` is not used.
    pub(crate) fn output(&self) -> Result<Output> {
        let binary = self.binary.display();
        self.command().output().with_context(|| format!("cannot start `{binary}`"))
    }

    fn command(&self) -> Command {
        let core =
            self.core.map(|core| vec!["taskset".to_owned(), "--cpu-list".to_owned(), core.to_string()]);
        let mut words = core.unwrap_or_default();
        words.extend(["setpriv", "--pdeathsig", "TERM"].map(str::to_owned));
        words.push(self.binary.display().to_string());
        words.extend(self.args.iter().cloned());
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).current_dir(&self.folder).stdin(Stdio::null()).process_group(0);
        for (name, _) in std::env::vars_os() {
            if is_ours(&name.to_string_lossy()) {
                command.env_remove(&name);
            }
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A variable that configures an instance, which a stray one in the environment must not do.
fn is_ours(name: &str) -> bool {
    name.starts_with("NEXUS_")
        || ["DB_ENCRYPTION_KEY", "DATABASE_URL", "REDIS_URL", "MONITORING_PORT"].contains(&name)
}

impl Service {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until `is_ready`, at most `patience`; an early end of the program is an error with its last words.
    pub(crate) fn wait_until(
        &mut self,
        patience: Duration,
        mut is_ready: impl FnMut() -> bool,
    ) -> Result<()> {
        let started = Instant::now();
        while !is_ready() {
            if let Some(status) = self.ended()? {
                bail!("`{}` ended with {status}:\n{}", self.name, self.last_words());
            }
            if started.elapsed() > patience {
                bail!("`{}` is not ready after {patience:?}:\n{}", self.name, self.last_words());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Asks it to end and waits; a program that will not is killed, and that is an error.
    pub(crate) fn stop(&mut self) -> Result<ExitStatus> {
        self.terminate();
        let started = Instant::now();
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if started.elapsed() > STOP_PATIENCE {
                self.child.kill()?;
                self.child.wait()?;
                bail!("`{}` did not end within {STOP_PATIENCE:?} and was killed", self.name);
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Sends SIGTERM, as a service manager would.
    pub(crate) fn terminate(&self) {
        self.signal("TERM", &[self.pid()]);
    }

    /// Sends a signal to it and to the processes it has made itself, such as `STOP`, `CONT` or `KILL`.
    pub(crate) fn signal_all(&self, name: &str) {
        let pid = self.pid();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        let all = children.split_whitespace().filter_map(|child| child.parse().ok());
        self.signal(name, &std::iter::once(pid).chain(all).collect::<Vec<u32>>());
    }

    /// Kills it and the processes it has made itself, and waits until it is gone.
    pub(crate) fn kill_all(&mut self) -> Result<()> {
        self.signal_all("KILL");
        self.child.wait()?;
        Ok(())
    }

    fn signal(&self, name: &str, pids: &[u32]) {
        let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
        let signal = format!("kill -{name} {}", pids.join(" "));
        let sent = Command::new("sh").args(["-c", &signal]).stderr(Stdio::null()).status();
        if let Err(error) = sent {
            eprintln!("cannot signal `{}`: {error}", self.name);
        }
    }

    fn last_words(&self) -> String {
        self.log.as_deref().map(tail).unwrap_or_default()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None))
            && let Err(error) = self.stop()
        {
            eprintln!("{error}");
        }
    }
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> String {
    let text =
        std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(LOG_TAIL_LINES)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program {
            name: "shell",
            binary: "sh".into(),
            args: vec!["-c".into(), script.into()],
            env: Vec::new(),
            folder: std::env::temp_dir(),
            log: None,
            core: None,
        }
    }

    #[test]
    fn a_service_greets_is_stopped_by_a_signal_and_ends_well() {
        let script = "trap 'exit 0' TERM; echo hello; while :; do sleep 0.05; done";
        let (mut service, greeting) = shell(script).start_and_greet().unwrap();
        assert_eq!(greeting, "hello");
        assert!(service.ended().unwrap().is_none());
        assert!(service.stop().unwrap().success());
    }

    #[test]
    fn a_service_that_ends_early_is_an_error_not_a_wait() {
        let mut service = shell("exit 3").start().unwrap();
        let error = service.wait_until(Duration::from_secs(10), || false).unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");
        assert!(shell("exit 0").start_and_greet().is_err());
    }

    #[test]
    fn only_variables_that_configure_an_instance_are_withheld() {
        let cases = [
            ("NEXUS_SERVER__PORT", true),
            ("DATABASE_URL", true),
            ("OPENAI_API_KEY", false),
            ("PATH", false),
        ];
        for (name, ours) in cases {
            assert_eq!(is_ours(name), ours, "{name}");
        }
    }
}
