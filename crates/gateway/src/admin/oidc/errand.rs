//! Fetching from the identity provider: within bounds, JSON, and in words an administrator can use.

use std::time::Duration;

use actix_web::web::Bytes;
use nexus_core::fault::Fault;
use nexus_transport::{Errand, Fetched, Fetcher, Reach};
use url::Url;

use crate::admin::problem::{Kind, Problem};

const BYTES_MAX: usize = 256 << 10;
const TIMEOUT: Duration = Duration::from_secs(10);

/// What runs the errands to one provider.
#[derive(Clone, Debug)]
pub struct Errands {
    pub fetcher: Fetcher,
    pub reach: Reach,
}

impl Errands {
    /// A document of the provider's.
    pub async fn document(&self, url: &str) -> Result<Bytes, Problem> {
        let url = parsed(url)?;
        let fetched = self.fetcher.get(self.errand(&url, &[])).await.map_err(away)?;
        if fetched.status != 200 {
            return Err(unusable(&format!("it answers `{}` with status {}", url.path(), fetched.status)));
        }
        Ok(fetched.body)
    }

    /// The answer to a form, whatever its status.
    pub async fn form(
        &self,
        url: &str,
        headers: &[(&'static str, &str)],
        form: String,
    ) -> Result<Fetched, Problem> {
        let url = parsed(url)?;
        let media_type = "application/x-www-form-urlencoded";
        self.fetcher.post(self.errand(&url, headers), media_type, form.into()).await.map_err(away)
    }

    fn errand<'a>(&self, url: &'a Url, headers: &'a [(&'static str, &'a str)]) -> Errand<'a> {
        Errand { url, headers, reach: self.reach, limit_bytes: BYTES_MAX, timeout: TIMEOUT }
    }
}

fn parsed(url: &str) -> Result<Url, Problem> {
    Url::parse(url).map_err(|_| unusable("one of its addresses is no URL"))
}

fn away(fault: Fault) -> Problem {
    unusable(&fault.message)
}

/// The provider cannot be used now. Whoever runs the gateway is told why; strangers are not.
pub fn unusable(why: &str) -> Problem {
    tracing::error!(why, "the identity provider cannot be used");
    Problem::new(Kind::IdentityProviderAway, "sign in with a password, or try again in a moment")
}
