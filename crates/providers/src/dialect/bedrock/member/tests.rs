//! The table is complete, and the encoder does what it says.

use nexus_core::site::Site;

use super::{
    super::{super::member::proof::Proof, Bedrock},
    *,
};

#[test]
fn what_a_row_says_is_what_the_encoder_does() {
    let proof = Proof {
        dialect: &Bedrock,
        rows: MEMBERS,
        extensions: &["top_k", "thinking"],
        real_model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        site: Site::PLAIN,
        example: |member| match member {
            "thinking" => Some(r#""thinking":{"type":"enabled","budget_tokens":2000}"#.to_owned()),
            "metadata" => Some(r#""metadata":{"a":"1"}"#.to_owned()),
            "service_tier" => Some(r#""service_tier":"flex""#.to_owned()),
            _ => None,
        },
    };
    proof.check();
}
