//! `nexus alert`: what somebody is to know.

use nexus_store::repo::{
    Page,
    alert::{self, Alert, Filter},
    anomaly::State,
};
use serde_json::json;

use crate::{
    admin::alerts::AlertBody,
    cli::{self, Output, Place},
    command::change,
    start::StartError,
    terminal::{self, say},
};

pub fn run(command: &cli::Alert, place: &Place) -> Result<(), StartError> {
    let cli::Alert::List { open, limit, output } = command;
    let output = output.unwrap_or_else(terminal::usual_output);
    let filter = Filter { state: open.then_some(State::Open), ..Filter::default() };
    let page = Page { after: None, limit: *limit };
    for alert in change::store(place)?.read_blocking(|conn| alert::list(conn, &filter, &page))? {
        print(&alert, output);
    }
    Ok(())
}

fn print(alert: &Alert, output: Output) {
    match output {
        Output::Json => say(&json!(AlertBody::new(alert)).to_string()),
        Output::Text => {
            let state = if alert.acknowledged_at_ms.is_some() { "acknowledged" } else { "open" };
            let at_s = alert.at_ms.div_euclid(1000);
            say(&format!("{at_s}  {state:<12}  {:<16}  {}", alert.kind, alert.summary));
        }
    }
}
