//! The reference page of providers, made from the dialects' tables.
//!
//! The page's words are the rows' notes and the constants here; change them there.

use std::fmt::Write;

use nexus_wire::chat::KNOWN;

use crate::{
    compat::{self, GoesOn, Quirks},
    dialect::member::{Decision, Row},
    registry::{self, Kind},
};

const HEAD: &str = "\
# Providers

What each kind of provider can be told, and what becomes of the rest. `nexus provider kinds` lists the kinds; a provider
of one is configured by its `kind`, as in [configuration](configuration.md).

A request is OpenAI's on the way in and the vendor's on the way out. A member that the vendor has no word for is left out
where it is a hint, and refused with a 400 that names it where leaving it out would change what the answer means. Where
the vendor speaks OpenAI, members that are in no table pass as they stand; elsewhere they are left out.

";

/// How a kind is configured where an endpoint and a key do not say it all.
const SETTING_UP: &[(&str, &str)] = &[
    (
        "azure",
        "The option `resource` names the resource, or `endpoint` says all of it, such as \
         `https://NAME.services.ai.azure.com`, without a path; `real_name` is the deployment. The v1 API is asked. The option `api_version` with a date, such as \
         `2024-10-21`, asks that version by the deployment's path, and leaves out the members it does not know yet. The \
         key goes as `api-key`; for a token of Microsoft Entra the key is the application as JSON, \
         `{\"tenant_id\":\"..\",\"client_id\":\"..\",\"client_secret\":\"..\"}`. With the option `credentials` tokens are \
         the gateway's own host's: `imds` (a machine's managed identity), `app_service` (an app's) or `workload` (a \
         pod's, by workload identity federation), as far as the setting `azure.host_credentials` allows it; the option \
         `client_id` says which identity, where the host has several.",
    ),
    (
        "bedrock",
        "The key is an API key of Bedrock's, or an access key as JSON, `{\"access_key_id\":\"..\",\"secret_access_key\":\"..\"}`, \
         for a session with its `session_token`; requests are signed with it. The option `region`, or a route's regions, \
         fills the endpoint and the signature. `real_name` is the id of a model or an inference profile, or an ARN; one \
         that does not tell its model, such as an application inference profile's, needs `capabilities.like`. With \
         the option `credentials` keys are the gateway's own host's: `profile` (the option `profile` names which), \
         `environment`, `imds`, `irsa` or `ecs`, as far as the setting `aws.host_credentials` allows it. Images and \
         files go inline or by `s3://` address; any other address is refused. Embeddings are made by Titan's models, a \
         text at a time, and by Cohere's.",
    ),
    (
        "cohere",
        "`endpoint` is `https://api.cohere.com/v2` unless said otherwise. What the vendor bills is what counts as usage; \
         its own prompt around the caller's does not.",
    ),
    (
        "gemini",
        "An API key of AI Studio. A message and each of its calls may bear \
         `extra_content.google.thought_signature`: sent back as they came they let the model go on from its thoughts. An \
         image or a file goes in the request, or is one of the vendor's own store: no other address is fetched.",
    ),
    (
        "vertex",
        "The key is the JSON file of a service account, on one line; tokens are had where it says, if that is Google, or \
         at the option `token_endpoint`. With the option `credentials` tokens are the gateway's own host's: `metadata` \
         (of a machine, a pod or Cloud Run) or `external_account` (workload identity federation, by a file, an address or AWS), as far as the setting \
         `google.host_credentials` allows it. Models whose name begins with `claude` are spoken to as Anthropic's, by its \
         table. An image or a file may stand at an https address.",
    ),
    ("ollama", "The OpenAI-compatible surface: nothing is translated. Needs `allow_private_network`."),
    (
        "ollama-native",
        "Ollama's own API, for what the compatible surface cannot be told. `endpoint` has no path. The option `num_ctx` \
         sets the context's size in tokens and `keep_alive` how long a model stays loaded, where a request says neither. \
         Needs `allow_private_network`.",
    ),
    ("custom", "Whatever else speaks OpenAI: `endpoint` is its base URL, up to `/v1`."),
];

/// The dialects by name, each with its table; those of one table share it.
fn tables() -> Vec<(String, Vec<Row>)> {
    let mut tables = vec![("OpenAI".to_owned(), compat::rows(Quirks::NONE))];
    for (kind, dialect) in registry::NATIVE {
        let rows = dialect.members();
        match tables.iter_mut().find(|(_, known)| *known == rows) {
            Some((names, _)) => {
                names.push_str(", ");
                names.push_str(kind.name);
            }
            None => tables.push((kind.name.to_owned(), rows)),
        }
    }
    tables
}

/// The whole page, in Markdown.
pub fn reference_markdown() -> String {
    let mut page = HEAD.to_owned();
    kinds(&mut page);
    page.push_str(CAPABILITIES);
    members(&mut page);
    vendors(&mut page);
    going_on(&mut page);
    page
}

fn kinds(page: &mut String) {
    line(page, format_args!("## Kinds\n\n| kind | vendor | endpoint | its key |\n|---|---|---|---|"));
    for Kind { id, name, base_url, key_variables, .. } in registry::kinds() {
        let endpoint = if base_url.is_empty() { "must be said".to_owned() } else { format!("`{base_url}`") };
        let variables: Vec<String> = key_variables.iter().map(|name| format!("`{name}`")).collect();
        line(page, format_args!("| `{id}` | {name} | {endpoint} | {} |", variables.join(", ")));
    }
    page.push('\n');
    for (id, words) in SETTING_UP {
        line(page, format_args!("- `{id}`: {words}"));
    }
    page.push('\n');
    line(page, format_args!("### Options\n\n| kind | option | | what it is |\n|---|---|---|---|"));
    for known in registry::COMMON {
        line(page, format_args!("| every kind | `{}` | | {} |", known.name, known.meaning));
    }
    for kind in registry::kinds() {
        for known in kind.options {
            let need = if known.is_required { "required" } else { "" };
            line(page, format_args!("| `{}` | `{}` | {need} | {} |", kind.id, known.name, known.meaning));
        }
    }
    page.push('\n');
}

