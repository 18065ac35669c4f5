//! The reference page of the configuration, made from the table of fields.
//!
//! The page's words are the doc comments of [`crate::raw`]; change them there.

use std::fmt::Write;

use crate::{
    field::{Field, Kind, Preset},
    load::{PLAIN_VARIABLES, variable},
    raw::Raw,
};

const HEAD: &str = "\
# Configuration

Defaults, then the file (`--config FILE`, YAML), then environment variables, then flags: each goes before the one in
front of it. A level of the file is two underscores in a variable: `server.port` is `NEXUS_SERVER__PORT`. A list of texts
has commas in a variable; other lists are set in the file only. `nexus config check FILE` names every problem at once;
`nexus config print` shows what holds, without secrets.

";

const SECRETS: &str = "\
## Variables of their own

| variable | meaning |
|---|---|
| `NEXUS_SECRET_KEY` | the root secret that signing keys are derived from; at least 32 bytes, `openssl rand -base64 32` makes one |
| `DB_ENCRYPTION_KEY` | the root secret that wraps the keys of sealed credentials; at least 32 bytes |
| `REDIS_URL` | Redis or Valkey, for limits shared by several nodes; absent on one node |
| `AWS_...`, `HOME` | what AWS's own tools read, such as `AWS_ROLE_ARN`; looked at only where `aws.host_credentials` allows a source of keys |
| `AZURE_...`, `IDENTITY_...` | what Azure's own tools read, such as `AZURE_CLIENT_ID`; looked at only where `azure.host_credentials` allows a source of tokens |
| `GCE_METADATA_HOST`, `GOOGLE_APPLICATION_CREDENTIALS` | what Google's own tools read; looked at only where `google.host_credentials` allows a source of tokens |
";

/// The whole page, in Markdown.
pub fn reference_markdown() -> String {
    let mut page = HEAD.to_owned();
    table(&mut page, "", Raw::FIELDS);
    page.push_str(SECRETS);
    for (name, path) in PLAIN_VARIABLES {
        line(&mut page, format_args!("| `{name}` | sets `{path}`; `{}` goes before it |", variable(path)));
    }
    page
}

/// A section's own fields, then the sections in it.
fn table(page: &mut String, path: &str, fields: &[Field]) {
    let (title, prefix) = if path.is_empty() {
        ("Top level".to_owned(), String::new())
    } else {
        (format!("`{path}`"), format!("{path}."))
    };
    line(page, format_args!("## {title}\n\n| key | type | default | meaning |\n|---|---|---|---|"));
    for field in fields {
        let (name, kind, preset) = (field.name, kind(field.kind), preset(field));
        line(page, format_args!("| `{name}` | {kind} | {preset} | {} |", field.doc.trim()));
    }
    page.push('\n');
    for field in fields {
        match field.kind {
            Kind::Section(inner) => table(page, &format!("{prefix}{}", field.name), inner),
            Kind::List(inner) => table(page, &format!("{prefix}{}[]", field.name), inner),
            _ => {}
        }
    }
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Secret => "secret text".to_owned(),
        Kind::SecretUrl => "URL".to_owned(),
        Kind::Whole { min, max } => format!("{min} to {max}"),
        Kind::Signed { min, max } => format!("{min} to {max}"),
        Kind::Decimal => "0 to 1000, six decimals".to_owned(),
        Kind::Flag => "`true` or `false`".to_owned(),
        Kind::Choice(words) => format!("`{}`", words.join("`, `")),
        Kind::Texts => "list of texts".to_owned(),
        Kind::Shares => "names, each with 0 to 1000000".to_owned(),
        Kind::Named => "names, each with a text".to_owned(),
        Kind::Section(_) => "section".to_owned(),
        Kind::List(_) => "list".to_owned(),
    }
}

fn preset(field: &Field) -> String {
    match field.preset {
        Preset::Required => "required".to_owned(),
        Preset::Absent(meaning) => meaning.to_owned(),
        Preset::Text(text) => format!("`{text}`"),
        Preset::Whole(number) => format!("`{number}`"),
        Preset::Flag(flag) => format!("`{flag}`"),
    }
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    let _infallible = writeln!(page, "{text}");
}
