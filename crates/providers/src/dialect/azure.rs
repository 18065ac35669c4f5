//! Azure OpenAI: OpenAI's dialect under a resource's own paths.
//!
//! The real model is the deployment's name. Bodies are spliced as for OpenAI, never rebuilt; what Azure
//! adds (`prompt_filter_results`, `content_filter_results`) passes.

use std::fmt::Write;

use bytes::Bytes;
use nexus_core::{
    call::{Call, Operation},
    endpoint::Endpoint,
    fault::Fault,
    site::Site,
};

use super::{
    Ask, AuthScheme, Decoded, Dialect, Encoded, Head, Listing, StreamDecoder, Unsayable,
    member::Row,
    openai::{self, Vectors},
};
use crate::{
    compat::{self, Quirks},
    part::fault,
    registry::{Form, Kind, Known},
    tongue::{Own, Terms, responses::own},
};

/// By the v1 API, where the deployment stands in the body.
const RESPONSES: own::Host = own::Host { path: |_| path(None, "responses", "") };

/// A resource of Azure OpenAI or of Azure AI Foundry.
#[derive(Clone, Copy, Debug)]
pub struct Azure;

impl Azure {
    pub const ID: &str = "azure";
    /// For the registry.
    pub(crate) const KIND: Kind = Kind {
        id: Self::ID,
        name: "Azure OpenAI",
        base_url: "https://{resource}.openai.azure.com",
        key_variables: &["AZURE_OPENAI_API_KEY", "AZURE_API_KEY", "AZURE_OPENAI_KEY"],
        is_local: false,
        options: Self::OPTIONS,
    };
    const OPTIONS: &[Known] = &[
        Known::optional("resource", Form::Label, "the resource's name, as in its endpoint"),
        Known::optional(Self::VERSION, Form::Name, "the API's version: `v1`, which counts unsaid, or a date"),
        Known::optional(
            "credentials",
            Form::OneOf(&["static", "imds", "app_service", "workload"]),
            "whose tokens are shown: the provider's own key or application, or the identity of the host",
        ),
        Known::optional("client_id", Form::Name, "which of the host's identities, where it has several"),
    ];
    /// The option that names the API's version: `v1`, which is also what counts unsaid, or a date.
    pub const VERSION: &str = "api_version";
}

/// The first dated version that knows `stream_options` and `max_completion_tokens`.
const NEWER_MEMBERS_SINCE: &str = "2024-09-01";

/// What tokens of Microsoft Entra must be for.
const SCOPE: &str = "https://cognitiveservices.azure.com/.default";

impl Dialect for Azure {
    fn id(&self) -> &'static str {
        Self::ID
    }

    fn auth(&self) -> AuthScheme {
        AuthScheme::Entra { header: "api-key", scope: SCOPE }
    }

    fn members(&self) -> Vec<Row> {
        compat::rows(Quirks::NONE)
    }

    fn encode(&self, ask: Ask<'_>) -> Result<Encoded, Unsayable> {
        let version = dated_version(ask.site);
        Ok(Encoded {
            path: path(version, "chat/completions", ask.real_model),
            headers: Vec::new(),
            body: openai::encode(ask, quirks(version))?,
        })
    }

    fn decode(&self, call: &Call, body: &Bytes) -> Result<Decoded, Fault> {
        openai::decode(call, body, Quirks::NONE)
    }

    fn vectors(&self) -> Vectors {
        Vectors::AsTheyCome
    }

    fn path_of(&self, operation: Operation, deployment: &str, site: Site<'_>) -> Option<String> {
        match operation {
            Operation::ChatCompletions
            | Operation::Messages
            | Operation::Responses
            | Operation::GenerateContent
            | Operation::Rerank => None,
            // what Azure has under another name
            Operation::Moderations => None,
            other => Some(path(dated_version(site), other.path().trim_start_matches('/'), deployment)),
        }
    }

    fn kept_at(&self, path: &str, site: Site<'_>) -> Option<String> {
        Some(match dated_version(site) {
            None => format!("/openai/v1{path}"),
            Some(version) => {
                let sign = if path.contains('?') { '&' } else { '?' };
                format!("/openai{path}{sign}api-version={}", percent_encoded(version))
            }
        })
    }

    fn own(&self, operation: Operation, _: &str, site: Site<'_>) -> Option<&dyn Own> {
        (operation == Operation::Responses && dated_version(site).is_none()).then_some(&RESPONSES)
    }

    fn terms(&self) -> Terms {
        Terms::Plain
    }

    fn listing(&self, endpoint: &Endpoint, site: Site<'_>) -> Option<Listing> {
        let path = match dated_version(site) {
            None => "/openai/v1/models".to_owned(),
            Some(version) => format!("/openai/models?api-version={}", percent_encoded(version)),
        };
        Some(Listing { endpoint: endpoint.clone(), path })
    }

    fn stream(&self, call: &Call) -> Box<dyn StreamDecoder> {
        openai::stream(call, Quirks::NONE)
    }

    fn fault(&self, head: Head<'_>, body: &[u8]) -> Fault {
        Fault { retry_after_ms: head.retry_after_ms, ..fault::of_answer(head.status, body) }
    }
}

