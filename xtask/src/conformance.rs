//! The tests OpenAI's SDK for Python brings along, against a server made from OpenAI's specification: directly, and
//! through a gateway that stands before it. What passes directly must pass through.
//!
//! The gateway relays whatever it does not know to that server, and its key may do everything an application may. What
//! it refuses by design is counted apart.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use xshell::cmd;

use crate::instance::{Binaries, LOOPBACK, Plan, Profile, free_port};
use crate::service::{Program, Service};
use crate::test::sdk::python_with;
use crate::workspace::Workspace;
use crate::{http, node};

/// How long the server may read the specification.
const PATIENCE: Duration = Duration::from_secs(180);
/// The SDK whose tests are run, as `requirements.txt` pins it.
const SDK: &str = "openai";
/// Where the specification lies.
const SPEC: &str = "../shared/openai-openapi.yaml";
/// What is among the tests.
const SLICE: [&str; 5] = ["files", "uploads", "batches", "vector_stores", "conversations"];
/// What an operation that is refused by design is answered with.
const REFUSED: &str = "operation_not_served";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// OpenAI's specification
    #[arg(long, default_value = SPEC)]
    spec: PathBuf,
    /// Only these tests, as paths below the SDK's `tests`
    #[arg(long, value_delimiter = ',', default_value = "api_resources")]
    only: Vec<String>,
    /// How many tests run at once
    #[arg(long, default_value_t = 2)]
    workers: u32,
}

/// Runs the tests twice and says what the gateway changes.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let spec = workspace.root.join(&options.spec);
    if !spec.is_file() {
        bail!("there is no specification at `{}`; name it with `--spec FILE`", spec.display());
    }
    compare(workspace, &Binaries::build(workspace, Profile::Debug)?, options, &spec)
}

/// The part of it that is among the tests; `None` where the specification is not beside the checkout.
pub(crate) fn slice(workspace: &Workspace, binaries: &Binaries) -> Result<Option<bool>> {
    let spec = workspace.root.join(SPEC);
    if !spec.is_file() {
        return Ok(None);
    }
    let only = SLICE.map(|name| format!("api_resources/test_{name}.py")).to_vec();
    let options = Options { spec: SPEC.into(), only, workers: 2 };
    compare(workspace, binaries, &options, &spec).map(Some)
}

fn compare(workspace: &Workspace, binaries: &Binaries, options: &Options, spec: &Path) -> Result<bool> {
    let suite = Suite::install(workspace)?;
    let (_server, port) = server(workspace, &suite.folder, spec)?;
    let direct = suite.run(options, &format!("http://{LOOPBACK}:{port}"), "any")?;
    let home = workspace.shell.create_temp_dir()?;
    let mut gateway = Plan::throw_away(binaries, home.path(), config(port))?.start()?;
    let key = gateway.make_keys()?.app;
    let through = suite.run(options, &format!("{}/v1", gateway.url()), &key)?;
    Ok(report(&direct, &through))
}

/// Everything goes to the server, whatever it names.
fn config(port: u16) -> String {
    format!(
        "default_provider: server\nunowned_resources: serve\nproviders:\n  - name: server\n    kind: openai\n    \
         endpoint: \"http://{LOOPBACK}:{port}\"\n    api_key: \"any\"\n    allow_private_network: true\n    \
         models: [{{ alias: \"*\", real_name: \"*\" }}]\n"
    )
}

/// The server, and the port it listens on.
fn server(workspace: &Workspace, folder: &Path, spec: &Path) -> Result<(Service, u16)> {
    let shell = &workspace.shell;
    let steady = folder.join("server");
    shell.create_dir(&steady)?;
    for file in ["package.json", "package-lock.json"] {
        shell.copy_file(workspace.root.join("tests/conformance").join(file), &steady)?;
    }
    node::install(shell, &steady)?;
    let port = free_port()?;
    let arrays = ["query-array", "form-array", "query-object", "form-object"];
    let mut args: Vec<String> =
        arrays.iter().map(|what| format!("--validator-{what}-format=brackets")).collect();
    args.extend(["--host".to_owned(), LOOPBACK.to_owned(), "-p".to_owned(), port.to_string()]);
    args.push(spec.display().to_string());
    let program = Program {
        name: "steady",
        binary: steady.join("node_modules/.bin/steady"),
        args,
        env: Vec::new(),
        folder: steady.clone(),
        log: Some(steady.join("server.log")),
        core: None,
    };
    let mut service = program.start()?;
    service.wait_until(PATIENCE, || matches!(http::ask(port, "/_x-steady/health", None), Ok((200, _))))?;
    Ok((service, port))
}

/// The SDK's tests, and what they need to run.
struct Suite {
    folder: PathBuf,
    interpreter: PathBuf,
    sources: PathBuf,
}

