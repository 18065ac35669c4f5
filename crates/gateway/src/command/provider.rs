//! `nexus provider kinds`: what `kind:` may say in the configuration.

use nexus_providers::{compat::Vendor, registry};
use serde_json::json;

use crate::{
    cli::{Output, Provider},
    terminal::{self, say},
};

pub fn run(command: Provider) {
    let Provider::Kinds { output } = command;
    let vendors = registry::vendors();
    match output.unwrap_or_else(terminal::usual_output) {
        Output::Json => say(&json!(vendors.iter().map(as_json).collect::<Vec<_>>()).to_string()),
        Output::Text => {
            for vendor in vendors {
                say(&format!("{:<16} {:<32} {}", vendor.id, vendor.name, vendor.base_url));
            }
        }
    }
}

fn as_json(vendor: &Vendor) -> serde_json::Value {
    json!({
        "kind": vendor.id,
        "name": vendor.name,
        "base_url": vendor.base_url,
        "key_variables": vendor.key_variables,
        "is_local": vendor.is_local,
    })
}
