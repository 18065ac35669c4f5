//! Who may do what: every operation the description names, for every kind of caller.
//!
//! The operations come from the description, which is made of the router's table: one that is added is
//! tried here without being named.

use nexus_core::{
    id::{KeyId, TeamId, Uuid},
    role::{Actor, ActorId, Permission, Role},
};
use serde_json::{Value, json};

use super::{Api, platform_key};
use crate::node::{Site, mocked};

const TEAM: TeamId = TeamId(Uuid::nil());

/// What a caller gets where it is let through: anything but these two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Unknown,
    Forbidden,
    Open,
}

impl Gate {
    fn of(status: u16) -> Self {
        match status {
            401 => Gate::Unknown,
            403 => Gate::Forbidden,
            _ => Gate::Open,
        }
    }
}

enum Who {
    Nobody,
    /// Calls models.
    Caller,
    Admin(Role, Option<TeamId>),
}

impl Who {
    fn expected(&self, policy: &str) -> Gate {
        if policy == "anyone" {
            return Gate::Open;
        }
        match self {
            Who::Nobody => Gate::Unknown,
            Who::Caller => Gate::Forbidden,
            Who::Admin(..) if policy == "signed_in" => Gate::Open,
            Who::Admin(role, team) => {
                let actor = Actor { id: ActorId::Key(KeyId(Uuid::nil())), role: *role, team: *team };
                if actor.may(permission(policy)).is_some() { Gate::Open } else { Gate::Forbidden }
            }
        }
    }
}

/// The permission a word stands for; a word that stands for none fails the test.
fn permission(word: &str) -> Permission {
    let named = |permission: &Permission| format!("{permission:?}").to_lowercase() == word.replace(':', "");
    Permission::ALL.into_iter().find(named).unwrap_or_else(|| panic!("`{word}` is no permission"))
}

fn operations(description: &Value) -> Vec<(String, String, String)> {
    let mut operations = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let policy =
                operation["x-nexus-permission"].as_str().unwrap_or_else(|| panic!("{method} {path}"));
            let mut filled = path.clone();
            while let (Some(from), Some(to)) = (filled.find('{'), filled.find('}')) {
                filled.replace_range(from..=to, "01981d3a-0000-7000-8000-000000000001");
            }
            operations.push((method.to_uppercase(), filled, policy.to_owned()));
        }
    }
    operations
}

/// A key of each kind.
fn keys(site: &Site, api: &Api<'_>) -> Vec<(String, Who)> {
    let (_, app) = site.key("app");
    let team = api.make("/teams", &json!({ "name": "matrix" }))["id"].clone();
    let mut keys = vec![
        (String::new(), Who::Nobody),
        ("a.b.c".to_owned(), Who::Nobody),
        ("sk-nexus-nonsense".to_owned(), Who::Nobody),
        (app.clone(), Who::Caller),
    ];
    for form in ["jwt", "opaque"] {
        let made = api.make("/keys", &json!({ "level": "app", "team_id": team, "form": form }));
        keys.push((made["key"].as_str().unwrap().to_owned(), Who::Caller));
        for role in Role::ALL {
            for team_id in [None, Some(&team)] {
                let held_for = team_id.map(|_| TEAM);
                if role.may_be_held(held_for) {
                    let wish =
                        json!({ "level": "admin", "role": role.as_str(), "team_id": team_id, "form": form });
                    let made = api.make("/keys", &wish);
                    keys.push((made["key"].as_str().unwrap().to_owned(), Who::Admin(role, held_for)));
                }
            }
        }
    }
    keys
}

#[test]
fn every_operation_is_open_to_exactly_those_who_may() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &key);
    let operations = operations(&api.get("/openapi.json").json());
    assert!(operations.len() > 15, "{operations:?}");
    for (key, who) in keys(&site, &api) {
        let caller = match who {
            Who::Nobody => Api::new(&node, &key),
            _ => Api::fresh(&node, &key),
        };
        for (method, path, policy) in &operations {
            let answer = caller.send(method, path, &[], "");
            let name = match who {
                Who::Nobody => "nobody".to_owned(),
                Who::Caller => "an application".to_owned(),
                Who::Admin(role, team) => format!("{role:?} {team:?}"),
            };
            assert_eq!(
                Gate::of(answer.status),
                who.expected(policy),
                "{method} {path} by {name}: {} {}",
                answer.status,
                answer.text()
            );
        }
    }
}
