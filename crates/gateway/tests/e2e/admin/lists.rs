//! Lists are walked to their end, each row once, and a cursor opens nowhere but where it was given.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Api, assert_problem, platform_key};
use crate::node::mocked;

/// Every row of a list, page by page.
fn walk(api: &Api<'_>, path: &str, limit: usize) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), None::<String>);
    let sign = if path.contains('?') { '&' } else { '?' };
    loop {
        let next = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let answer = api.get(&format!("{path}{sign}limit={limit}{next}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let page = answer.json();
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= limit);
        rows.extend(data.iter().cloned());
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        assert_eq!(page["has_more"], cursor.is_some());
        if cursor.is_none() {
            return rows;
        }
        assert_eq!(data.len(), limit, "only the last page is short");
    }
}

fn ids(rows: &[Value]) -> BTreeSet<&str> {
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[test]
fn a_walk_shows_each_row_once_whatever_the_page_and_the_filters() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let team = |name: &str| api.make("/teams", &json!({ "name": name }))["id"].as_str().unwrap().to_owned();
    let (red, blue) = (team("red"), team("blue"));
    for at in 0..12 {
        let team = if at % 3 == 0 { &red } else { &blue };
        let level = if at % 2 == 0 { "app" } else { "admin" };
        api.make("/keys", &json!({ "level": level, "team_id": team, "name": format!("key {at}") }));
    }
    let whole = walk(&api, "/keys", 200);
    assert_eq!(whole.len(), 13, "the one of the command line too");
    for limit in [1, 2, 3, 13] {
        assert_eq!(walk(&api, "/keys", limit), whole, "{limit}");
    }
    for (filter, count) in [
        (format!("?team_id={red}"), 4),
        (format!("?team_id={blue}"), 8),
        ("?level=app".to_owned(), 6),
        (format!("?team_id={red}&level=admin"), 2),
        ("?team_id=01981d3a-0000-7000-8000-000000000001".to_owned(), 0),
    ] {
        let rows = walk(&api, &format!("/keys{filter}"), 3);
        assert_eq!((rows.len(), ids(&rows).len()), (count, count), "{filter}");
    }
}

#[test]
fn a_team_sees_its_own_rows_and_knows_of_no_others() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let team = |name: &str| api.make("/teams", &json!({ "name": name }))["id"].as_str().unwrap().to_owned();
    let (red, blue) = (team("red"), team("blue"));
    let made = api.make("/keys", &json!({ "level": "admin", "team_id": red }));
    let foreign = api.make("/keys", &json!({ "level": "app", "team_id": blue, "name": "secret plan" }));
    let own = Api::fresh(&node, made["key"].as_str().unwrap());
    let teams = walk(&own, "/teams", 1);
    assert_eq!(ids(&teams), BTreeSet::from([red.as_str()]));
    assert!(walk(&own, "/keys", 1).iter().all(|key| key["team_id"] == red.as_str()));
    assert_eq!(walk(&own, &format!("/keys?team_id={blue}"), 5), Vec::<Value>::new());

    let nobody = "01981d3a-0000-7000-8000-000000000001";
    let foreign = foreign["id"].as_str().unwrap();
    let pairs = [
        ("GET", "/keys/{}", ""),
        ("PATCH", "/keys/{}", r#"{"name":"mine"}"#),
        ("DELETE", "/keys/{}", ""),
        ("POST", "/keys/{}/rotate", "{}"),
        ("POST", "/keys/{}/signing-secret", ""),
        ("GET", "/session-keys/{}", ""),
        ("DELETE", "/session-keys/{}", ""),
    ];
    for (method, path, body) in pairs {
        let ask = |id: &str| own.send(method, &path.replace("{}", id), &[("if-match", "\"1\"")], body);
        let (theirs, nobodys) = (ask(foreign), ask(nobody));
        assert_problem(&theirs, 404, "not_found");
        assert_eq!(theirs.body, nobodys.body, "{method} {path}");
    }
    let theirs = own.get(&format!("/teams/{blue}"));
    assert_eq!(theirs.body, own.get(&format!("/teams/{nobody}")).body);
    let wish = |team: &str| own.post("/keys", &json!({ "level": "app", "team_id": team }));
    assert_problem(&wish(&blue), 403, "forbidden");
    assert_eq!(wish(&blue).body, wish(nobody).body);
    assert_eq!(api.get(&format!("/keys/{foreign}")).json()["name"], "secret plan");
}

#[test]
fn a_cursor_opens_only_the_list_it_was_given_for() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let red = api.make("/teams", &json!({ "name": "red" }))["id"].as_str().unwrap().to_owned();
    api.make("/teams", &json!({ "name": "blue" }));
    let wish = json!({ "level": "admin", "team_id": red });
    let made = [api.make("/keys", &wish), api.make("/keys", &wish)];
    let own = Api::fresh(&node, made[0]["key"].as_str().unwrap());
    let cursor = |api: &Api<'_>, path: &str| api.get(path).json()["next_cursor"].as_str().unwrap().to_owned();
    let teams = cursor(&api, "/teams?limit=1");
    let keys = cursor(&api, &format!("/keys?limit=1&team_id={red}"));
    let theirs = cursor(&own, &format!("/keys?limit=1&team_id={red}"));
    for (api, path) in [
        (&api, format!("/keys?cursor={teams}")),
        (&api, format!("/teams?cursor={keys}")),
        (&api, format!("/keys?cursor={keys}")),
        (&api, format!("/keys?level=admin&team_id={red}&cursor={keys}")),
        (&own, format!("/keys?team_id={red}&cursor={keys}")),
        (&api, format!("/keys?team_id={red}&cursor={theirs}")),
        (&api, format!("/keys?team_id={red}&cursor={}A", keys)),
        (&api, format!("/keys?team_id={red}&cursor={}", &keys[1..])),
    ] {
        assert_problem(&api.get(&path), 400, "bad_cursor");
    }
    assert_eq!(api.get(&format!("/keys?limit=3&team_id={red}&cursor={keys}")).status, 200);
    assert_eq!(own.get(&format!("/keys?team_id={red}&cursor={theirs}")).status, 200);
}
