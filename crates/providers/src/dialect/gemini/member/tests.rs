//! The table is complete, and the encoder does what it says, on both surfaces.

use nexus_core::site::{Options, Site};

use super::{
    super::{
        super::{Dialect, member::proof::Proof, vertex::Vertex},
        Gemini,
    },
    *,
};

#[test]
fn what_a_row_says_is_what_the_encoder_does() {
    let options: Options = [("project", "p")].into_iter().collect();
    let site = Site { region: None, options: &options, base_path: "" };
    let surfaces: [(&dyn Dialect, Site<'_>); 2] = [(&Gemini, Site::PLAIN), (&Vertex, site)];
    for (dialect, site) in surfaces {
        let proof = Proof {
            dialect,
            rows: MEMBERS,
            extensions: &["top_k", "safety_settings"],
            // Thinks by a budget, and takes penalties.
            real_model: "gemini-2.5-flash",
            site,
            example: |member| match member {
                "top_logprobs" => Some(r#""logprobs":true,"top_logprobs":3"#.to_owned()),
                "safety_settings" => Some(r#""safety_settings":[{"category":"c"}]"#.to_owned()),
                _ => None,
            },
        };
        proof.check();
    }
}
