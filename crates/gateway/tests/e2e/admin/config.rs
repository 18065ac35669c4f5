//! Configuration as a whole: what goes out comes in again and changes nothing; what differs is told first.

use serde_json::{Value, json};

use super::{Api, assert_says, platform_key};
use crate::node::{PROVIDER_KEY, Site, mocked};

fn changes(differences: &Value) -> Vec<(String, String)> {
    let providers = differences["providers"].as_array().unwrap().iter();
    let routes = differences["model_routes"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let providers = providers.map(|provider| (text(&provider["name"]), text(&provider["change"])));
    providers.chain(routes.map(|route| (text(&route["alias"]), text(&route["change"])))).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, change)| ((*name).to_owned(), (*change).to_owned())).collect()
}

#[test]
fn what_was_exported_comes_in_again_and_changes_nothing() {
    let (_mock, site) = mocked(&[("big", "mock-gpt-mini")]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let exported = api.get("/config?format=json").json();
    assert_eq!(exported["providers"][0]["api_key"], "${MOCK_KEY}");
    for path in ["/config/diff", "/config/apply"] {
        let answer = api.post(path, &exported);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let same = pairs(&[("mock", "unchanged"), ("big", "unchanged"), ("gpt", "unchanged")]);
        let mut found = changes(&answer.json());
        found.sort_by_key(|(name, _)| (name != "mock", name.clone()));
        assert_eq!(found, same);
    }
    let yaml = api.get("/config");
    assert_eq!(yaml.header("content-type"), Some("application/yaml"));
    assert_eq!(site.run(&["config", "export", "--config", "nexus.yaml"]).trim(), yaml.text().trim());
}

#[test]
fn a_difference_is_told_before_it_is_made_and_made_once() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let mut config = api.get("/config?format=json").json();
    config["providers"][0]["weight"] = json!(7);
    config["providers"][0]["models"][0]["rate_limit"] = json!(9);
    config["providers"].as_array_mut().unwrap().push(json!({
        "name": "new", "kind": "openai", "models": [{ "alias": "n" }],
    }));
    let expected = pairs(&[("mock", "updated"), ("new", "created"), ("gpt", "updated"), ("n", "created")]);
    let differences = api.post("/config/diff", &config).json();
    assert_eq!(changes(&differences), expected);
    assert_eq!(differences["providers"][0]["fields"], json!(["weight"]));
    assert_eq!(differences["model_routes"][0]["fields"], json!(["rate_limit"]));
    assert_eq!(differences["without_key"], json!(["new"]));
    assert_eq!(api.get("/providers").json()["data"].as_array().unwrap().len(), 1, "nothing was changed yet");
    assert_eq!(api.post("/config/apply", &config).json(), differences);
    let again = api.post("/config/apply", &config).json();
    assert!(changes(&again).iter().all(|(_, change)| change == "unchanged"), "{again}");
    // the key that came with the file, and another one
    for (key, change) in [(PROVIDER_KEY, "unchanged"), ("sk-another", "updated"), ("sk-another", "unchanged")]
    {
        config["providers"][0]["api_key"] = json!(key);
        let told = api.post("/config/apply", &config).json();
        assert_eq!(told["providers"][0]["change"], change, "{told}");
    }
    let rows = api.get("/audit-logs?action=config.apply").json()["data"].as_array().unwrap().clone();
    let first = rows.last().unwrap();
    assert_eq!(first["before"]["providers"][0]["weight"], 100);
    assert_eq!(
        (&first["after"]["providers"][0]["weight"], &first["after"]["providers"][1]["name"]),
        (&json!(7), &json!("new"))
    );
}

/// What becomes of prices and quotas.
fn money(differences: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let prices = differences["prices"].as_array().unwrap().iter();
    let quotas = differences["quotas"].as_array().unwrap().iter();
    let prices = prices.map(|price| (text(&price["real_name"]), text(&price["change"])));
    prices.chain(quotas.map(|quota| (text(&quota["name"]), text(&quota["change"])))).collect()
}

