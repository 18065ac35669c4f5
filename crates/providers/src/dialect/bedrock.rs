//! The dialect of AWS Bedrock: Converse, and its streams in `vnd.amazon.eventstream` frames.
//!
//! What becomes of each member is written in [`member::MEMBERS`]. Models of many families are behind this
//! one API; what Claude takes is said with the words of its own vendor's dialect.

mod answer;
mod block;
mod embedding;
mod fault;
mod media;
pub mod member;
mod model;
mod request;
mod stream;
mod thinking;
mod tool;
mod turn;
mod usage;

use bytes::Bytes;
use nexus_core::{call::Call, endpoint::Endpoint, fault::Fault, site::Site};

use super::{
    Ask, AuthScheme, Decoded, Dialect, Encoded, Head, Listing, StreamDecoder, Unsayable, embedder::Embedder,
    member::Row,
};
use crate::part::listing;
use crate::registry::{Form, Kind, Known};

#[derive(Clone, Copy, Debug)]
pub struct Bedrock;

impl Bedrock {
    pub const ID: &str = "bedrock";
    /// For the registry.
    pub(crate) const KIND: Kind = Kind {
        id: Self::ID,
        name: "AWS Bedrock",
        base_url: "https://bedrock-runtime.{region}.amazonaws.com",
        key_variables: &["AWS_BEARER_TOKEN_BEDROCK"],
        is_local: false,
        options: Self::OPTIONS,
    };
    const OPTIONS: &[Known] = &[
        Known::optional("region", Form::Label, "the region, such as `eu-west-1`"),
        Known::optional(
            "credentials",
            Form::OneOf(&["static", "profile", "environment", "imds", "irsa", "ecs"]),
            "whose access key signs: the provider's own, or one of the host's",
        ),
        Known::optional("profile", Form::Name, "the profile, where `credentials` is `profile`"),
    ];
}

impl Dialect for Bedrock {
    fn id(&self) -> &'static str {
        Self::ID
    }

    fn auth(&self) -> AuthScheme {
        AuthScheme::Aws { service: "bedrock" }
    }

    fn members(&self) -> Vec<Row> {
        member::MEMBERS.to_vec()
    }

    fn encode(&self, ask: Ask<'_>) -> Result<Encoded, Unsayable> {
        request::encode(ask)
    }

    fn decode(&self, call: &Call, body: &Bytes) -> Result<Decoded, Fault> {
        answer::decode(call, body)
    }

    fn stream_media(&self) -> &'static str {
        "application/vnd.amazon.eventstream"
    }

    /// Models are listed by the service that manages, beside the one that runs them.
    fn listing(&self, endpoint: &Endpoint, _: Site<'_>) -> Option<Listing> {
        let host = endpoint.host.strip_prefix("bedrock-runtime").map(|rest| format!("bedrock{rest}").into());
        let endpoint = Endpoint { host: host.unwrap_or_else(|| endpoint.host.clone()), ..endpoint.clone() };
        Some(Listing { endpoint, path: "/foundation-models".to_owned() })
    }

    fn listed(&self, body: &[u8]) -> Result<Vec<String>, Fault> {
        listing::names(body, "modelSummaries", "modelId", "")
    }

    fn tells(&self, real_model: &str) -> bool {
        model::tells(real_model)
    }

    fn stream(&self, call: &Call) -> Box<dyn StreamDecoder> {
        Box::new(stream::ConverseStream::new(call))
    }

    fn embedder(&self) -> Option<&dyn Embedder> {
        Some(self)
    }

    fn fault(&self, head: Head<'_>, body: &[u8]) -> Fault {
        fault::of_answer(head, body)
    }
}

/// The path of an operation on a model. Its name is one segment, whatever is in it.
fn path(model: &str, operation: &str) -> String {
    let is_dots = model.bytes().all(|byte| byte == b'.');
    let mut path = String::from("/model/");
    for byte in model.bytes() {
        match byte {
            b'.' if is_dots => path.push_str("%2E"),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                path.push(char::from(byte))
            }
            byte => path.push_str(&format!("%{byte:02X}")),
        }
    }
    path.push('/');
    path.push_str(operation);
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_s_name_is_one_segment_of_the_path() {
        for (model, expected) in [
            ("amazon.nova-micro-v1:0", "/model/amazon.nova-micro-v1%3A0/converse"),
            ("arn:aws:bedrock:x:1:p/a b", "/model/arn%3Aaws%3Abedrock%3Ax%3A1%3Ap%2Fa%20b/converse"),
            ("..", "/model/%2E%2E/converse"),
            ("\u{e9}?#", "/model/%C3%A9%3F%23/converse"),
        ] {
            assert_eq!(path(model, "converse"), expected);
        }
    }
}
