//! `cargo xtask dev`: from a clone to a gateway that answers, in one command; and `cargo xtask mock`.
//! What it makes is kept in `./nexus-data/`, so the next run has the same keys; it never touches another database.

mod vendors;

use std::fs;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::console;
use crate::instance::{Binaries, DATA, Instance, Keys, Mock, Plan, Profile, free_port, is_free, make_data};
use crate::report::Paint;
use crate::service::Program;
use crate::workspace::Workspace;

const METRICS_PORT: u16 = 9321;
const LOOK_AT_CHILDREN: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The gateway's port on 127.0.0.1
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Build with optimisations
    #[arg(long)]
    release: bool,
    /// Leave the mock provider out; real providers come from keys in the environment
    #[arg(long)]
    no_mock: bool,
    /// Log to the terminal, with the pipeline's spans
    #[arg(long)]
    debug: bool,
}

/// Runs until a signal or until one of the programs ends.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let port = options.port;
    ensure!(is_free(port), "port `{port}` is taken: choose another with `--port`");
    let metrics_port = metrics_port()?;
    let signals = signals()?;
    console::build_if_possible(workspace)?;
    let profile = if options.release { Profile::Release } else { Profile::Debug };
    let binaries = Binaries::build(workspace, profile)?;
    let home = workspace.root.clone();
    make_data(&home)?;
    let mut mock = if options.no_mock { None } else { Some(start_mock(workspace, &binaries)?) };
    let kinds = kinds(workspace, &binaries)?;
    let config = configuration(mock.as_ref(), &vendors::rows(&kinds, is_set));
    let flags = if options.debug { vec!["--debug".to_owned()] } else { Vec::new() };
    let mut plan = Plan::throw_away(&binaries, &home, config)?;
    (plan.port, plan.metrics_port, plan.flags, plan.is_loud) = (port, metrics_port, flags, options.debug);
    let keys_file = plan.data().join("dev-keys.json");
    let mut instance = plan.start()?;
    let keys = instance.kept_keys(&keys_file)?;
    let unspoken = vendors::unspoken(&kinds, is_set);
    print!("{}", banner(&instance, &keys, mock.as_ref(), &unspoken));
    let ended = watch(&signals, &mut instance, mock.as_mut());
    println!("... stopping");
    let status = instance.service.stop()?;
    ended?;
    ensure!(status.success(), "`nexus` ended with {status}");
    Ok(true)
}

/// `cargo xtask mock`: the mock provider in the foreground.
pub(crate) fn mock(workspace: &Workspace, args: &[String]) -> Result<bool> {
    let signals = signals()?;
    let program = Program {
        name: "nexus-mock",
        binary: Binaries::build(workspace, Profile::Debug)?.path("nexus-mock"),
        args: args.to_vec(),
        env: Vec::new(),
        folder: workspace.root.clone(),
        log: None,
        core: None,
    };
    let mut service = program.start()?;
    loop {
        if let Some(status) = service.ended()? {
            return Ok(status.success());
        }
        if let Ok(()) = signals.recv_timeout(LOOK_AT_CHILDREN) {
            return Ok(service.stop()?.success());
        }
    }
}

/// The configured exporter port; the usual one may give way, one that was asked for may not.
fn metrics_port() -> Result<u16> {
    let Ok(asked) = std::env::var("MONITORING_PORT") else {
        return if is_free(METRICS_PORT) { Ok(METRICS_PORT) } else { free_port() };
    };
    let port = asked.parse().with_context(|| format!("`MONITORING_PORT` is `{asked}`, no port"))?;
    ensure!(is_free(port), "port `{port}` is taken: choose another with `MONITORING_PORT`");
    Ok(port)
}

/// Signals as messages; from here on they no longer end the workshop by themselves.
fn signals() -> Result<Receiver<()>> {
    let (sender, receiver) = mpsc::channel();
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::spawn(move || signals.forever().try_for_each(|_| sender.send(())));
    Ok(receiver)
}

/// On the port of the last run where it is free, so that a route made by hand keeps working.
fn start_mock(workspace: &Workspace, binaries: &Binaries) -> Result<Mock> {
    let file = workspace.root.join(DATA).join("dev-mock.port");
    let last = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok());
    let port = last.filter(|port| is_free(*port)).unwrap_or(0);
    let mock = Mock::start(binaries, &workspace.root, port, None)?;
    fs::write(&file, mock.port.to_string())?;
    Ok(mock)
}

