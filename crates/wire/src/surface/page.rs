//! The page on coverage, made from the table.

use std::fmt::Write as _;

use super::{Annex, How, Row, SURFACE};

/// What a client must know of operations that are relayed.
const RELAYED: &str = "
## How relayed operations go through

The words of a relayed operation reach the provider as they were sent, but for the name of the model, and so does the
answer come back. Every provider that speaks OpenAI's API can be asked; one that does not is not tried. Keys, limits,
quotas, prices and routes hold as for chats.

- A request may name no `model` where OpenAI allows it; it goes to the `default_provider` of the configuration file, and
  is refused where there is none. For keys that are bound to models it counts as the model `moderations`,
  `images.generations` and so on.
- Forms (`multipart/form-data`) may be as large as `server.max_upload_bytes`. One of up to a mebibyte is kept, and
  another provider is tried where one fails. A larger one is passed on piece by piece and can be sent once only; its
  `model` must stand before the file, or within the first `server.max_body_bytes`. A form whose sender signs it is kept
  whole.
- An `Idempotency-Key` is not looked at, and answers are not shared.
- Tokens, pictures, seconds of sound and characters read aloud are booked as the provider says; where it says nothing,
  pictures and characters are counted, and tokens of completions estimated.
- An answer of bytes that breaks off ends with the connection.
- What a provider keeps (files, batches, threads and so on) belongs to the team that made it, and is asked for where it
  lives: see [resources.md](resources.md). Their answers, refusals included, come as the provider gives them. What no
  provider keeps the gateway keeps itself, as that page says.
";

/// `docs/openai-coverage.md`.
pub fn coverage_markdown() -> String {
    let count = |word: &str| SURFACE.iter().filter(|row| row.word() == word).count();
    let mut page = format!(
        "# Which operations of OpenAI's API are served\n\n\
         Made from the gateway's own table by `cargo xtask docs`; tests compare it with the routes, and with OpenAI's\n\
         specification where that lies beside the checkout.\n\n\
         | | operations | |\n|---|---|---|\n\
         | native | {} | routed by the model's name, translated to what the provider speaks, and booked; or answered by the gateway itself |\n\
         | relayed | {} | passed on in its own words to a provider that has it, and booked |\n\
         | either | {} | relayed where the provider keeps such things; native where it does not, and the gateway keeps them itself |\n\
         | optional | {} | answered with status 404, the code `operation_not_served`, and the reason, unless the setting `also_serve` names its annex |\n",
        count("native"),
        count("relayed"),
        count("either"),
        count("optional"),
    );
    let is_optional = |row: &&Row| matches!(row.how, How::Optional(_));
    page.push_str(RELAYED);
    page.push_str("\n## Served\n\n| method | path | how |\n|---|---|---|\n");
    for row in SURFACE.iter().filter(|row| !is_optional(row)) {
        let _ = writeln!(page, "| {} | `{}` | {} |", row.method, row.path, row.word());
    }
    page.push_str("\n## Optional\n");
    for annex in Annex::ALL {
        let word = annex.as_str();
        let (why_not, means) = (sentence(annex.why_not()), sentence(annex.what_it_means()));
        let _ = writeln!(page, "\n### `{word}`\n\n{why_not}\n\nWith `also_serve: [{word}]`: {means}\n");
        for Row { method, path, .. } in SURFACE.iter().filter(|row| row.how == How::Optional(annex)) {
            let _ = writeln!(page, "- `{method} {path}`");
        }
    }
    page
}

/// Words as a sentence.
fn sentence(words: &str) -> String {
    let (first, rest) = words.split_at_checked(1).unwrap_or_default();
    format!("{}{rest}.", first.to_uppercase())
}
