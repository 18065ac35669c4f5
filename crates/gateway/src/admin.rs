//! The administration over REST, under `/admin/v1`.
//!
//! [`route`] is the table everything is made of. A request passes the gate before anything of it is read, and
//! a change stands together with its row in the audit trail or not at all.

pub mod alerts;
mod anomalies;
mod answer;
mod audit_logs;
mod bills;
pub mod body;
mod call;
pub mod change;
pub mod check;
pub mod config;
mod contents;
pub mod credentials;
pub mod difference;
mod gate;
mod health;
pub mod keys;
mod limits;
mod manner;
mod nodes;
pub mod oidc;
mod openapi;
mod policy;
mod pool;
mod prices;
pub mod problem;
pub mod provider_kinds;
pub mod providers;
mod query;
pub mod quotas;
mod reference;
mod requests;
pub mod revisions;
pub mod route;
pub mod routes;
mod row;
pub mod rules;
mod scope;
pub mod session;
pub mod session_keys;
mod settings;
pub mod teams;
pub mod trail;
pub mod usage;
pub mod users;
mod visit;
mod webhooks;
mod words;

use std::sync::Arc;

use nexus_keystore::{
    cursor::Cursors, signing_secret::SigningSecrets, vault::Vault, webhook::WebhookSecrets,
};
use nexus_store::{Shipper, Store};
use tokio::sync::{Mutex, watch};

use self::session::SignIn;
use crate::{nodes::Presence, reload::Waker};

/// What the administration needs beside the engine. Shared by all workers.
pub struct Admin {
    pub store: Store,
    pub vault: Arc<Vault>,
    pub secrets: Secrets,
    /// The revision of the world that is in force on this node.
    pub in_force: watch::Receiver<i64>,
    /// Has the node look for a change that was made.
    pub waker: Waker,
    pub sign_in: SignIn,
    /// This node among the others.
    pub presence: Arc<Presence>,
    /// To tell how far the database is behind.
    pub shipper: Arc<Shipper>,
    /// Held by whoever walks the audit trail: one at a time.
    pub walking: Arc<Mutex<()>>,
}

/// What is derived from `NEXUS_SECRET_KEY` for the administration.
pub struct Secrets {
    pub cursors: Cursors,
    pub signing: SigningSecrets,
    /// Shared with whoever sends.
    pub webhooks: Arc<WebhookSecrets>,
}
