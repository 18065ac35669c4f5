//! The identity of the gateway's host: requests, the test of a provider and the command line are shown it alike, as
//! far as the operator allows it. It is asked for here and given to nobody: the mock knows no such service.

use nexus_testkit::{Mock, Options};
use serde_json::{Value, json};

use crate::{
    admin::{Api, platform_key},
    node::{Site, ask},
};

/// A provider that takes its credentials from the host, whose service is the mock.
fn site(mock: &Mock, settings: &str) -> Site {
    let providers = "  - name: cloud\n    kind: vertex\n    options: { project: p1, region: europe-west4, credentials: metadata }\n    models: [{ alias: gemini, real_name: m }]\n";
    let mut site = Site::new(&format!("{providers}{settings}"));
    site.variables.push(("GCE_METADATA_HOST", mock.addr().to_string()));
    site
}

#[test]
fn whoever_speaks_to_a_provider_asks_the_host_for_who_it_is() {
    let mock = Mock::start(Options::default()).unwrap();
    let site = site(&mock, "google: { host_credentials: metadata }\n");
    let (key, (_, app)) = (platform_key(&site), site.key("app"));
    let node = site.start();
    let refused = "no access token was had from `metadata`: its service answered with status 404";
    assert_eq!(node.chat(&app, &ask("gemini")).status, 502);
    let api = Api::new(&node, &key);
    let providers = api.get("/providers").json();
    let id = providers["data"][0]["id"].as_str().unwrap();
    for path in [format!("/providers/{id}/test"), format!("/providers/{id}/models")] {
        let answer = if path.ends_with("/test") { api.post(&path, &json!({})) } else { api.get(&path) };
        let verdict: Value = answer.json();
        assert_eq!(verdict["fault"]["message"], refused, "{path}: {verdict}");
    }
    for command in ["test", "models"] {
        let output =
            site.command(&["provider", command, "cloud", "--config", "nexus.yaml"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(refused), "{command}: {said}");
    }
    let asked = mock.requests();
    let place = "/computeMetadata/v1/instance/service-accounts/default/token?scopes=";
    assert!(asked.iter().all(|request| request.path.starts_with(place)), "{asked:?}");
    assert!(asked.len() >= 4, "{}", asked.len());
}

#[test]
fn nobody_asks_a_host_whose_operator_has_not_allowed_it() {
    let mock = Mock::start(Options::default()).unwrap();
    let site = site(&mock, "");
    let (_, app) = site.key("app");
    let node = site.start();
    assert_eq!(node.chat(&app, &ask("gemini")).status, 502);
    let output = site.command(&["provider", "test", "cloud", "--config", "nexus.yaml"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("is not in the setting `google.host_credentials`"), "{said}");
    assert!(mock.requests().is_empty());
}
