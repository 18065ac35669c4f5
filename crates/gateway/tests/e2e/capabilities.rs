//! What an operator says a model can do, from the configuration file and over REST to the words that are sent.

use nexus_testkit::{Mock, Options};
use serde_json::{Value, json};

use crate::{
    admin::{Api, assert_problem, platform_key},
    node::{Site, ask, until},
};

fn last_sent(mock: &Mock) -> Value {
    serde_json::from_slice(&mock.requests().last().unwrap().body).unwrap()
}

fn asked(alias: &str, members: Value) -> String {
    let mut body: Value = serde_json::from_str(&ask(alias)).unwrap();
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.to_string()
}

#[test]
fn what_is_said_of_a_model_decides_how_it_is_asked() {
    let mock = Mock::start(Options::default()).unwrap();
    let site = Site::new(&format!(
        "  - name: claude\n    kind: anthropic\n    endpoint: \"{}\"\n    api_key: \"${{PROVIDER_KEY}}\"\n    allow_private_network: true\n    models:\n      - {{ alias: plain, real_name: my-model }}\n      - {{ alias: tuned, real_name: my-model-2, capabilities: {{ like: claude-opus-4-8, max_output_tokens: 777 }} }}\n",
        mock.url()
    ));
    let (admin, (_, key)) = (platform_key(&site), site.key("app"));
    let node = site.start();
    let members = json!({"temperature": 0.5, "reasoning_effort": "high", "max_completion_tokens": 1000});
    let ask_of = |alias: &str| {
        let answer = node.chat(&key, &asked(alias, members.clone()));
        assert_eq!(answer.status, 200, "{}", answer.text());
        last_sent(&mock)
    };
    let unknown = ask_of("plain");
    assert_eq!((&unknown["temperature"], &unknown["max_tokens"]), (&json!(0.5), &json!(1000)));
    assert!(unknown["thinking"].is_null());
    let tuned = ask_of("tuned");
    assert_eq!((&tuned["model"], &tuned["max_tokens"]), (&json!("my-model-2"), &json!(777)));
    assert_eq!(tuned["thinking"]["type"], "adaptive");
    assert!(tuned["temperature"].is_null());

    let api = Api::new(&node, &admin);
    let route = api.get("/model-routes?alias=tuned").json()["data"][0].clone();
    assert_eq!(route["capabilities"], json!({"like": "claude-opus-4-8", "max_output_tokens": 777}));
    let path = format!("/model-routes/{}", route["id"].as_str().unwrap());
    let said = json!({"capabilities": {"thinking": "none", "sampling": true}});
    let changed = api.patch(&path, &route["version"], &said);
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(changed.json()["capabilities"], said["capabilities"]);
    until("the change is in force", || {
        let sent = ask_of("tuned");
        (sent["thinking"].is_null() && sent["temperature"] == 0.5 && sent["max_tokens"] == 1000).then_some(())
    });
    let exported = site.run(&["config", "export", "--config", "nexus.yaml"]);
    assert!(exported.contains(r#"capabilities: {"sampling":true,"thinking":"none"}"#), "{exported}");
}

#[test]
fn a_name_that_does_not_tell_its_model_is_refused_until_it_is_said() {
    let site = Site::new("  - name: aws\n    kind: bedrock\n    options: { region: eu-west-1 }\n");
    let admin = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &admin);
    let provider = api.get("/providers").json()["data"][0]["id"].clone();
    let arn = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc";
    let route = |capabilities: Value| json!({"alias": "mine", "provider_id": provider, "real_name": arn, "capabilities": capabilities});
    let refused = api.post("/model-routes", &route(json!({})));
    assert_problem(&refused, 422, "invalid");
    assert_eq!(refused.json()["errors"][0]["pointer"], "/capabilities/like", "{}", refused.text());
    let made =
        api.make("/model-routes", &route(json!({"like": "anthropic.claude-sonnet-4-5-20250929-v1:0"})));
    let path = format!("/model-routes/{}", made["id"].as_str().unwrap());
    assert_problem(&api.patch(&path, &made["version"], &json!({"capabilities": {}})), 422, "invalid");
    for (said, pointer) in [
        (json!({"max_output_tokens": 0}), "/capabilities/max_output_tokens"),
        (json!({"like": ""}), "/capabilities/like"),
    ] {
        let refused = api.patch(&path, &made["version"], &json!({ "capabilities": said }));
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{}", refused.text());
    }
}

#[test]
fn a_model_that_takes_no_image_is_never_offered_one() {
    let [seeing, blind, deaf] = [(); 3].map(|()| Mock::start(Options::default()).unwrap());
    let provider = |name: &str, kind: &str, mock: &Mock, model: &str| {
        format!(
            "  - name: {name}\n    kind: {kind}\n    endpoint: \"{}\"\n    api_key: \"${{PROVIDER_KEY}}\"\n    allow_private_network: true\n    models:\n      - {model}\n",
            mock.url()
        )
    };
    let site = Site::new(&format!(
        "{}{}{}",
        provider(
            "blind",
            "custom",
            &blind,
            "{ alias: gpt, real_name: b, capabilities: { input_modalities: [text] } }"
        ),
        provider("seeing", "custom", &seeing, "{ alias: gpt, real_name: s }"),
        // what is known of it by its name is that it takes texts alone
        provider("known", "openai", &deaf, "{ alias: old, real_name: gpt-3.5-turbo }"),
    ));
    let (admin, (_, key)) = (platform_key(&site), site.key("app"));
    let node = site.start();
    let asked = |alias: &str, part: Value| {
        let messages =
            json!([{ "role": "user", "content": [{ "type": "text", "text": "what is it?" }, part] }]);
        let body = asked(alias, json!({ "messages": messages }));
        let bearer = format!("Bearer {key}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("cache-control", "no-store"),
        ];
        node.request("POST", "/v1/chat/completions", &headers, &body)
    };
    let image =
        || json!({ "type": "image_url", "image_url": { "url": "data:image/png;base64,iVBORw0KGgo=" } });
    for _ in 0..8 {
        assert_eq!(asked("gpt", image()).status, 200);
    }
    assert_eq!((seeing.requests().len(), blind.requests().len()), (8, 0));
    let refused = asked("old", image());
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("takes no image"), "{}", refused.text());
    let text = json!({ "type": "text", "text": "and \"image_url\" is but a word" });
    assert_eq!(asked("old", text).status, 200);

    // who knows better says so, over REST and at the command line
    let api = Api::new(&node, &admin);
    let route = api.get("/model-routes?alias=old").json()["data"][0].clone();
    let path = format!("/model-routes/{}", route["id"].as_str().unwrap());
    let said = json!({ "input_modalities": ["text", "image"] });
    let changed = api.patch(&path, &route["version"], &json!({ "capabilities": said }));
    assert_eq!(changed.json()["capabilities"], said, "{}", changed.text());
    assert_eq!(asked("old", image()).status, 200);
    let made = site.run(&[
        "route",
        "create",
        "--alias",
        "new",
        "--provider",
        "known",
        "--real-name",
        "gpt-4o",
        "--output-modalities",
        "text,audio",
        "--output",
        "json",
        "--config",
        "nexus.yaml",
    ]);
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made["capabilities"], json!({ "output_modalities": ["text", "audio"] }));
    let explain = |modalities: &str| {
        let told = site.run(&[
            "route",
            "explain",
            "new",
            "--input-modalities",
            modalities,
            "--output",
            "json",
            "--config",
            "nexus.yaml",
        ]);
        serde_json::from_str::<Value>(&told).unwrap()["chosen"].clone()
    };
    assert_eq!((explain("image,file"), explain("video")), (json!(0), json!(null)));
}
