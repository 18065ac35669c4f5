//! `cargo xtask new-provider ID`: the place a new vendor takes in the tree, and what is left to do there.
//!
//! A vendor that speaks OpenAI is one row of the table. Any other is a dialect of its own, which begins as
//! OpenAI's under another name, so that the tree builds at every step from there.

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::workspace::Workspace;

const TABLE: &str = "crates/providers/src/compat.rs";
const DIALECTS: &str = "crates/providers/src/dialect.rs";
const REGISTRY: &str = "crates/providers/src/registry.rs";

/// Rows of vendors elsewhere stand before those of servers of one's own.
const ROWS_END: &str = "    local(\"ollama\",";
/// The registry's rows end where its first function begins.
const NATIVE_END: &str = "];\n\n/// The dialect of this kind, if there is one.";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Its `kind` in configuration: lower case, `-` between words
    id: String,
    /// Its name for people; without it, the id with a capital letter
    #[arg(long)]
    name: Option<String>,
    /// What its documentation gives OpenAI clients, up to `/v1`
    #[arg(long, value_name = "URL")]
    base_url: String,
    /// It does not speak OpenAI: scaffold a dialect in place of a row
    #[arg(long)]
    native: bool,
}

impl Options {
    fn name(&self) -> String {
        let capital = || {
            let mut letters = self.id.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters).collect()
        };
        self.name.clone().unwrap_or_else(capital)
    }

    /// The variable its key is usually kept in.
    fn variable(&self) -> String {
        format!("{}_API_KEY", self.id.replace('-', "_").to_ascii_uppercase())
    }

    /// The name of its type.
    fn type_name(&self) -> String {
        let words = self.id.split('-').map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_ascii_uppercase() + rest
        });
        words.collect()
    }

    fn module(&self) -> String {
        self.id.replace('-', "_")
    }

    fn check(&self) -> Result<()> {
        let is_word = |word: &str| {
            word.starts_with(|letter: char| letter.is_ascii_lowercase())
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        ensure!(
            self.id.split('-').all(is_word),
            "an id is lower-case words with `-` in between: `{}`",
            self.id
        );
        ensure!(!self.base_url.ends_with('/'), "a base URL ends without `/`: `{}`", self.base_url);
        ensure!(self.base_url.starts_with("https://"), "a vendor's base URL is https: `{}`", self.base_url);
        let plain = [self.name(), self.base_url.clone()].concat();
        ensure!(!plain.contains(['"', '\\', '\n']), "neither name nor base URL may contain quotes");
        Ok(())
    }
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    options.check()?;
    let shell = &workspace.shell;
    let [table, registry] = [TABLE, REGISTRY].map(|path| shell.read_file(path));
    let (table, registry) = (table?, registry?);
    let dialects = shell.read_file(DIALECTS)?;
    let quoted = format!("\"{}\"", options.id);
    if table.contains(&quoted) || dialects.contains(&format!("pub mod {};", options.module())) {
        bail!("there is a kind `{}` already", options.id);
    }
    if options.native {
        let file = format!("crates/providers/src/dialect/{}.rs", options.module());
        shell.write_file(REGISTRY, with_entry(&registry, options)?)?;
        shell.write_file(DIALECTS, with_module(&dialects, &options.module())?)?;
        shell.write_file(&file, dialect(options))?;
        println!("wrote {file}, a line of {DIALECTS} and one of {REGISTRY}\n\n{}", left_of_dialect(options));
    } else {
        shell.write_file(TABLE, with_row(&table, options)?)?;
        println!("wrote a row of {TABLE}\n\n{}", left_of_row(options));
    }
    Ok(true)
}

/// The table with the vendor's row behind those of other vendors.
fn with_row(table: &str, options: &Options) -> Result<String> {
    let (before, after) = table.split_once(ROWS_END).context("the table has no row of `ollama`")?;
    let (id, name, base_url, variable) = (&options.id, options.name(), &options.base_url, options.variable());
    Ok(format!(
        "{before}    remote(\"{id}\", \"{name}\", \"{base_url}\", &[\"{variable}\"], NONE),\n{ROWS_END}{after}"
    ))
}

/// The registry with the dialect's line behind the others.
fn with_entry(registry: &str, options: &Options) -> Result<String> {
    let (before, after) = registry.split_once(NATIVE_END).context("the registry's list has another end")?;
    let kind = format!("crate::dialect::{}::{}", options.module(), options.type_name());
    Ok(format!("{before}    ({kind}::KIND, &{kind}),\n{NATIVE_END}{after}"))
}

/// The module among the others, in their order.
fn with_module(dialects: &str, module: &str) -> Result<String> {
    let line = format!("pub mod {module};");
    let mut lines: Vec<&str> = dialects.lines().collect();
    let is_module = |line: &str| line.starts_with("pub mod ");
    let behind = lines.iter().position(|known| is_module(known) && **known > *line);
    let last = lines.iter().rposition(|known| is_module(known)).map(|at| at + 1);
    lines.insert(behind.or(last).context("there are no modules")?, &line);
    Ok(lines.join("\n") + "\n")
}

