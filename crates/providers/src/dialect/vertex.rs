//! Gemini as Vertex AI speaks it: the same bodies under a project's own paths, with a service account's token.
//! Claude's models are there too, and are spoken to as Anthropic wants it.
//!
//! The project is the option `project`; the region is the target's, else the option `region`, else
//! [`Vertex::REGION`].

mod either;
mod embedding;

use bytes::Bytes;
use nexus_core::{
    call::{Call, Operation},
    endpoint::Endpoint,
    fault::Fault,
    site::Site,
};
use nexus_wire::conversation::members::Members;

use self::{either::EitherStream, embedding::VertexEmbedder};
use super::{
    Ask, AuthScheme, Decoded, Dialect, Encoded, Head, Listing, StreamDecoder, Unsayable,
    anthropic::{self, Anthropic},
    embedder::Embedder,
    gemini::{self, Surface},
    member::Row,
};
use crate::{
    part::listing,
    registry::{Form, Kind, Known},
    tongue::{self, Own, messages::own},
};

/// A project of Google Cloud.
#[derive(Clone, Copy, Debug)]
pub struct Vertex;

impl Vertex {
    pub const ID: &str = "vertex";
    /// For the registry.
    pub(crate) const KIND: Kind = Kind {
        id: Self::ID,
        name: "Google Vertex AI",
        base_url: "https://{region-}aiplatform.googleapis.com/v1",
        key_variables: &["GOOGLE_APPLICATION_CREDENTIALS_JSON"],
        is_local: false,
        options: Self::OPTIONS,
    };
    /// The option that names the project.
    pub const PROJECT: &str = "project";
    const OPTIONS: &[Known] = &[
        Known::required(Self::PROJECT, Form::Name, "the project's id"),
        Known::optional(
            "region",
            Form::Label,
            "where the models are: a region such as `europe-west4`, or `global`",
        ),
        Known::optional(
            "credentials",
            Form::OneOf(&["static", "metadata", "external_account"]),
            "whose tokens are shown: the provider's own service account's, or the identity of the host",
        ),
        Known::optional(
            "token_endpoint",
            Form::Name,
            "where the service account's tokens are had, if that is not Google",
        ),
    ];
    /// The region where none is named: the vendor chooses the place.
    pub const REGION: &str = "global";
}

/// What tokens must be for.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

impl Dialect for Vertex {
    fn id(&self) -> &'static str {
        Self::ID
    }

    fn auth(&self) -> AuthScheme {
        AuthScheme::Google { scope: SCOPE }
    }

    fn members(&self) -> Vec<Row> {
        gemini::member::MEMBERS.to_vec()
    }

    fn encode(&self, ask: Ask<'_>) -> Result<Encoded, Unsayable> {
        if is_claude(ask.capabilities.known_as(ask.real_model)) {
            return encode_claude(ask);
        }
        let path = gemini_path(ask.real_model, ask.site, ask.request.is_stream)?;
        Ok(Encoded { path, headers: Vec::new(), body: gemini::body(ask, Surface::Vertex)?.into() })
    }

    fn decode(&self, call: &Call, body: &Bytes) -> Result<Decoded, Fault> {
        let said = std::str::from_utf8(body).ok().and_then(Members::read);
        // Gemini's answers have no `type`, Claude's all have.
        match said.is_some_and(|said| said.raw("type").is_some()) {
            true => Anthropic.decode(call, body),
            false => gemini::decode(call, body),
        }
    }

    /// The publisher's models, which only the version before the stable one lists.
    fn listing(&self, endpoint: &Endpoint, _: Site<'_>) -> Option<Listing> {
        let base_path =
            endpoint.base_path.strip_suffix("/v1").map(|before| format!("{before}/v1beta1").into());
        let endpoint = Endpoint {
            base_path: base_path.unwrap_or_else(|| endpoint.base_path.clone()),
            ..endpoint.clone()
        };
        Some(Listing { endpoint, path: "/publishers/google/models?pageSize=300".to_owned() })
    }

    fn listed(&self, body: &[u8]) -> Result<Vec<String>, Fault> {
        listing::names(body, "publisherModels", "name", "publishers/google/models/")
    }

    fn stream(&self, call: &Call) -> Box<dyn StreamDecoder> {
        Box::new(EitherStream::new(call))
    }

    fn own(&self, operation: Operation, real_model: &str, _: Site<'_>) -> Option<&dyn Own> {
        match (operation, is_claude(real_model)) {
            (Operation::Messages, true) => Some(&CLAUDE),
            (Operation::GenerateContent, false) => Some(&GEMINI),
            _ => None,
        }
    }

    fn embedder(&self) -> Option<&dyn Embedder> {
        Some(&VertexEmbedder)
    }

    fn fault(&self, head: Head<'_>, body: &[u8]) -> Fault {
        gemini::of_answer(head, body)
    }
}

/// The path of a project in a region.
fn place(site: Site<'_>) -> Result<String, Unsayable> {
    let project = site.options.option(Vertex::PROJECT).filter(|project| !project.is_empty());
    let project = project.ok_or_else(|| Unsayable {
        param: "model".to_owned(),
        message: "the provider of this model is set up without its option `project`".to_owned(),
    })?;
    let region = site.region().unwrap_or(Vertex::REGION);
    Ok(format!(
        "/projects/{}/locations/{}",
        gemini::percent_encoded(project),
        gemini::percent_encoded(region)
    ))
}

/// Whether a model is one of Anthropic's.
fn is_claude(real_model: &str) -> bool {
    real_model.rsplit('/').next().is_some_and(|name| name.starts_with("claude"))
}

fn encode_claude(ask: Ask<'_>) -> Result<Encoded, Unsayable> {
    let path = claude_path(ask.real_model, ask.site, ask.request.is_stream)?;
    Ok(Encoded { path, ..anthropic::encode(ask, anthropic::Host::Vertex)? })
}

fn gemini_path(real_model: &str, site: Site<'_>, is_stream: bool) -> Result<String, Unsayable> {
    let model = gemini::model_path(real_model, "publishers/google/models")?;
    Ok(format!("{}{model}{}", place(site)?, gemini::verb(is_stream)))
}

fn claude_path(real_model: &str, site: Site<'_>, is_stream: bool) -> Result<String, Unsayable> {
    let model = gemini::model_path(real_model, "publishers/anthropic/models")?;
    let verb = if is_stream { ":streamRawPredict" } else { ":rawPredict" };
    Ok(format!("{}{model}{verb}", place(site)?))
}

/// Gemini's models, spoken to in their own words.
const GEMINI: tongue::gemini::own::Host = tongue::gemini::own::Host { path: gemini_path };

/// Claude's models, spoken to in their own words.
const CLAUDE: own::Host = own::Host::InPath { path: claude_path, version: anthropic::VERTEX_VERSION };