#[test]
fn prices_and_quotas_go_out_and_come_in_and_a_file_states_them_at_every_start() {
    let (mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let team = api.make("/teams", &json!({ "name": "red: one" }));
    let rate = |amount: u64| json!({ "quantity": "output", "tier": "batch", "nano_usd_per_million": amount });
    let quota = |name: &str, subject: &str, value: Value, window: &str, more: &Value| {
        let mut quota = json!({
            "name": name, "subject": subject, "subject_value": value, "measure": "tokens", "window": window,
            "limit": 9_007_199_254_740_993_u64,
        });
        quota.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        quota
    };
    let mut config = json!({
        "prices": [
            { "real_name": "mock-gpt", "provider": "mock", "rates": [rate(5)], "multiplier": "0.9" },
            { "real_name": "*", "provider": "new", "kind": "relative", "multiplier": "0.8" },
        ],
        "quotas": [
            quota("all", "platform", Value::Null, "rolling", &json!({ "rolling_seconds": 90, "mode": "soft" })),
            quota("red", "team", json!("red: one"), "month", &json!({ "time_zone": "Europe/Berlin" })),
            quota("new", "provider", json!("new"), "day", &json!({ "utc_offset_minutes": -330 })),
        ],
        "providers": [{ "name": "new", "kind": "openai" }],
    });
    let made = [
        ("mock-gpt", "created"),
        ("*", "created"),
        ("all", "created"),
        ("red", "created"),
        ("new", "created"),
    ];
    for path in ["/config/diff", "/config/apply"] {
        assert_eq!(money(&api.post(path, &config).json()), pairs(&made));
    }
    let exported = api.get("/config?format=json").json();
    let (team_id, shown) = (&team["id"], api.get("/quotas").json()["data"].clone());
    let red = shown.as_array().unwrap().iter().find(|quota| quota["name"] == "red").unwrap().clone();
    assert_eq!((&red["subject_value"], &red["time_zone"]), (team_id, &json!("Europe/Berlin")));
    for text in [exported.clone(), config.clone()] {
        let again = api.post("/config/apply", &text).json();
        assert!(
            money(&again).len() == 5 && money(&again).iter().all(|(_, now)| now == "unchanged"),
            "{again}"
        );
    }
    config["prices"][0]["rates"][0] = rate(6);
    config["quotas"][1]["limit"] = json!(7);
    let told = api.post("/config/apply", &config).json();
    assert_eq!(told["prices"][0]["fields"], json!(["rates"]));
    assert_eq!(told["quotas"][1]["fields"], json!(["limit"]));
    for (member, value, pointer) in [
        ("prices", json!([{ "real_name": "m", "provider": "none", "is_free": true }]), "/prices/0/provider"),
        ("prices", json!([{ "real_name": "m" }]), "/prices/0/is_free"),
        ("quotas", json!([quota("red", "team", json!("red: one"), "day", &json!({}))]), "/quotas/0/name"),
        ("quotas", json!([quota("q", "team", json!("none"), "day", &json!({}))]), "/quotas/0/subject_value"),
        (
            "quotas",
            json!([quota("q", "platform", Value::Null, "rolling", &json!({}))]),
            "/quotas/0/rolling_seconds",
        ),
    ] {
        let refused = api.post("/config/diff", &json!({ member: value }));
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{}", refused.text());
    }
    // a file of this very text, on another site, says the same at every start
    let yaml = api.get("/config").text().replace("${NEW_KEY}", "").to_owned();
    let prices = yaml.split("\nprices:").nth(1).unwrap().to_owned();
    node.stop();
    let usual = std::fs::read_to_string(site.file("nexus.yaml")).unwrap();
    std::fs::write(site.file("nexus.yaml"), format!("{usual}\nprices:{prices}")).unwrap();
    for _ in 0..2 {
        let node = site.start();
        let api = Api::new(&node, &key);
        assert_eq!(api.get("/prices").json()["data"].as_array().unwrap().len(), 3);
        assert_eq!(api.get("/audit-logs?action=config.start").json()["data"].as_array().unwrap().len(), 1);
        node.stop();
    }
    drop(mock);
}

#[test]
fn a_variable_of_the_process_is_never_read_for_a_request() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    for member in ["endpoint", "name"] {
        let mut entry = json!({ "name": "a", "kind": "custom", "endpoint": "https://a.example" });
        entry[member] = json!("https://a.example/${DB_ENCRYPTION_KEY}");
        let answer = api.post("/config/apply", &json!({ "providers": [entry] }));
        assert!(member == "name" || answer.status == 422, "{}", answer.text());
        assert!(!api.get("/config").text().contains("hV8mN2bX4cZ7"), "{member}");
    }
}

