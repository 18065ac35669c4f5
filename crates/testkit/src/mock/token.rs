//! Google's token endpoint for the one service account the mock knows, and whether Vertex AI is shown its token.
//!
//! An assertion is made anew from what it says of itself: one that is signed with another key, that is for something
//! else or for another time, is refused.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nexus_keystore::secret::Secret;
use nexus_keystore::service_account::ServiceAccount;
use serde_json::{Value, json};

/// The account's file. Its key was made for tests and is used nowhere.
pub const SERVICE_ACCOUNT: &str = include_str!("token/service_account.json");

/// What its assertions are exchanged for.
pub(crate) const TOKEN: &str = "ya29.of-the-mock-account";

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// How far an assertion's time may be from ours, in seconds.
const SKEW_S: u64 = 5 * 60;

/// Whether a path, without its query, is where tokens are had.
pub(crate) fn is_asked(path: &str) -> bool {
    path == "/token"
}

/// Whether a path is of Vertex AI, which wants a token.
pub(crate) fn is_wanted(path: &str) -> bool {
    path.contains("/publishers/")
}

/// The status and the body for a question.
pub(crate) fn answer(form: &[u8], now_s: u64) -> (u16, String) {
    let told = match check(form, now_s) {
        Ok(()) => {
            return (
                200,
                json!({"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"}).to_string(),
            );
        }
        Err(word) => json!({"error": word, "error_description": "the mock knows one service account"}),
    };
    (400, told.to_string())
}

fn check(form: &[u8], now_s: u64) -> Result<(), &'static str> {
    let form = std::str::from_utf8(form).map_err(|_| "invalid_request")?;
    let posted = |name: &str| {
        let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
        let found = pairs.into_iter().find(|(known, _)| *known == name);
        found.and_then(|(_, value)| super::unescaped(value)).ok_or("invalid_request")
    };
    if posted("grant_type")? != GRANT {
        return Err("unsupported_grant_type");
    }
    let assertion = posted("assertion")?;
    let issued_at_s = issued_at_s(&assertion).ok_or("invalid_grant")?;
    if issued_at_s.abs_diff(now_s) > SKEW_S {
        return Err("invalid_grant");
    }
    let file = Secret::new(SERVICE_ACCOUNT.to_owned());
    let account = ServiceAccount::read(&file).map_err(|_| "server_error")?;
    let ours = account.assertion(&account.token_uri, SCOPE, issued_at_s).map_err(|_| "server_error")?;
    if ours.expose() == assertion { Ok(()) } else { Err("invalid_grant") }
}

/// What an assertion says of when it was made.
fn issued_at_s(assertion: &str) -> Option<u64> {
    let claims = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims.get("iat")?.as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 1_764_000_000;

    fn form(audience: Option<&str>, scope: &str, issued_at_s: u64) -> String {
        let file = Secret::new(SERVICE_ACCOUNT.to_owned());
        let account = ServiceAccount::read(&file).unwrap();
        let assertion =
            account.assertion(audience.unwrap_or(&account.token_uri), scope, issued_at_s).unwrap();
        format!("grant_type={}&assertion={}", GRANT.replace(':', "%3A"), assertion.expose())
    }

    #[test]
    fn only_the_account_s_own_assertion_for_the_right_thing_and_time_is_given_a_token() {
        let good = form(None, SCOPE, NOW_S - 60);
        let forged = good.replace("assertion=ey", "assertion=eY");
        for (form, status, word) in [
            (good.as_str(), 200, "ya29."),
            (&form(None, SCOPE, NOW_S - 600), 400, "invalid_grant"),
            (&form(None, "https://www.googleapis.com/auth/drive", NOW_S), 400, "invalid_grant"),
            (&form(Some("https://elsewhere.example/token"), SCOPE, NOW_S), 400, "invalid_grant"),
            (&good[..good.len() - 8], 400, "invalid_grant"),
            (&forged, 400, "invalid_grant"),
            ("grant_type=client_credentials&assertion=x", 400, "unsupported_grant_type"),
            ("assertion=x", 400, "invalid_request"),
        ] {
            let (seen, body) = answer(form.as_bytes(), NOW_S);
            assert!(seen == status && body.contains(word), "{form}: {seen} {body}");
        }
    }
}
