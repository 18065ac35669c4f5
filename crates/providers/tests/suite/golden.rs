//! Our own cases, one file each: `VENDOR.NAME.sse`, `.events` or `.json` goes in, a snapshot of the same
//! name holds what comes out.

use std::{fmt::Write, fs, path::Path};

use bytes::Bytes;
use nexus_core::{
    capabilities::Capabilities,
    fault::Fault,
    site::{Options, Site},
};
use nexus_providers::{
    dialect::{Ask, Consumed},
    registry,
};
use nexus_wire::chat::ChatRequest;

use crate::{
    drive::{self, call, vendor},
    frames,
};

/// Runs every file of a folder through `outcome(name, vendor, body)` and compares with its snapshot.
pub(crate) fn check(folder: &str, outcome: impl Fn(&str, &str, &[u8]) -> String) {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases")).join(folder);
    let files = drive::files(&path);
    assert!(files.len() > 5);
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let vendor = name.split('.').next().unwrap();
        let seen = outcome(&name, vendor, &fs::read(&file).unwrap());
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(format!("{folder}.{name}"), seen));
    }
}

fn consumption(consumed: &Consumed, text: &str) -> String {
    let usage = consumed.usage.map_or_else(
        || "not said".to_owned(),
        |usage| {
            let said = usage.counts().map(|(quantity, count)| format!("{} {count}", quantity.as_str()));
            said.collect::<Vec<_>>().join(", ")
        },
    );
    let doubt = consumed.doubt.map_or_else(String::new, |doubt| format!(" ({})", doubt.as_str()));
    format!("usage: {usage}{doubt}\nraw: {}\ntext: {text:?}\n", consumed.raw.as_deref().unwrap_or("none"))
}

fn failure(fault: &Fault) -> String {
    // most have no more to say
    let said = format!("{:?}", fault.said).replace(", more: []", "");
    format!("fault: {}: {}\nsaid: {said}\n", fault.class.as_str(), fault.message)
}

#[test]
fn requests_reach_the_vendor_in_its_words_with_nothing_changed_but_what_must_be() {
    check("request", |_, id, body| {
        let body = Bytes::copy_from_slice(body);
        let request = ChatRequest::read(&body).unwrap();
        let call = call(request.is_stream, request.wants_usage);
        // Where the dialect depends on the model, the case names it.
        let is_openai = id == "azure" || registry::vendors().iter().any(|vendor| vendor.id == id);
        let real_model = if is_openai { "org/real model" } else { &request.model };
        let options: Options = [("project", "p1")].into_iter().collect();
        let site = Site { region: None, options: &options, base_path: "" };
        let ask = Ask {
            call: &call,
            body: &body,
            request: &request,
            real_model,
            capabilities: Capabilities::UNSAID,
            site,
        };
        match vendor(id).encode(ask) {
            Ok(encoded) => {
                assert!(encoded.headers.is_empty() || !is_openai);
                let headers = encoded.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
                let body = String::from_utf8(encoded.body.to_vec()).unwrap();
                format!("{}\n{}{body}", encoded.path, headers.collect::<String>())
            }
            Err(unsayable) => format!("{}: {}", unsayable.param, unsayable.message),
        }
    });
}

#[test]
fn whole_answers_are_shown_under_the_alias_and_counted() {
    check("whole", |_, id, body| match drive::decode(vendor(id), body) {
        Ok(decoded) => {
            let shown = String::from_utf8(decoded.body.to_vec()).unwrap();
            format!("{}\n{shown}", consumption(&decoded.consumed, &decoded.text))
        }
        Err(fault) => failure(&fault),
    });
}

#[test]
fn streams_are_shown_under_the_alias_and_counted_wherever_they_are_cut() {
    check("stream", |name, id, body| {
        let framed = drive::is_framed(vendor(id)).then(|| frames::stream(str::from_utf8(body).unwrap()));
        let body = framed.as_deref().unwrap_or(body);
        let [plain, with_usage] = drive::check_cuts(name, vendor(id), body);
        let mut seen = String::new();
        for outcome in [&plain, &with_usage] {
            drive::read_chunks(name, &outcome.shown);
            let end = outcome.end.as_ref().map_or_else(failure, |()| "complete\n".to_owned());
            let counted = consumption(&outcome.consumed, &outcome.text);
            if outcome.shown == plain.shown && !seen.is_empty() {
                assert_eq!((&outcome.end, &outcome.consumed), (&plain.end, &plain.consumed));
                seen.push_str("\n== with usage: the same\n");
                continue;
            }
            let title = if seen.is_empty() { "without" } else { "\n== with" };
            write!(seen, "{title} usage\n{end}{counted}\n{}", outcome.shown.trim_end()).unwrap();
        }
        seen
    });
}
