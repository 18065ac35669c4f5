//! The page on providers says what the tables say, and every dialect has its table.

use nexus_providers::{reference, registry};
use nexus_wire::chat::KNOWN;

#[test]
fn the_page_on_providers_is_current() {
    let page = include_str!("../../../../docs/providers.md");
    let made = reference::reference_markdown();
    assert_eq!(
        page.trim_end(),
        made.trim_end(),
        "write it anew: `cargo run --package nexus-gateway -- provider reference > docs/providers.md`"
    );
}

#[test]
fn every_dialect_says_what_becomes_of_every_member() {
    for kind in registry::kinds() {
        let rows = registry::dialect(kind.id).unwrap().members();
        for member in KNOWN {
            let of_it = rows.iter().filter(|row| row.member == *member);
            assert_eq!(of_it.count(), 1, "{} `{member}`", kind.id);
        }
    }
}