#[test]
fn the_command_line_shows_a_difference_and_takes_a_file_in() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    site.start().stop();
    let text = "providers:\n  - { name: file, kind: openai, api_key: \"${PROVIDER_KEY}\", models: [{ alias: f }] }\n";
    std::fs::write(site.file("more.yaml"), text).unwrap();
    let import = |site: &Site, more: &[&str]| -> Value {
        let mut all = vec!["config", "import", "more.yaml", "--config", "nexus.yaml", "--output", "json"];
        all.extend(more);
        serde_json::from_str(&site.run(&all)).unwrap()
    };
    let created = pairs(&[("file", "created"), ("f", "created")]);
    for arguments in [&["--dry-run"][..], &["--dry-run"], &[]] {
        assert_eq!(changes(&import(&site, arguments)), created, "{arguments:?}");
    }
    assert_eq!(changes(&import(&site, &[])), pairs(&[("file", "unchanged"), ("f", "unchanged")]));
    let node = site.start();
    let api = Api::new(&node, &key);
    let rows = api.get("/audit-logs?action=config.apply").json()["data"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["actor_kind"], "cli");
}

#[test]
fn a_restart_leaves_what_the_file_does_not_mention_and_restores_what_it_states() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let path = |kind: &str, thing: &Value| format!("/{kind}/{}", thing["id"].as_str().unwrap());
    let provider = api.get("/providers").json()["data"][0].clone();
    let route = api.get("/model-routes").json()["data"][0].clone();
    let (provider, route) = (path("providers", &provider), path("model-routes", &route));
    let pool = format!("{provider}/credentials");
    let credential = api.get(&pool).json()["data"][0].clone();
    // the file states none of these
    let off = json!({ "is_active": false, "weight": 7, "rate_limit": 9 });
    assert_eq!(api.patch(&provider, &json!(1), &off).status, 200);
    let off = json!({ "is_active": false, "weight": 3, "rate_limit": 8, "cost_multiplier": "2", "region_weights": { "a": 1 } });
    assert_eq!(api.patch(&route, &json!(1), &off).status, 200);
    // and states the key
    let one = format!("{pool}/{}", credential["id"].as_str().unwrap());
    assert_eq!(api.patch(&one, &json!(1), &json!({ "api_key": "sk-another-key-0123456789" })).status, 200);
    let before = [&provider, &route].map(|path| api.get(path).json());
    node.stop();

    let node = site.start();
    let api = Api::new(&node, &key);
    assert_eq!([&provider, &route].map(|path| api.get(path).json()), before);
    assert_eq!(api.get(&one).json()["fingerprint"], credential["fingerprint"]);
    let rows = api.get("/audit-logs?action=config.start").json()["data"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 2, "the first start and the key that was put back: {rows:?}");
    assert!(rows.iter().all(|row| row["actor_kind"] == "system"), "{rows:?}");
    node.stop();
    let node = site.start();
    assert_eq!(Api::new(&node, &key).get("/audit-logs?action=config.start").json()["data"], json!(rows));
}