/// A dialect that is OpenAI's still.
fn dialect(options: &Options) -> String {
    let (id, name, base_url) = (&options.id, options.name(), &options.base_url);
    format!(
        r#"//! The dialect of {name}.

use bytes::Bytes;
use nexus_core::{{call::Call, fault::Fault}};

use super::{{
    Ask, AuthScheme, Decoded, Dialect, Encoded, Head, StreamDecoder, Unsayable, member::Row, openai,
}};
use crate::{{
    compat::{{self, Quirks}},
    part::fault,
    registry::Kind,
}};

/// The vendor's own API; also whatever else speaks it under another endpoint.
#[derive(Clone, Copy, Debug)]
pub struct {type_name};

impl {type_name} {{
    pub const ID: &str = "{id}";
    /// For the registry.
    pub(crate) const KIND: Kind = Kind {{
        id: Self::ID,
        name: "{name}",
        base_url: "{base_url}",
        key_variables: &["{variable}"],
        is_local: false,
        options: &[],
    }};
}}

impl Dialect for {type_name} {{
    fn id(&self) -> &'static str {{
        Self::ID
    }}

    fn auth(&self) -> AuthScheme {{
        AuthScheme::Bearer
    }}

    fn members(&self) -> Vec<Row> {{
        compat::rows(Quirks::NONE)
    }}

    fn encode(&self, ask: Ask<'_>) -> Result<Encoded, Unsayable> {{
        let body = openai::encode(ask, Quirks::NONE)?;
        Ok(Encoded {{ path: "/chat/completions".to_owned(), headers: Vec::new(), body }})
    }}

    fn decode(&self, call: &Call, body: &Bytes) -> Result<Decoded, Fault> {{
        openai::decode(call, body, Quirks::NONE)
    }}

    fn stream(&self, call: &Call) -> Box<dyn StreamDecoder> {{
        openai::stream(call, Quirks::NONE)
    }}

    fn fault(&self, head: Head<'_>, body: &[u8]) -> Fault {{
        Fault {{ retry_after_ms: head.retry_after_ms, ..fault::of_answer(head.status, body) }}
    }}
}}
"#,
        type_name = options.type_name(),
        variable = options.variable(),
    )
}

fn left_of_row(options: &Options) -> String {
    let id = &options.id;
    format!(
        "left to do:\n\
         1. In the vendor's documentation, look up what it refuses, and give the row its quirks: a constant of {TABLE}, \
         with changes of members in crates/providers/src/compat/change.rs\n\
         2. Write cases of what it does otherwise: crates/providers/tests/cases/{{request,whole,stream}}/{id}.NAME.json \
         (or .sse), one file each; `INSTA_UPDATE=always cargo test --package nexus-providers` writes their snapshots, which are to be read\n\
         3. Write the page anew: `cargo run --package nexus-gateway -- provider reference > docs/providers.md`\n\
         4. `cargo test --package nexus-providers`, then ask it once: `nexus provider test NAME`"
    )
}

fn left_of_dialect(options: &Options) -> String {
    let module = options.module();
    format!(
        "left to do, the tree building at every step:\n\
         1. {module}/member.rs: a row for each member of a request, held to the encoder by a proof as in cohere/member.rs\n\
         2. {module}/request.rs, answer.rs, stream.rs: the vendor's words in place of OpenAI's; crates/providers/src/part has \
         what others share (completions, chunks, lines, tools, usage, faults)\n\
         3. Signs of its failures in crates/providers/src/part/fault/sign.rs, with a case each\n\
         4. Cases in crates/providers/tests/cases/{{request,whole,stream}}/{id}.NAME.json (or .sse), and its kind in \
         tests/suite/chance.rs and recordings.rs\n\
         5. The mock's surface in crates/testkit/src/mock, and its kind in crates/gateway/tests/e2e/vendors.rs\n\
         6. How it is configured in crates/providers/src/reference.rs, then the page anew: \
         `cargo run --package nexus-gateway -- provider reference > docs/providers.md`",
        id = options.id,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(id: &str, native: bool) -> Options {
        Options { id: id.to_owned(), name: None, base_url: "https://api.acme.example/v1".to_owned(), native }
    }

    fn read(path: &str) -> String {
        std::fs::read_to_string(format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    #[test]
    fn a_vendor_that_speaks_openai_is_one_row_more() {
        let before = read(TABLE);
        let after = with_row(&before, &options("acme-ai", false)).unwrap();
        let row = "    remote(\"acme-ai\", \"Acme-ai\", \"https://api.acme.example/v1\", &[\"ACME_AI_API_KEY\"], NONE),\n";
        assert_eq!(after.replace(row, ""), before);
        assert_eq!(after.lines().count(), before.lines().count() + 1);
    }

    #[test]
    fn a_dialect_of_its_own_is_a_file_and_a_line_in_the_tree_and_in_the_registry() {
        let options = options("acme-ai", true);
        let before = read(REGISTRY);
        let registry = with_entry(&before, &options).unwrap();
        let line = "    (crate::dialect::acme_ai::AcmeAi::KIND, &crate::dialect::acme_ai::AcmeAi),\n";
        assert_eq!(registry.replace(line, ""), before);
        assert_eq!(registry.lines().count(), before.lines().count() + 1);
        let dialects = with_module(&read(DIALECTS), "acme_ai").unwrap();
        assert!(dialects.contains("pub mod acme_ai;\npub mod anthropic;\n"));
        assert!(with_module(&dialects, "zeta").unwrap().contains(";\npub mod zeta;\n"));
        assert!(dialect(&options).contains("impl Dialect for AcmeAi {"));
    }

    #[test]
    fn an_id_is_lower_case_words() {
        for (id, is_taken) in [
            ("acme", true),
            ("acme-ai2", true),
            ("Acme", false),
            ("", false),
            ("a--b", false),
            ("2a", false),
            ("a_b", false),
        ] {
            assert_eq!(options(id, false).check().is_ok(), is_taken, "{id}");
        }
        for base_url in ["http://a.example/v1", "https://a.example/v1/", "https://a.example/\"", "a.example"]
        {
            let options = Options { base_url: base_url.to_owned(), ..options("acme", false) };
            assert!(options.check().is_err(), "{base_url}");
        }
    }
}
