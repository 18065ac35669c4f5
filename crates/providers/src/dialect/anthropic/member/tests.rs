//! The table is complete, and the encoder does what it says.

use nexus_core::site::Site;

use super::{
    super::{super::member::proof::Proof, Anthropic},
    *,
};

#[test]
fn what_a_row_says_is_what_the_encoder_does() {
    let proof = Proof {
        dialect: &Anthropic,
        rows: MEMBERS,
        extensions: &["top_k", "thinking"],
        // Of the middle generation.
        real_model: "claude-sonnet-4-5",
        site: Site::PLAIN,
        example: |member| {
            (member == "thinking").then(|| r#""thinking":{"type":"enabled","budget_tokens":2000}"#.to_owned())
        },
    };
    proof.check();
}