/// The kinds of provider that this build speaks.
fn kinds(workspace: &Workspace, binaries: &Binaries) -> Result<Vec<vendors::Kind>> {
    let program = Program {
        name: "nexus",
        binary: binaries.path("nexus"),
        args: ["provider", "kinds", "--output", "json"].map(str::to_owned).to_vec(),
        env: Vec::new(),
        folder: workspace.root.clone(),
        log: None,
        core: None,
    };
    vendors::read(&program.output()?.stdout)
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// The mock under the alias `nexus-gpt4`, and the real providers.
fn configuration(mock: Option<&Mock>, real: &str) -> String {
    let mock = mock.map(|mock| mock.row(&[("nexus-gpt4", "mock-gpt")])).unwrap_or_default();
    let rows = mock + real;
    if rows.is_empty() { "providers: []\n".to_owned() } else { format!("providers:\n{rows}") }
}

/// Waits for a signal; a program that ends by itself is an error.
fn watch(signals: &Receiver<()>, instance: &mut Instance, mut mock: Option<&mut Mock>) -> Result<()> {
    loop {
        match signals.recv_timeout(LOOK_AT_CHILDREN) {
            Ok(()) => return Ok(()),
            Err(RecvTimeoutError::Disconnected) => bail!("signals are no longer heard"),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Some(status) = instance.service.ended()? {
            bail!("`nexus` ended with {status}:\n{}", instance.log_tail());
        }
        if let Some(mock) = mock.as_mut()
            && let Some(status) = mock.service.ended()?
        {
            bail!("`nexus-mock` ended with {status}");
        }
    }
}

fn banner(instance: &Instance, keys: &Keys, mock: Option<&Mock>, unspoken: &[&str]) -> String {
    let paint = Paint::for_stdout();
    let url = instance.url();
    let Keys { admin, app } = keys;
    let mut lines = vec![
        paint.green("NexusAI is ready"),
        String::new(),
        format!("{}              {url}/v1", paint.bold("URL")),
        format!("{}          {url}/console/", paint.bold("console")),
        format!("{}          {}", paint.bold("metrics"), instance.metrics_url()),
        format!("{}        {admin}", paint.bold("admin key")),
        format!("{}  {app}", paint.bold("application key")),
    ];
    lines.extend(mock.map(|mock| format!("{}             {}", paint.bold("mock"), mock.endpoint())));
    let unspoken =
        unspoken.iter().map(|name| format!("`{name}` is set, but no provider of this build takes it"));
    lines.extend(unspoken.map(|sentence| paint.yellow(sentence)));
    if mock.is_some() {
        lines.push(paint.dim(format!("\nfor the commands of the README: export NEXUS_KEY={app}\n")));
        lines.push(curl(&url, app));
        lines.push(paint.dim("\nor with the OpenAI SDK for Python:\n"));
        lines.push(python(&url, app));
    }
    lines.push(paint.dim(format!("\nCtrl-C stops. What was made here is kept in {DATA}/.\n")));
    lines.join("\n")
}

/// One line, to be pasted as it is.
fn curl(url: &str, key: &str) -> String {
    format!(
        "curl -s {url}/v1/chat/completions -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \
         -d '{{\"model\":\"nexus-gpt4\",\"messages\":[{{\"role\":\"user\",\"content\":\"你好\"}}]}}'"
    )
}

fn python(url: &str, key: &str) -> String {
    format!(
        "from openai import OpenAI\n\
         client = OpenAI(base_url=\"{url}/v1\", api_key=\"{key}\")\n\
         answer = client.chat.completions.create(model=\"nexus-gpt4\", messages=[{{\"role\": \"user\", \"content\": \"你好\"}}])\n\
         print(answer.choices[0].message.content)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curl_line_carries_valid_json() {
        let line = curl("http://127.0.0.1:8080", "KEY");
        let body = line.split("-d '").nth(1).and_then(|rest| rest.strip_suffix('\'')).unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["model"], "nexus-gpt4");
        assert!(!line.contains('\n'));
    }

    #[test]
    fn without_any_provider_the_configuration_is_still_whole() {
        assert_eq!(configuration(None, ""), "providers: []\n");
        assert_eq!(configuration(None, "  - name: x\n"), "providers:\n  - name: x\n");
    }
}