#[test]
fn rules_tiers_fits_and_limits_go_out_and_come_in_again() {
    let (_mock, site) = mocked(&[("big", "mock-gpt-mini")]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let team = api.make("/teams", &json!({ "name": "red" }));
    let route = api.get("/model-routes?alias=gpt").json()["data"][0].clone();
    let path = format!("/model-routes/{}", route["id"].as_str().unwrap());
    let fit =
        json!({ "abilities": ["tools"], "context_tokens": 9, "teams": [team["id"]], "tags": ["night"] });
    let change = json!({ "tier": 2, "weight": 5, "token_limit": 9, "max_concurrent": 3, "fit": fit });
    assert_eq!(api.patch(&path, &json!(1), &change).status, 200);
    api.make("/routing-rules", &json!({ "alias": "gpt-4", "stands_for": "gpt" }));
    let own = json!({
        "alias": "gpt", "team_id": team["id"], "policy": "cheapest", "affinity": true,
        "fallbacks": { "failure": ["big"] }, "cache_ttl_s": 60, "hedge_percent": 5, "continue": true,
    });
    api.make("/routing-rules", &own);
    let exported = api.get("/config?format=json").json();
    let models = exported["providers"][0]["models"].as_array().unwrap();
    let model = models.iter().find(|model| model["alias"] == "gpt").unwrap();
    let named = json!({ "abilities": ["tools"], "context_tokens": 9, "teams": ["red"], "tags": ["night"] });
    assert_eq!(
        (&model["tier"], &model["weight"], &model["token_limit"], &model["max_concurrent"], &model["fit"]),
        (&json!(2), &json!(5), &json!(9), &json!(3), &named)
    );
    let rule = json!({
        "alias": "gpt", "team": "red", "policy": "cheapest", "affinity": true, "fallbacks": { "failure": ["big"] },
        "cache_ttl_s": 60, "hedge_percent": 5, "continue": true,
    });
    assert_eq!(exported["rules"][0], rule);
    let yaml = api.get("/config");
    assert!(yaml.text().starts_with("# left out: teams, keys, users and settings"));
    let fates = |told: &Value| -> Vec<Value> {
        let rules = told["rules"].as_array().unwrap();
        rules
            .iter()
            .map(|rule| json!([rule["alias"], rule["team"], rule["change"], rule["fields"]]))
            .collect()
    };
    let told = api.post("/config/apply", &exported).json();
    assert!(changes(&told).iter().all(|(_, change)| change == "unchanged"), "{told}");
    assert_eq!(
        fates(&told),
        [json!(["gpt", "red", "unchanged", []]), json!(["gpt-4", null, "unchanged", []])]
    );
    let mut other = exported.clone();
    other["rules"] = json!([
        { "alias": "gpt", "team": "red", "policy": "priority" },
        { "alias": "new", "stands_for": "big", "cache_ttl_s": 9, "hedge_percent": 7, "continue": true },
    ]);
    let expected = [
        json!([
            "gpt",
            "red",
            "updated",
            ["policy", "affinity", "fallbacks", "cache_ttl_s", "hedge_percent", "continue"]
        ]),
        json!(["new", null, "created", []]),
    ];
    for path in ["/config/diff", "/config/diff", "/config/apply"] {
        assert_eq!(fates(&api.post(path, &other).json()), expected, "{path}");
    }
    let rules = api.get("/routing-rules").json()["data"].as_array().unwrap().clone();
    assert_eq!(rules.len(), 3, "none is taken away");
    let new = rules.iter().find(|rule| rule["alias"] == "new").unwrap();
    assert_says(new, &json!({ "cache_ttl_s": 9, "hedge_percent": 7, "continue": true }));
    for (rules, pointer) in [
        (json!([{ "alias": "gpt", "stands_for": "gpt-4" }]), "/rules"),
        (json!([{ "alias": "gpt", "team": "nobody" }]), "/rules/0/team"),
        (json!([{ "alias": "a" }, { "alias": "a" }]), "/rules/1/alias"),
        (json!([{ "alias": "a" }, { "alias": "b", "hedge_percent": 51 }]), "/rules/1/hedge_percent"),
    ] {
        for path in ["/config/diff", "/config/apply"] {
            let refused = api.post(path, &json!({ "rules": rules }));
            assert_eq!((refused.status, &refused.json()["errors"][0]["pointer"]), (422, &json!(pointer)));
        }
    }
}

#[test]
fn a_files_rules_hold_from_the_start_and_a_team_that_is_not_there_is_named() {
    let mock = nexus_testkit::Mock::start(nexus_testkit::Options::default()).unwrap();
    let mut file = crate::node::provider("mock", &mock.url(), &[("gpt", "mock-gpt")]);
    file.push_str("rules:\n  - { alias: gpt-4, stands_for: gpt }\n");
    let site = Site::new(&file);
    let (_, app) = site.key("app");
    let node = site.start();
    let answer = node.chat(&app, &crate::node::ask("gpt-4"));
    assert_eq!((answer.status, answer.json()["model"].as_str()), (200, Some("gpt-4")));
    node.stop();
    file.push_str("  - { alias: gpt, team: nobody, policy: cheapest }\n");
    let yaml = std::fs::read_to_string(site.file("nexus.yaml")).unwrap();
    let begin = yaml.find("providers:\n").unwrap() + "providers:\n".len();
    std::fs::write(site.file("nexus.yaml"), format!("{}{file}", &yaml[..begin])).unwrap();
    let output = site.command(&["serve", "--config", "nexus.yaml"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("there is no team `nobody`"), "{told}");
}
