//! The command line.

mod ledger;
mod quota;
mod revision;
mod team;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use nexus_core::modality::Modality;

pub use self::{
    ledger::Ledger,
    quota::{Alert, Quota, QuotaHolders, QuotaSet},
    revision::Revision,
    team::{Team, TeamContent, TeamCreate},
};

/// NexusAI, an LLM gateway.
#[derive(Debug, Parser)]
#[command(name = "nexus", version, about, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway.
    Serve(Serve),
    /// Make, list and revoke keys.
    Key {
        #[command(subcommand)]
        command: Key,
        #[command(flatten)]
        place: Place,
    },
    /// Check a configuration file, show what is in force, or take providers out and in.
    Config {
        #[command(subcommand)]
        command: Config,
    },
    /// Bring the database's schema up to date, show it, or take a step back.
    Migrate {
        #[command(subcommand)]
        command: Migrate,
        #[command(flatten)]
        place: Place,
    },
    /// Make the people who sign in at the console.
    User {
        #[command(subcommand)]
        command: User,
        #[command(flatten)]
        place: Place,
    },
    /// Verify and export the audit trail.
    Audit {
        #[command(subcommand)]
        command: Audit,
        #[command(flatten)]
        place: Place,
    },
    /// Verify what was booked.
    Ledger {
        #[command(subcommand)]
        command: Ledger,
        #[command(flatten)]
        place: Place,
    },
    /// What the database's secrets are sealed with.
    Keystore {
        #[command(subcommand)]
        command: Keystore,
        #[command(flatten)]
        place: Place,
    },
    /// List, make and test providers.
    Provider {
        #[command(subcommand)]
        command: Provider,
        #[command(flatten)]
        place: Place,
    },
    /// List and make model routes.
    Route {
        #[command(subcommand)]
        command: Route,
        #[command(flatten)]
        place: Place,
    },
    /// List, set and delete quotas, and show who holds what of one.
    Quota {
        #[command(subcommand)]
        command: Quota,
        #[command(flatten)]
        place: Place,
    },
    /// List alerts.
    Alert {
        #[command(subcommand)]
        command: Alert,
        #[command(flatten)]
        place: Place,
    },
    /// List and show the changes of configuration, and take one back.
    Revision {
        #[command(subcommand)]
        command: Revision,
        #[command(flatten)]
        place: Place,
    },
    /// List and make teams.
    Team {
        #[command(subcommand)]
        command: Team,
        #[command(flatten)]
        place: Place,
    },
}

/// Where the settings lie that say which database to work on.
#[derive(Clone, Debug, Args)]
pub struct Place {
    /// The configuration file.
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Serve {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The address and port to listen on.
    #[arg(long, value_name = "ADDR:PORT", conflicts_with = "port")]
    pub bind: Option<SocketAddr>,
    /// The port to listen on.
    #[arg(long)]
    pub port: Option<u16>,
    /// How many threads serve.
    #[arg(long, value_name = "N")]
    pub workers: Option<u16>,
    /// How long an exchange with a provider may take.
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// Log the pipeline's stages, and start without secrets (throw-away ones are made).
    #[arg(long)]
    pub debug: bool,
}

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Manages the gateway.
    Admin,
    /// Calls models.
    App,
}

#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make a key and print it, once.
    Create(KeyCreate),
    /// List the keys.
    List {
        #[arg(long)]
        output: Option<Output>,
    },
    /// Refuse a key from now on.
    Revoke {
        /// The key's id.
        id: String,
    },
}

#[derive(Debug, Args)]
pub struct KeyCreate {
    #[arg(long)]
    pub level: Level,
    /// The team it belongs to; made where it is missing. Application keys without one belong to `default`.
    #[arg(long, value_name = "NAME")]
    pub team: Option<String>,
    /// What the key is for.
    #[arg(long, default_value = "")]
    pub name: String,
    /// How many days the key is good for; without it, ten years.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=3653))]
    pub expires_in_days: Option<u64>,
    /// JSON where the output is no terminal, unless said otherwise.
    #[arg(long)]
    pub output: Option<Output>,
}