/// The version by date, where the resource is not to be asked by the v1 API.
fn dated_version(site: Site<'_>) -> Option<&str> {
    site.options.option(Azure::VERSION).filter(|version| !version.is_empty() && *version != "v1")
}

fn path(version: Option<&str>, operation: &str, deployment: &str) -> String {
    match version {
        None => format!("/openai/v1/{operation}"),
        Some(version) => format!(
            "/openai/deployments/{}/{operation}?api-version={}",
            percent_encoded(deployment),
            percent_encoded(version)
        ),
    }
}

/// A dated version refuses the members that came after it.
fn quirks(version: Option<&str>) -> Quirks {
    match version {
        Some(version) if version < NEWER_MEMBERS_SINCE => {
            Quirks { takes_stream_options: false, old_max_tokens: true, ..Quirks::NONE }
        }
        _ => Quirks::NONE,
    }
}

/// A name as one segment of a path, or one value of a query.
fn percent_encoded(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // writing into a string cannot fail
            let _infallible = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use nexus_core::{
        call::Operation,
        capabilities::Capabilities,
        id::{RequestId, Uuid},
        site::Options,
    };
    use nexus_wire::chat::ChatRequest;

    use super::*;

    /// What a streamed request becomes under this `api_version`: its path and its body.
    fn encoded(version: &str) -> (String, String) {
        let body = Bytes::from_static(
            br#"{"model":"a","messages":[],"stream":true,"stream_options":{},"max_completion_tokens":7}"#,
        );
        let request = ChatRequest::read(&body).unwrap();
        let call = Call {
            operation: Operation::ChatCompletions,
            alias: request.model.clone(),
            is_stream: true,
            wants_usage: false,
            request: RequestId(Uuid::nil()),
            asked_at_s: 0,
        };
        let options: Options = [(Azure::VERSION, version)].into_iter().collect();
        let site = Site { region: None, options: &options, base_path: "" };
        let ask = Ask {
            call: &call,
            body: &body,
            request: &request,
            real_model: "my gpt",
            capabilities: Capabilities::UNSAID,
            site,
        };
        let encoded = Azure.encode(ask).unwrap();
        assert_eq!(encoded.headers, []);
        (encoded.path, String::from_utf8(encoded.body.to_vec()).unwrap())
    }

    #[test]
    fn a_dated_version_names_the_deployment_in_the_path_and_knows_what_it_knew_then() {
        let newest = r#"{"model":"my gpt","messages":[],"stream":true,"stream_options":{"include_usage":true},"max_completion_tokens":7}"#;
        let old = r#"{"model":"my gpt","messages":[],"stream":true,"max_tokens":7}"#;
        for (version, dated, body) in [
            ("", false, newest),
            ("v1", false, newest),
            ("2024-06-01", true, old),
            ("2024-08-01-preview", true, old),
            ("2024-09-01-preview", true, newest),
            ("2024-10-21", true, newest),
        ] {
            let path = match dated {
                true => format!("/openai/deployments/my%20gpt/chat/completions?api-version={version}"),
                false => "/openai/v1/chat/completions".to_owned(),
            };
            assert_eq!(encoded(version), (path, body.to_owned()), "{version}");
        }
    }

    #[test]
    fn a_deployment_s_name_is_one_segment_whatever_is_in_it() {
        for (deployment, expected) in [
            ("gpt-4o", "gpt-4o"),
            ("a b", "a%20b"),
            ("a/../b?c#d", "a%2F..%2Fb%3Fc%23d"),
            ("größe", "gr%C3%B6%C3%9Fe"),
            ("%41", "%2541"),
        ] {
            let path = path(Some("2024-10-21"), "chat/completions", deployment);
            assert_eq!(
                path,
                format!("/openai/deployments/{expected}/chat/completions?api-version=2024-10-21")
            );
        }
        assert!(path(Some("x&y=1"), "embeddings", "d").ends_with("?api-version=x%26y%3D1"));
        assert_eq!(path(None, "chat/completions", "a/b"), "/openai/v1/chat/completions");
    }
}