const MEMBERS_HEAD: &str = "\
## Members of a chat request

A member **passes** as it is, is **said** in the vendor's words, **left out**, or **refused** with a 400, the values in
brackets excepted. How, and why, stands below.

";

const CAPABILITIES: &str = "\
## What models can do

Each dialect knows the families of its vendor's models: how long an answer may be, whether `temperature` and its kin are
taken, how thinking is asked for, whether an answer can be bound to a schema. A model nobody has heard of gets what every
model takes. A model's `capabilities`, in the configuration file or over REST, say otherwise:

| member | what is done with it |
|---|---|
| `like` | the model is known by this name of the vendor's: for a tuned model, or an ARN that does not tell |
| `max_output_tokens` | more is lowered to it; at Anthropic and Claude's other hosts it is also what is asked for where a request says nothing |
| `sampling` | `false`: `temperature`, `top_p`, `top_k` and the penalties are left out; `true`: they are sent to a Claude that is known to refuse them |
| `thinking` | `none`: `reasoning_effort` and `thinking` are left out; `budget` or `effort`: how Claude, Gemini and Nova are told how much to think |
| `structured_output` | whether Claude, Bedrock's models and Gemini (beside tools) are bound to a `json_schema` by themselves or by a tool that must be called |
| `input_modalities` | all it takes in, of `text`, `image`, `audio`, `video` and `file`: a request with anything else is never offered to it |
| `output_modalities` | all it gives out: a request whose `modalities` want anything else is never offered to it |

What well-known models take in and give out is known from the same list as their prices; a model nobody has heard of is
offered everything, and its provider decides. `fit.abilities` bounds a model's use besides.

";

/// One table over all dialects, then each one's notes.
fn members(page: &mut String) {
    page.push_str(MEMBERS_HEAD);
    let tables = tables();
    let names: Vec<&str> = tables.iter().map(|(name, _)| &**name).collect();
    line(page, format_args!("| member | {} |", names.join(" | ")));
    line(page, format_args!("|---|{}", "---|".repeat(names.len())));
    for member in KNOWN {
        let cell = |(_, rows): &(String, Vec<Row>)| {
            let row = rows.iter().find(|row| row.member == *member);
            row.map_or_else(String::new, |row| decision(row.decision))
        };
        let cells: Vec<String> = tables.iter().map(cell).collect();
        line(page, format_args!("| `{member}` | {} |", cells.join(" | ")));
    }
    page.push('\n');
    for (name, rows) in tables.iter().skip(1) {
        line(page, format_args!("### {name}\n\n| member | | how, or why |\n|---|---|---|"));
        for row in rows {
            line(page, format_args!("| `{}` | {} | {} |", row.member, decision(row.decision), row.note));
        }
        page.push('\n');
    }
}

fn decision(decision: Decision) -> String {
    match decision {
        Decision::Passed => "passes".to_owned(),
        Decision::Mapped => "said".to_owned(),
        Decision::Dropped => "left out".to_owned(),
        Decision::Refused { unless: [] } => "**refused**".to_owned(),
        Decision::Refused { unless } => format!("**refused** (`{}`)", unless.join("`, `")),
    }
}

const VENDORS_HEAD: &str = "\
## Vendors that speak OpenAI

Only what differs is listed: what a vendor refuses, and what is done about it. Everything else passes as it stands.

| kind | member | | how, or why |
|---|---|---|---|
";

/// What differs from OpenAI at each vendor of the compatible table.
fn vendors(page: &mut String) {
    page.push_str(VENDORS_HEAD);
    let plain = compat::rows(Quirks::NONE);
    for vendor in registry::vendors() {
        let rows = compat::rows(vendor.quirks);
        let mut kind = format!("`{}`", vendor.id);
        for row in rows.iter().filter(|row| !plain.contains(row)) {
            line(
                page,
                format_args!("| {kind} | `{}` | {} | {} |", row.member, decision(row.decision), row.note),
            );
            kind.clear();
        }
        if !kind.is_empty() {
            line(page, format_args!("| {kind} | | | nothing differs |"));
        }
    }
}

const GOING_ON_HEAD: &str = "
## Going on with an answer that broke off

What was said goes to the next target as the assistant's last message ([routing](routing.md)). These are told that it is
the beginning of their own answer, so that they go on in mid-sentence; all others are sent it as it is, which is enough
for some (Anthropic's models that take a prefill, OpenRouter) and read by the rest as their own last words.

| kind | how |
|---|---|
";

/// How vendors are told to go on.
fn going_on(page: &mut String) {
    page.push_str(GOING_ON_HEAD);
    for vendor in registry::vendors() {
        let how = match vendor.quirks.goes_on {
            GoesOn::Unasked => continue,
            GoesOn::Marked { member, under: "" } => format!("`{member}` in the message"),
            GoesOn::Marked { member, under } => {
                format!("`{member}` in the message, where the endpoint ends in `{under}`")
            }
            GoesOn::Beside(flags) => {
                let flags = flags.iter().map(|(name, flag)| format!("`{name}: {flag}`"));
                flags.collect::<Vec<_>>().join(", ")
            }
        };
        line(page, format_args!("| `{}` | {how} |", vendor.id));
    }
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    let _infallible = writeln!(page, "{text}");
}