#[derive(Debug, Subcommand)]
pub enum Config {
    /// Tell everything that is wrong with a file.
    Check { file: PathBuf },
    /// Show the settings in force, secrets left out.
    Print {
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print the reference of every setting, as Markdown.
    Reference,
    /// Print which operations of OpenAI's API are served, as Markdown.
    Coverage,
    /// List every URL that is served, each with the permission it needs.
    Urls,
    /// Print the database's providers and models as a configuration file, with variables in place of keys.
    Export {
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Put a file's providers and models into the database; nothing is taken away.
    Import(ConfigImport),
}

#[derive(Debug, Args)]
pub struct ConfigImport {
    /// The file whose providers are taken; its variables must be set.
    pub file: PathBuf,
    /// Show what would change, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// The configuration file that says which database to work on; without it, FILE.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[arg(long)]
    pub output: Option<Output>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Migrate {
    /// Apply what is missing.
    Run,
    /// Show what is applied.
    Status,
    /// Take the newest step back; what it made is lost.
    Revert,
    /// Copy everything from a SQLite database into an empty PostgreSQL one; stop the gateway first.
    Data {
        /// `sqlite://path`
        #[arg(long, value_name = "URL")]
        from: String,
        /// `postgres://user@host/name`; without it the database of the settings.
        #[arg(long, value_name = "URL")]
        to: Option<String>,
        #[arg(long)]
        output: Option<Output>,
    },
}

#[derive(Debug, Subcommand)]
pub enum Provider {
    /// List the kinds of provider that can be configured.
    Kinds {
        #[arg(long)]
        output: Option<Output>,
    },
    /// Print the page on providers: what each kind can be told.
    Reference,
    /// List the providers.
    List {
        #[arg(long)]
        output: Option<Output>,
    },
    /// Make a provider.
    Create(ProviderCreate),
    /// List the models a provider says it has.
    Models {
        /// The provider's name.
        name: String,
        /// The name of the credential to ask with; without it, the oldest that is active.
        #[arg(long, value_name = "NAME")]
        credential: Option<String>,
        #[arg(long)]
        output: Option<Output>,
    },
    /// Ask a provider for its models, which costs nothing.
    Test {
        /// The provider's name.
        name: String,
        /// The name of the credential to ask with; without it, the oldest that is active.
        #[arg(long, value_name = "NAME")]
        credential: Option<String>,
        #[arg(long)]
        output: Option<Output>,
    },
}

#[derive(Debug, Args)]
pub struct ProviderCreate {
    #[arg(long)]
    pub name: String,
    /// One of `nexus provider kinds`.
    #[arg(long)]
    pub kind: String,
    /// The base URL; without it, the vendor's own.
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// What its kind takes beside the rest, such as `region=eu-west-1`; may stand several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = named)]
    pub option: Vec<(String, String)>,
    /// Its share among the providers of one alias.
    #[arg(long, default_value_t = 100)]
    pub weight: u32,
    /// Requests a minute over all its models.
    #[arg(long, value_name = "N")]
    pub rate_limit: Option<u32>,
    /// Tokens a minute over all its models.
    #[arg(long, value_name = "N")]
    pub token_limit: Option<u32>,
    /// Requests at once over all its models.
    #[arg(long, value_name = "N")]
    pub max_concurrent: Option<u32>,
    /// Let addresses inside private networks be connected to.
    #[arg(long)]
    pub allow_private_network: bool,
    /// Read its key from standard input.
    #[arg(long)]
    pub api_key_stdin: bool,
    #[arg(long)]
    pub output: Option<Output>,
}

/// `NAME=VALUE`.
fn named(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("is not like `NAME=VALUE`")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[derive(Debug, Subcommand)]
pub enum Route {
    /// List the model routes.
    List {
        #[arg(long)]
        output: Option<Output>,
    },
    /// Make a model route.
    Create(RouteCreate),
    /// Explain where a request would go, by what stands in the database, or as a running node knows it (`--url`):
    /// which breakers are open, what is under way, what is left of limits.
    Explain(RouteExplain),
    /// What is set for an alias beside its models.
    Rule {
        #[command(subcommand)]
        command: Rule,
    },
}

fn modality(word: &str) -> Result<Modality, String> {
    let known = || Modality::ALL.map(Modality::as_str).join("`, `");
    Modality::from_word(word).ok_or_else(|| format!("write one of `{}`", known()))
}

#[derive(Debug, Args)]
pub struct RouteExplain {
    /// The name of the model, as an application would say it.
    pub model: String,
    /// Ask the node that serves here, such as `http://127.0.0.1:8080`; an admin key is read from standard input.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The team of whoever asks.
    #[arg(long, value_name = "NAME")]
    pub team: Option<String>,
    #[arg(long)]
    pub stream: bool,
    /// Tokens of the prompt.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub input_tokens: u64,
    /// The most tokens of the answer.
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<u64>,
    /// What it bears beside text, of `image`, `audio`, `video` and `file`, with commas in between.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = modality)]
    pub input_modalities: Vec<Modality>,
    /// What it wants to be answered in beside text.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = modality)]
    pub output_modalities: Vec<Modality>,
    #[arg(long)]
    pub output: Option<Output>,
}

#[derive(Debug, Subcommand)]
pub enum Rule {
    /// List the routing rules.
    List {
        #[arg(long)]
        output: Option<Output>,
    },
    /// Make a routing rule, or put another in its place.
    Set(RuleSet),
    /// Delete the routing rule of an alias.
    Delete {
        #[arg(long)]
        alias: String,
        /// The team whose rule it is; without it, everybody's.
        #[arg(long, value_name = "NAME")]
        team: Option<String>,
    },
}

#[derive(Debug, Args)]
pub struct RuleSet {
    #[arg(long)]
    pub alias: String,
    /// The team whose rule it is; without it, everybody's.
    #[arg(long, value_name = "NAME")]
    pub team: Option<String>,
    /// The alias it is only another name of.
    #[arg(long, value_name = "ALIAS")]
    pub stands_for: Option<String>,
    /// `weighted`, `least_latency`, `least_busy`, `cheapest` or `priority`.
    #[arg(long, default_value = "weighted")]
    pub policy: String,
    /// Send requests that begin alike to the same model.
    #[arg(long)]
    pub affinity: bool,
    /// An alias that is asked instead, as `CAUSE=ALIAS`; a cause is `context_window`, `content_policy`,
    /// `failure` or `budget`. May be said again.
    #[arg(long = "fallback", value_name = "CAUSE=ALIAS")]
    pub fallbacks: Vec<String>,
    /// Keep answers for requests that are the same, so long.
    #[arg(long, value_name = "SECONDS")]
    pub cache_ttl_s: Option<u32>,
    /// Of a hundred requests, so many may get a second attempt beside a slow first one.
    #[arg(long, value_name = "N")]
    pub hedge_percent: Option<u8>,
    /// Let another model go on where a streamed answer breaks off.
    #[arg(long)]
    pub r#continue: bool,
    #[arg(long)]
    pub output: Option<Output>,
}

#[derive(Debug, Args)]
pub struct RouteCreate {
    /// The name applications use; `*` takes every name no other alias takes.
    #[arg(long)]
    pub alias: String,
    /// The provider's name.
    #[arg(long, value_name = "NAME")]
    pub provider: String,
    /// The provider's name of the model; without it, the alias.
    #[arg(long, value_name = "NAME")]
    pub real_name: Option<String>,
    /// The vendor's name of the model it is like, where its own does not tell, as an ARN does not.
    #[arg(long, value_name = "NAME")]
    pub like: Option<String>,
    /// All it takes in, of `text`, `image`, `audio`, `video` and `file`, with commas in between; without it, what is
    /// known of the model, and everything where nothing is.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = modality)]
    pub input_modalities: Option<Vec<Modality>>,
    /// All it gives out, likewise.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = modality)]
    pub output_modalities: Option<Vec<Modality>>,
    /// Its share; without it, the provider's.
    #[arg(long)]
    pub weight: Option<u32>,
    /// Models of a lower tier go before those of a higher.
    #[arg(long, default_value_t = 0)]
    pub tier: u32,
    /// What the provider's price is multiplied by.
    #[arg(long, value_name = "N", default_value = "1")]
    pub cost_multiplier: String,
    /// Requests a minute to this model.
    #[arg(long, value_name = "N")]
    pub rate_limit: Option<u32>,
    /// Tokens a minute of this model.
    #[arg(long, value_name = "N")]
    pub token_limit: Option<u32>,
    /// Requests at once to this model.
    #[arg(long, value_name = "N")]
    pub max_concurrent: Option<u32>,
    #[arg(long)]
    pub output: Option<Output>,
}

#[derive(Debug, Subcommand)]
pub enum User {
    /// Make a user; the first one too.
    Create(UserCreate),
}

/// What somebody is in the administration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum UserRole {
    Viewer,
    Auditor,
    TeamAdmin,
    PlatformAdmin,
}

#[derive(Debug, Args)]
pub struct UserCreate {
    #[arg(long)]
    pub email: String,
    #[arg(long)]
    pub role: UserRole,
    /// The team the role is held for, which must be there; without it, the platform.
    #[arg(long, value_name = "NAME")]
    pub team: Option<String>,
    /// What the user is called; without it, the e-mail.
    #[arg(long)]
    pub name: Option<String>,
    /// Read the password from standard input, its first line. Without it the user signs in through the identity
    /// provider only.
    #[arg(long)]
    pub password_stdin: bool,
    /// JSON where the output is no terminal, unless said otherwise.
    #[arg(long)]
    pub output: Option<Output>,
}

#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Walk the chain of the trail and name the first row that is not as it was written.
    Verify {
        /// What `audit anchors` printed earlier, kept where nobody could change it.
        #[arg(long, value_name = "FILE")]
        anchors: Option<PathBuf>,
        #[arg(long)]
        output: Option<Output>,
    },
    /// Print how far the trail has come, a line for each day.
    Anchors {
        #[arg(long)]
        output: Option<Output>,
    },
    /// Write the whole trail, oldest row first.
    Export {
        #[arg(long)]
        format: TrailFormat,
        /// A file that is not there yet; without it, standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// What an exported trail is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TrailFormat {
    /// One JSON object a line.
    Jsonl,
    Csv,
}

#[derive(Debug, Subcommand)]
pub enum Keystore {
    /// Show the data keys and what is sealed under them.
    Status {
        #[arg(long)]
        output: Option<Output>,
    },
    /// Move the database to another `DB_ENCRYPTION_KEY`, beside running nodes or without them.
    RotateRoot {
        /// The variable that holds the present secret.
        #[arg(long, value_name = "VARIABLE", default_value = "DB_ENCRYPTION_KEY")]
        from_env: String,
        /// The variable that holds the new secret.
        #[arg(long, value_name = "VARIABLE", default_value = "DB_ENCRYPTION_KEY_NEW")]
        to_env: String,
    },
}
