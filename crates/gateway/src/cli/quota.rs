//! `nexus quota` and `nexus alert`, as they are typed.

use std::{convert::Infallible, fmt, net::SocketAddr, str::FromStr, sync::Arc};

use clap::{Args, Subcommand};
use nexus_keystore::secret::Secret;

use super::Output;

#[derive(Debug, Subcommand)]
pub enum Quota {
    /// List the quotas.
    List {
        #[arg(long)]
        output: Option<Output>,
    },
    /// Make a quota, or give the one its team has of this name another limit or mode.
    Set(QuotaSet),
    /// Delete a quota.
    Delete {
        /// The quota's name, or its id where several teams have one of the name.
        name: String,
    },
    /// Show how full a quota is and who holds what of it; only the running gateway knows, so it is asked.
    Holders(QuotaHolders),
}

#[derive(Debug, Args)]
pub struct QuotaHolders {
    /// The quota's name, or its id where several teams have one of the name.
    pub name: String,
    /// Where the gateway listens; without it, where the settings say.
    #[arg(long, value_name = "ADDR:PORT")]
    pub address: Option<SocketAddr>,
    /// An admin key.
    #[arg(long, env = "ADMIN_KEY", hide_env_values = true)]
    pub admin_key: AdminKey,
}

/// A key that is not shown again.
#[derive(Clone)]
pub struct AdminKey(pub Arc<Secret>);

impl fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminKey(..)")
    }
}

impl FromStr for AdminKey {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(Arc::new(Secret::new(text.to_owned()))))
    }
}

#[derive(Debug, Args)]
pub struct QuotaSet {
    /// The quota's name.
    pub name: String,
    /// What it is for: `platform`, `team`, `key`, `provider`, `model`, `user` or `tag`.
    #[arg(long, value_name = "SUBJECT")]
    pub subject: String,
    /// The id of the team, key or provider, or a pattern of models, users or tags.
    #[arg(long, value_name = "ID|PATTERN")]
    pub value: Option<String>,
    /// What is counted: `requests`, `tokens`, `concurrent` or `cost_nano_usd`.
    #[arg(long, value_name = "MEASURE")]
    pub measure: String,
    /// `minute`, `hour`, `day`, `week`, `month`, `rolling` or `total`.
    #[arg(long, value_name = "WINDOW")]
    pub window: String,
    /// The place whose calendar it goes by, such as `Europe/Berlin`.
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// In place of a time zone: minutes east of UTC.
    #[arg(long, value_name = "MINUTES", default_value_t = 0, allow_negative_numbers = true)]
    pub utc_offset_minutes: i32,
    /// How long a rolling window is.
    #[arg(long, value_name = "SECONDS")]
    pub rolling_seconds: Option<u32>,
    #[arg(long, value_name = "AMOUNT")]
    pub limit: u64,
    /// What happens at the limit: `hard`, `soft`, `shadow` or `cut`.
    #[arg(long, default_value = "hard")]
    pub mode: String,
    /// What becomes of a call while other nodes cannot be asked for more: `refuse`, `allow`, or as the `node` is told.
    #[arg(long, default_value = "node")]
    pub when_alone: String,
    /// JSON where the output is no terminal, unless said otherwise.
    #[arg(long)]
    pub output: Option<Output>,
}

#[derive(Debug, Subcommand)]
pub enum Alert {
    /// List alerts, newest first.
    List {
        /// Only those nobody has acknowledged.
        #[arg(long)]
        open: bool,
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        #[arg(long)]
        output: Option<Output>,
    },
}