/// How each test ended; with why where it failed.
type Outcomes = BTreeMap<String, Option<String>>;

impl Suite {
    fn install(workspace: &Workspace) -> Result<Self> {
        let shell = &workspace.shell;
        let folder = python_with(workspace, "conformance")?;
        let interpreter = folder.join("bin/python");
        let pins = shell.read_file(workspace.root.join("tests/conformance/requirements.txt"))?;
        let version = pins.lines().find_map(|line| line.strip_prefix("openai[aiohttp]=="));
        let version = version.context("`requirements.txt` does not pin the SDK")?;
        let sources = folder.join(format!("{SDK}-{version}"));
        if !sources.is_dir() {
            let named = format!("{SDK}=={version}");
            let quiet = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-build-isolation"];
            cmd!(
                shell,
                "{interpreter} -m pip download {quiet...} --no-deps --no-binary {SDK} -d {folder} {named}"
            )
            .quiet()
            .run()?;
            let packed = folder.join(format!("{SDK}-{version}.tar.gz"));
            cmd!(shell, "tar xzf {packed} -C {folder}").quiet().run()?;
            // the key stands in the tests; the gateway takes its own only
            let conftest = sources.join("tests/conftest.py");
            let text = shell.read_file(&conftest)?;
            let text = text.replace("\"My API Key\"", "os.environ.get(\"TEST_API_KEY\", \"My API Key\")");
            let text = text
                .replace("\"My Admin API Key\"", "os.environ.get(\"TEST_API_KEY\", \"My Admin API Key\")");
            shell.write_file(&conftest, text)?;
        }
        Ok(Self { folder, interpreter, sources })
    }

    fn run(&self, options: &Options, url: &str, key: &str) -> Result<Outcomes> {
        println!("... {} at {url}", options.only.join(", "));
        let mut command = Command::new(&self.interpreter);
        command.args(["-m", "pytest", "-o", "addopts=", "-p", "no:cacheprovider", "-q", "-rpfE", "--tb=no"]);
        command.args(["-n", &options.workers.to_string()]);
        command.args(options.only.iter().map(|path| format!("tests/{path}")));
        command.current_dir(&self.sources);
        command.env("TEST_API_BASE_URL", url).env("TEST_API_KEY", key).env("COLUMNS", "400");
        let output = command.output().context("cannot run the tests")?;
        let outcomes = read(&String::from_utf8_lossy(&output.stdout));
        if outcomes.is_empty() {
            bail!("no test was run:\n{}", String::from_utf8_lossy(&output.stdout));
        }
        Ok(outcomes)
    }
}

/// The lines of pytest's summary.
fn read(output: &str) -> Outcomes {
    let mut outcomes = Outcomes::new();
    for line in output.lines() {
        if let Some(test) = line.strip_prefix("PASSED ") {
            outcomes.insert(test.trim().to_owned(), None);
        } else if let Some(failed) = line.strip_prefix("FAILED ").or(line.strip_prefix("ERROR ")) {
            let (test, why) = failed.split_once(" - ").unwrap_or((failed, ""));
            outcomes.insert(test.trim().to_owned(), Some(why.to_owned()));
        }
    }
    outcomes
}

/// Says what passes directly and not through the gateway; whether all of that is refused by design.
fn report(direct: &Outcomes, through: &Outcomes) -> bool {
    let good: Vec<&String> = direct.iter().filter(|(_, why)| why.is_none()).map(|(test, _)| test).collect();
    let lost: Vec<(&String, &str)> = good
        .iter()
        .filter_map(|test| match through.get(*test) {
            Some(None) => None,
            Some(Some(why)) => Some((*test, why.as_str())),
            None => Some((*test, "was not run")),
        })
        .collect();
    let (refused, wrong): (Vec<_>, Vec<_>) = lost.iter().partition(|(_, why)| why.contains(REFUSED));
    for (test, why) in &wrong {
        println!("{test}\n    {why}");
    }
    println!(
        "{} of {} tests pass directly; of these {} pass through the gateway, {} are refused by design, {} fail",
        good.len(),
        direct.len(),
        good.len() - lost.len(),
        refused.len(),
        wrong.len()
    );
    wrong.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_what_passes_directly_only() {
        let direct =
            read("PASSED a::x\nPASSED a::y\nFAILED a::z - AssertionError: no\nPASSED b::admin\n3 passed");
        let through =
            |y: &str| read(&format!("PASSED a::x\n{y}\nFAILED b::admin - 404 'operation_not_served'\n"));
        assert!(report(&direct, &through("PASSED a::y")));
        assert!(!report(&direct, &through("FAILED a::y - openai.NotFoundError: gone")));
        assert!(!report(&direct, &through("")));
    }
}
