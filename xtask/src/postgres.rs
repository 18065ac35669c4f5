//! A PostgreSQL server of our own, to be thrown away: its data in a temporary folder, on a free port of the loopback,
//! stopped and removed when dropped. It keeps nothing through a crash of the machine, which makes it quick.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use xshell::{Shell, TempDir, cmd};

use crate::host::{self, Need};
use crate::instance::{LOOPBACK, free_port, random_hex};
use crate::service::{Program, Service};
use crate::workspace::Workspace;

const START_PATIENCE: Duration = Duration::from_secs(60);
const DEBIAN: &str = "/usr/lib/postgresql";
/// Whom the Debian package makes: the server refuses to run as root.
const SERVER_USER: &str = "postgres";
const USER: &str = "nexus";

const SERVER: Need = Need {
    name: "PostgreSQL",
    probe: "command -v initdb || ls /usr/lib/postgresql/*/bin/initdb",
    packages: &["postgresql"],
};

/// A running server.
#[derive(Debug)]
pub(crate) struct Postgres {
    // before the folder, which it writes to as long as it runs
    pub service: Service,
    program: Program,
    _home: TempDir,
    bin: PathBuf,
    pub port: u16,
    /// The URL of a database in it, whose user may do everything.
    pub url: String,
}

impl Postgres {
    /// Starts one, installing it first where that is possible.
    pub(crate) fn start(workspace: &Workspace) -> Result<Self> {
        let shell = &workspace.shell;
        host::ensure(shell, &[SERVER])?;
        let bin = binaries(shell)?;
        let is_root = cmd!(shell, "id -u").quiet().read()? == "0";
        let home = shell.create_temp_dir()?;
        let folder = home.path();
        let password = random_hex()?;
        let password_file = folder.join("password");
        shell.write_file(&password_file, &password)?;
        if is_root {
            let id = |flag: &str| -> Result<u32> {
                Ok(cmd!(shell, "id {flag} {SERVER_USER}").quiet().read()?.parse()?)
            };
            for path in [folder, &password_file] {
                chown(path, Some(id("-u")?), Some(id("-g")?))?;
            }
        }
        let data = folder.join("data");
        // texts are ordered as people do, so that a query which relies on bytes is found out
        let init = [
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=icu",
            "--icu-locale=en-US",
            "--no-sync",
        ];
        let initdb = as_server(is_root, &bin.join("initdb"));
        cmd!(shell, "env {initdb...} --pgdata={data} --username={USER} --pwfile={password_file} {init...}")
            .quiet()
            .ignore_stdout()
            .run()?;
        let port = free_port()?;
        let program = program(&bin, is_root, folder, port);
        let service = program.start()?;
        let url = format!("postgres://{USER}:{password}@{LOOPBACK}:{port}/postgres");
        let mut started = Self { service, program, _home: home, bin, port, url };
        started.wait()?;
        Ok(started)
    }

    /// Starts it again after it was killed, with all that was committed.
    pub(crate) fn start_again(&mut self) -> Result<()> {
        self.service = self.program.start()?;
        self.wait()
    }

    fn wait(&mut self) -> Result<()> {
        let (is_ready, port) = (self.bin.join("pg_isready"), self.port.to_string());
        self.service.wait_until(START_PATIENCE, || {
            let host = format!("--host={LOOPBACK}");
            let asked = Command::new(&is_ready).args(["--quiet", &host, "--port", &port]).status();
            asked.is_ok_and(|status| status.success())
        })
    }

    /// The lines a query gives.
    pub(crate) fn query(&self, query: &str) -> Result<Vec<String>> {
        let psql = self.bin.join("psql");
        let output =
            Command::new(psql).args([&self.url, "--no-align", "--tuples-only", "-c", query]).output()?;
        ensure!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
    }
}

fn program(bin: &Path, is_root: bool, folder: &Path, port: u16) -> Program {
    let mut words = as_server(is_root, &bin.join("postgres")).into_iter();
    let binary = words.next().unwrap_or_default();
    let mut args: Vec<String> = words.collect();
    args.extend(["-D".to_owned(), folder.join("data").display().to_string()]);
    args.extend(["-p".to_owned(), port.to_string()]);
    let settings = [
        format!("listen_addresses={LOOPBACK}"),
        "unix_socket_directories=".to_owned(),
        "max_connections=300".to_owned(),
        "fsync=off".to_owned(),
        "full_page_writes=off".to_owned(),
    ];
    args.extend(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]));
    let (env, log) = (Vec::new(), Some(folder.join("server.log")));
    Program { name: "postgres", binary: binary.into(), args, env, folder: folder.to_owned(), log, core: None }
}

/// The command of a server's program, as root through another user; the kernel forgets who is to be told of our
/// death when the user changes.
fn as_server(is_root: bool, program: &Path) -> Vec<String> {
    let program = program.display().to_string();
    if !is_root {
        return vec![program];
    }
    let user = [format!("--reuid={SERVER_USER}"), format!("--regid={SERVER_USER}")];
    let words = ["setpriv", "--init-groups", "--pdeathsig=INT"].map(str::to_owned);
    words.into_iter().chain(user).chain([program]).collect()
}

/// The folder with the server's programs: the newest of Debian's, which are not on the path, else that on the path.
fn binaries(shell: &Shell) -> Result<PathBuf> {
    let versions = shell.read_dir(DEBIAN).unwrap_or_default();
    let version = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.into_iter().filter(|folder| folder.join("bin/initdb").exists()).max_by_key(version);
    match newest {
        Some(folder) => Ok(folder.join("bin")),
        None => {
            let initdb = cmd!(shell, "sh -c").arg("command -v initdb").quiet().read()?;
            Ok(Path::new(&initdb).parent().context("`initdb` lies nowhere")?.to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_lets_another_user_run_the_server() {
        let program = Path::new("/bin/initdb");
        assert_eq!(as_server(false, program), ["/bin/initdb"]);
        let words = as_server(true, program);
        assert_eq!(words.first().map(String::as_str), Some("setpriv"));
        assert!(words.contains(&"--reuid=postgres".to_owned()));
        assert_eq!(words.last().map(String::as_str), Some("/bin/initdb"));
    }
}
