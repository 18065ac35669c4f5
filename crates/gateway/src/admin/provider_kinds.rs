//! The kinds of providers there are, and which options each takes: the same for everybody and on every node.

use nexus_providers::registry::{self, Kind, Known};
use serde::Serialize;
use utoipa::ToSchema;

use super::{answer::Told, call::Call, problem::Problem};

/// A kind of provider.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KnownProviderKind)]
pub struct KindBody {
    pub kind: &'static str,
    /// The vendor's, for people.
    pub name: &'static str,
    /// Where requests go unless an endpoint is said; may have places such as `{region}`.
    pub base_url: &'static str,
    /// The variables its key is usually in.
    pub key_variables: Vec<&'static str>,
    /// Whether it usually runs on one's own machine, without a key.
    pub is_local: bool,
    pub options: Vec<OptionBody>,
}

/// An option of a kind.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KnownProviderOption)]
pub struct OptionBody {
    pub name: &'static str,
    pub required: bool,
    /// What its value looks like.
    pub pattern: String,
    pub meaning: &'static str,
}

/// All of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KnownProviderKinds)]
pub struct KindList {
    pub data: Vec<KindBody>,
}

impl From<&Kind> for KindBody {
    fn from(kind: &Kind) -> Self {
        let option = |known: &Known| OptionBody {
            name: known.name,
            required: known.is_required,
            pattern: known.form.pattern(),
            meaning: known.meaning,
        };
        Self {
            kind: kind.id,
            name: kind.name,
            base_url: kind.base_url,
            key_variables: kind.key_variables.to_vec(),
            is_local: kind.is_local,
            options: kind.all_options().map(option).collect(),
        }
    }
}

pub async fn list(_: Call) -> Result<Told<KindList>, Problem> {
    Ok(Told(KindList { data: registry::kinds().map(|kind| KindBody::from(&kind)).collect() }))
}
