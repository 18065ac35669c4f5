//! The reference page in `docs` says what the code says.

#[test]
fn the_reference_page_is_current() {
    let page = include_str!("../../../docs/configuration.md");
    let made = nexus_config::reference::reference_markdown();
    assert_eq!(
        page.trim_end(),
        made.trim_end(),
        "write it anew: `cargo run --package nexus-gateway -- config reference > docs/configuration.md`"
    );
}
