//! What quotas and prices cost: two gateways that are the same but for them, before one mock provider.
//!
//! Both book into their journals: without one nothing would be booked, and no quota would know what was used.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::figures::Row;
use super::lab::{Lab, Pair, Target};
use super::{KINDS, Kind, gateway};
use crate::http;
use crate::instance::{Binaries, Instance, Mock};

/// What the row is called.
pub(super) const NAME: &str = "money";

const MONEY: Kind = Kind { name: NAME, has_goal: false, ..KINDS[0] };

/// The one with quotas and prices stands where the gateway does, the one without where the pass-through does.
pub(super) fn compare(lab: &Lab<'_>, binaries: &Binaries, home: &Path, mock: &Mock) -> Result<Row> {
    let start = |name: &str| -> Result<(Instance, Target)> {
        let home = home.join(name);
        std::fs::create_dir(&home)?;
        let mut instance = gateway(binaries, &home, mock)?;
        let keys = instance.make_keys()?;
        if name == "ruled" {
            rule(&instance, &instance.make_platform_key()?)?;
        }
        let url = format!("{}/v1", instance.url());
        let target = Target { pid: instance.service.pid(), url, key: keys.app, uses_alias: true };
        Ok((instance, target))
    };
    let (_ruled, with) = start("ruled")?;
    let (_plain, without) = start("plain")?;
    lab.compare(&MONEY, &Pair { gateway: with, pass_through: without })
}

/// A price, and a quota of each measure, none of which is ever used up.
fn rule(instance: &Instance, admin: &str) -> Result<()> {
    let make = |path: &str, body: &Value| -> Result<()> {
        let (status, answer) = http::post(instance.port(), path, admin, &body.to_string())?;
        ensure!(status == 201, "{path}: {status} {answer}");
        Ok(())
    };
    let rate = |quantity: &str| json!({ "quantity": quantity, "nano_usd_per_million": 1_000_000_000_u64 });
    make("/admin/v1/prices", &json!({ "real_name": MONEY.model, "rates": [rate("input"), rate("output")] }))?;
    for (measure, window) in
        [("requests", "day"), ("tokens", "month"), ("cost_nano_usd", "month"), ("concurrent", "total")]
    {
        let quota = json!({
            "name": measure, "subject": "platform", "measure": measure, "window": window,
            "limit": 1_000_000_000_000_000_u64,
        });
        make("/admin/v1/quotas", &quota)?;
    }
    Ok(())
}
