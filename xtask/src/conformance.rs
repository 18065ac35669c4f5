//! The tests OpenAI's SDK for Python brings along, and every method of its SDK for Node, against a server made from
//! OpenAI's specification: directly, and through a gateway that stands before it. What passes directly must pass through,
//! and what a method returns directly it must return through.
//!
//! The gateway relays whatever it does not know to that server, and its keys may do everything: one an application's, the
//! other, where the SDK wants an admin key, the administration's.

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
const SLICE: [&str; 7] =
    ["files", "uploads", "batches", "vector_stores", "conversations", "responses", "embeddings"];

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
    let steady = installed_server(workspace, &suite.folder)?;
    let (_server, port) = server(&steady, spec)?;
    let direct = suite.run(options, &format!("http://{LOOPBACK}:{port}"), ["any", "any"])?;
    let home = workspace.shell.create_temp_dir()?;
    let mut gateway = Plan::throw_away(binaries, home.path(), config(port))?.start()?;
    let (key, admin) = (gateway.make_keys()?.app, gateway.make_platform_key()?);
    let url = format!("{}/v1", gateway.url());
    let through = suite.run(options, &url, [&key, &admin])?;
    let are_methods_good = methods(&steady, spec, port, &url, [&key, &admin])?;
    Ok(report(&direct, &through) && are_methods_good)
}

/// Calls every method of the SDK for Node at the server and through the gateway; whether all come to the same.
fn methods(steady: &Path, spec: &Path, port: u16, url: &str, [key, admin]: [&str; 2]) -> Result<bool> {
    println!("... every method of the SDK for Node at {url}");
    let mut command = Command::new("node");
    command.arg("methods.mjs").current_dir(steady).env("SPEC", spec.canonicalize()?);
    command.env("DIRECT", format!("http://{LOOPBACK}:{port}")).env("THROUGH", url);
    command.env("KEY", key).env("ADMIN_KEY", admin);
    Ok(command.status().context("cannot run the methods")?.success())
}

/// Everything goes to the server, whatever it names.
fn config(port: u16) -> String {
    format!(
        "default_provider: server\nunowned_resources: serve\nalso_serve: [organization, realtime]\nproviders:\n  - name: server\n    kind: openai\n    \
         endpoint: \"http://{LOOPBACK}:{port}\"\n    api_key: \"any\"\n    allow_private_network: true\n    \
         models: [{{ alias: \"*\", real_name: \"*\" }}]\n"
    )
}

/// The folder with what is written for Node: the server, and the SDK's methods.
fn installed_server(workspace: &Workspace, folder: &Path) -> Result<PathBuf> {
    let shell = &workspace.shell;
    let steady = folder.join("server");
    shell.create_dir(&steady)?;
    for file in ["package.json", "package-lock.json", "methods.mjs"] {
        shell.copy_file(workspace.root.join("tests/conformance").join(file), &steady)?;
    }
    node::install(shell, &steady)?;
    Ok(steady)
}

/// The server, and the port it listens on.
fn server(steady: &Path, spec: &Path) -> Result<(Service, u16)> {
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
        folder: steady.to_owned(),
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
        let packed = folder.join(format!("{SDK}-{version}.tar.gz"));
        if !packed.is_file() {
            let named = format!("{SDK}=={version}");
            let quiet = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-build-isolation"];
            cmd!(
                shell,
                "{interpreter} -m pip download {quiet...} --no-deps --no-binary {SDK} -d {folder} {named}"
            )
            .quiet()
            .run()?;
        }
        cmd!(shell, "tar xzf {packed} -C {folder}").quiet().run()?;
        // the keys stand in the tests; the gateway takes its own only
        let conftest = sources.join("tests/conftest.py");
        let mut text = shell.read_file(&conftest)?;
        for (said, variable) in [("My API Key", "TEST_API_KEY"), ("My Admin API Key", "TEST_ADMIN_API_KEY")] {
            let key = format!("\"{said}\"");
            text = text.replace(&key, &format!("os.environ.get(\"{variable}\", {key})"));
        }
        shell.write_file(&conftest, text)?;
        Ok(Self { folder, interpreter, sources })
    }

    fn run(&self, options: &Options, url: &str, [key, admin]: [&str; 2]) -> Result<Outcomes> {
        println!("... {} at {url}", options.only.join(", "));
        let mut command = Command::new(&self.interpreter);
        command.args(["-m", "pytest", "-o", "addopts=", "-p", "no:cacheprovider", "-q", "-rpfE", "--tb=no"]);
        command.args(["-n", &options.workers.to_string()]);
        command.args(options.only.iter().map(|path| format!("tests/{path}")));
        command.current_dir(&self.sources);
        command.env("TEST_API_BASE_URL", url).env("TEST_API_KEY", key).env("TEST_ADMIN_API_KEY", admin);
        command.env("COLUMNS", "400");
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

/// Whether a test asks the gateway's own ledger for usage with all parameters there are: in a time that is over before
/// it begins, and for a page that never was. That is refused whoever asks.
fn asks_the_impossible(test: &str, why: &str) -> bool {
    test.contains("organization/test_usage.py::") && test.contains("_with_all_params") && why.contains("400")
}

/// Says what passes directly and not through the gateway; whether there is nothing like that.
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
    let (impossible, wrong): (Vec<_>, Vec<_>) =
        lost.iter().partition(|(test, why)| asks_the_impossible(test, why));
    for (test, why) in &wrong {
        println!("{test}\n    {why}");
    }
    println!(
        "{} of {} tests pass directly; of these {} pass through the gateway, {} ask its own ledger for what cannot be, {} fail",
        good.len(),
        direct.len(),
        good.len() - lost.len(),
        impossible.len(),
        wrong.len(),
    );
    wrong.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_what_passes_directly_only() {
        let direct = read("PASSED a::x\nPASSED a::y\nFAILED a::z - AssertionError: no\n2 passed");
        let through = |y: &str| read(&format!("PASSED a::x\n{y}\n"));
        assert!(report(&direct, &through("PASSED a::y")));
        assert!(!report(&direct, &through("FAILED a::y - openai.NotFoundError: gone")));
        assert!(!report(&direct, &through("")));
        let usage = "admin/organization/test_usage.py::T::test_method_costs_with_all_params";
        let direct = read(&format!("PASSED {usage}\nPASSED a::x"));
        let refused = |why: &str| read(&format!("FAILED {usage} - {why}\nPASSED a::x"));
        assert!(report(&direct, &refused("Error code: 400 - end_time")));
        assert!(!report(&direct, &refused("Error code: 404 - nothing")));
    }
}
