//! Every URL of the administration, on one page, each with whom it is for.
//!
//! The router, the description and the reference page are made of this table and of nothing else.

use std::rc::Rc;

use actix_web::{
    HttpRequest, Resource,
    http::Method,
    web::{self, Payload, ServiceConfig},
};
use nexus_core::role::Permission;

use super::{
    alerts, anomalies, audit_logs, bills, config, contents, credentials,
    health::{self, targets},
    keys, limits, nodes, oidc, openapi,
    policy::Policy::{Needs, SignedIn},
    pool, prices, provider_kinds, providers, quotas, reference, requests, revisions,
    routes::{self, explain},
    row::{self, Row, delete, get, open, patch, post, put},
    rules, session, session_keys, settings, teams, usage, users, webhooks,
};
use crate::worker::Worker;

/// Where everything here lies.
pub const PREFIX: &str = "/admin/v1";

/// The table. Fixed paths stand before the ones with parameters that would take them too.
pub fn table() -> Vec<Row> {
    [tenants(), provider_rows(), node_and_people(), money(), telling(), routing()]
        .into_iter()
        .flatten()
        .collect()
}

#[rustfmt::skip]
fn tenants() -> Vec<Row> {
    vec![
        get("/teams", Needs(Permission::TeamsRead), "List teams", teams::list),
        post("/teams", Needs(Permission::TeamsWrite), "Make a team", teams::create),
        get("/teams/{id}", Needs(Permission::TeamsRead), "Show a team", teams::show),
        patch("/teams/{id}", Needs(Permission::TeamsWrite), "Change a team", teams::update),
        delete("/teams/{id}", Needs(Permission::TeamsWrite), "Delete a team that nothing belongs to", teams::delete),
        delete("/teams/{id}/content", Needs(Permission::ContentWrite), "Erase all that a team's requests and answers said until now", contents::erase),

        get("/keys", Needs(Permission::KeysRead), "List keys", keys::list),
        post("/keys", Needs(Permission::KeysWrite), "Make a key; its secret is shown once", keys::create),
        get("/keys/{id}", Needs(Permission::KeysRead), "Show a key", keys::show),
        patch("/keys/{id}", Needs(Permission::KeysWrite), "Change a key", keys::update),
        delete("/keys/{id}", Needs(Permission::KeysWrite), "Revoke a key", keys::revoke),
        post("/keys/{id}/rotate", Needs(Permission::KeysWrite), "Replace a key by one like it", keys::rotate),
        post("/keys/{id}/signing-secret", Needs(Permission::KeysWrite), "Renew the secret requests are signed with", keys::renew_signing_secret),

        get("/session-keys", Needs(Permission::KeysRead), "List session keys", session_keys::list),
        get("/session-keys/{id}", Needs(Permission::KeysRead), "Show a session key", session_keys::show),
        delete("/session-keys/{id}", Needs(Permission::KeysWrite), "Revoke a session key", session_keys::revoke),
    ]
}

#[rustfmt::skip]
fn provider_rows() -> Vec<Row> {
    vec![
        get("/provider-kinds", Needs(Permission::ProvidersRead), "List the kinds of providers there are, and the options each takes", provider_kinds::list),
        get("/providers", Needs(Permission::ProvidersRead), "List providers", providers::list),
        post("/providers", Needs(Permission::ProvidersWrite), "Make a provider, and its first credential where a key is given", providers::create),
        get("/providers/{id}", Needs(Permission::ProvidersRead), "Show a provider", providers::show),
        patch("/providers/{id}", Needs(Permission::ProvidersWrite), "Change a provider", providers::update),
        delete("/providers/{id}", Needs(Permission::ProvidersWrite), "Delete a provider with its credentials", providers::delete),
        post("/providers/{id}/test", Needs(Permission::ProvidersWrite), "Ask a provider for its models", providers::test),
        get("/providers/{id}/credentials", Needs(Permission::ProvidersRead), "List a provider's credentials", credentials::list),
        post("/providers/{id}/credentials", Needs(Permission::ProvidersWrite), "Give a provider a credential; its key is never shown", credentials::create),
        get("/providers/{id}/credentials/{credential_id}", Needs(Permission::ProvidersRead), "Show a credential, without its key", credentials::show),
        patch("/providers/{id}/credentials/{credential_id}", Needs(Permission::ProvidersWrite), "Change a credential or its key", credentials::update),
        delete("/providers/{id}/credentials/{credential_id}", Needs(Permission::ProvidersWrite), "Delete a credential", credentials::delete),
        post("/providers/{id}/credentials/{credential_id}/test", Needs(Permission::ProvidersWrite), "Ask a provider for its models with this credential", credentials::test),

        post("/providers/{id}/credentials/{credential_id}/reset", Needs(Permission::ProvidersWrite), "Let a credential that is out or at rest take requests again, on this node", pool::reset),
        get("/providers/{id}/models", Needs(Permission::ProvidersWrite), "Ask a provider for all of its models", providers::models),
        get("/providers/{id}/pool", Needs(Permission::ProvidersRead), "Show how a provider's credentials fare, on this node", pool::show),
        get("/settings", Needs(Permission::SettingsRead), "List settings", settings::list),
        get("/settings/{name}", Needs(Permission::SettingsRead), "Show a setting", settings::show),
        put("/settings/{name}", Needs(Permission::SettingsWrite), "Set a setting", settings::put),

        get("/revisions", Needs(Permission::AuditRead), "List the changes of configuration, newest first", revisions::list),
        get("/revisions/{revision}", Needs(Permission::AuditRead), "Show what a change of configuration changed", revisions::show),
        post("/revisions/{revision}/rollback", Needs(Permission::SettingsWrite), "Take a change of configuration back, as a change of its own", revisions::rollback),

        get("/config", Needs(Permission::ProvidersRead), "Export providers and models as a configuration file, without keys", config::show),
        post("/config/diff", Needs(Permission::ProvidersWrite), "Show what configuration would change", config::diff),
        post("/config/apply", Needs(Permission::ProvidersWrite), "Carry configuration out; nothing is taken away", config::apply),
    ]
}

#[rustfmt::skip]
fn node_and_people() -> Vec<Row> {
    vec![
        get("/audit-logs", Needs(Permission::AuditRead), "List the audit trail, newest first", audit_logs::list),
        get("/audit-logs/export", Needs(Permission::AuditRead), "Export the audit trail, oldest first", audit_logs::export),
        get("/audit-logs/anchors", Needs(Permission::AuditRead), "Show the last hash of each day of the trail", audit_logs::anchors),
        post("/audit-logs/verify", Needs(Permission::AuditRead), "Walk the chain of the trail for at most 20 seconds and name the first row that is not as it was written", audit_logs::verify),

        get("/users", Needs(Permission::UsersRead), "List users", users::list),
        post("/users", Needs(Permission::UsersWrite), "Make a user", users::create),
        get("/users/{id}", Needs(Permission::UsersRead), "Show a user", users::show),
        patch("/users/{id}", Needs(Permission::UsersWrite), "Change a user", users::update),
        delete("/users/{id}", Needs(Permission::UsersWrite), "Delete a user", users::delete),

        open(Method::POST, "/session", "Sign in with a password", session::sign_in),
        get("/session", SignedIn, "Show who is signed in at the console", session::show),
        delete("/session", SignedIn, "Sign out", session::sign_out),
        open(Method::GET, "/session/oidc", "Sign in through the identity provider", oidc::begin),
        open(Method::GET, "/session/oidc/callback", "Come back from the identity provider", oidc::finish),

        get("/anomalies", Needs(Permission::AnomaliesRead), "List what looked wrong, newest first", anomalies::list),
        get("/anomalies/{id}", Needs(Permission::AnomaliesRead), "Show something that looked wrong", anomalies::show),
        post("/anomalies/{id}/acknowledge", Needs(Permission::AnomaliesWrite), "Say that you have looked at it", anomalies::acknowledge),
        post("/anomalies/{id}/lift-throttle", Needs(Permission::AnomaliesWrite), "End what its key is held to", anomalies::lift),

        get("/health", Needs(Permission::HealthRead), "Show how the node is", health::show),
        get("/nodes", Needs(Permission::HealthRead), "List the nodes there are", nodes::list),

        get("/openapi.json", SignedIn, "This description", openapi::show),
        get("/reference", SignedIn, "This description, to be read by people", reference::show),
    ]
}

#[rustfmt::skip]
fn money() -> Vec<Row> {
    vec![
        get("/prices", Needs(Permission::RoutesRead), "List prices that were set", prices::list),
        post("/prices", Needs(Permission::RoutesWrite), "Set a price from a moment on", prices::create),
        get("/prices/effective", Needs(Permission::RoutesRead), "Show what the targets of an alias cost now", prices::effective),
        get("/prices/unpriced", Needs(Permission::RoutesRead), "Show the traffic of models nobody has said a price for", prices::unpriced),
        get("/prices/export", Needs(Permission::RoutesRead), "Export the set prices that are in force, with providers by name", prices::export),
        post("/prices/reprice", Needs(Permission::RoutesWrite), "Price past usage again, as a job; a preview changes nothing", prices::reprice),
        get("/prices/reprices", Needs(Permission::SettingsRead), "List the jobs that price past usage again", prices::reprices),
        get("/prices/reprices/{id}", Needs(Permission::SettingsRead), "Show how a job stands", prices::show_reprice),
        post("/prices/reprices/{id}/stop", Needs(Permission::RoutesWrite), "Stop a job; what it has corrected stands", prices::stop_reprice),
        post("/prices/import", Needs(Permission::RoutesWrite), "Set the prices of a list that are not in force already", prices::import),
        get("/prices/{id}", Needs(Permission::RoutesRead), "Show a price", prices::show),

        get("/usage", Needs(Permission::KeysRead), "Show what was used and what it cost", usage::show),
        get("/requests", Needs(Permission::KeysRead), "List requests with their attempts, newest first", requests::list),
        get("/requests/{id}", Needs(Permission::KeysRead), "Show a request with its attempts", requests::show),
        get("/requests/{id}/content", Needs(Permission::ContentRead), "Show what a request and its answer said; each look is in the audit trail", contents::show),
        delete("/requests/{id}/content", Needs(Permission::ContentWrite), "Delete what a request and its answer said", contents::delete),

        get("/usage/export", Needs(Permission::KeysRead), "Export what was used and what it cost, a row for each day and everything it is told apart by", usage::export),
        get("/usage/allocation", Needs(Permission::SettingsRead), "Show who bears what: what teams or tags used, and their share of what is nobody's", usage::allocation),

        post("/provider-bills/import", Needs(Permission::SettingsWrite), "Take in what a provider says it billed, as CSV", bills::import),
        get("/provider-bills/reconciliation", Needs(Permission::SettingsRead), "Show by day and model where a provider's bill and the ledger differ", bills::reconciliation),

        get("/quotas", Needs(Permission::QuotasRead), "List quotas", quotas::list),
        post("/quotas", Needs(Permission::QuotasWrite), "Make a quota", quotas::create),
        get("/quotas/{id}", Needs(Permission::QuotasRead), "Show a quota", quotas::show),
        patch("/quotas/{id}", Needs(Permission::QuotasWrite), "Change a quota's name, limit or mode", quotas::update),
        delete("/quotas/{id}", Needs(Permission::QuotasWrite), "Delete a quota", quotas::delete),
        get("/quotas/{id}/holders", Needs(Permission::QuotasRead), "Show how full a quota is and who holds what of it", quotas::holders),
        get("/limits", Needs(Permission::QuotasRead), "Show which quotas, limits of keys and teams and throttles are how full on this node, the fullest first", limits::list),
    ]
}

/// What somebody is told, and where.
#[rustfmt::skip]
fn telling() -> Vec<Row> {
    vec![
        get("/alerts", Needs(Permission::AnomaliesRead), "List alerts, newest first", alerts::list),
        get("/alerts/{id}", Needs(Permission::AnomaliesRead), "Show an alert", alerts::show),
        post("/alerts/{id}/acknowledge", Needs(Permission::AnomaliesWrite), "Say that you have looked at it", alerts::acknowledge),

        get("/webhooks", Needs(Permission::SettingsRead), "List webhooks", webhooks::list),
        post("/webhooks", Needs(Permission::SettingsWrite), "Make a webhook; its secret is shown once", webhooks::create),
        get("/webhooks/{id}", Needs(Permission::SettingsRead), "Show a webhook", webhooks::show),
        patch("/webhooks/{id}", Needs(Permission::SettingsWrite), "Change a webhook", webhooks::update),
        delete("/webhooks/{id}", Needs(Permission::SettingsWrite), "Delete a webhook with all that was to be sent to it", webhooks::delete),
        post("/webhooks/{id}/rotate-secret", Needs(Permission::SettingsWrite), "Replace a webhook's secret; the new one is shown once", webhooks::rotate),
        post("/webhooks/{id}/test", Needs(Permission::SettingsWrite), "Send a message that says nothing", webhooks::test),
        get("/webhooks/{id}/deliveries", Needs(Permission::SettingsRead), "List what was and is to be sent, newest first", webhooks::deliveries),
    ]
}

/// Where requests go, and how those are they go to.
#[rustfmt::skip]
fn routing() -> Vec<Row> {
    vec![
        get("/model-routes", Needs(Permission::RoutesRead), "List model routes", routes::list),
        post("/model-routes", Needs(Permission::RoutesWrite), "Make a model route", routes::create),
        get("/model-routes/{id}", Needs(Permission::RoutesRead), "Show a model route", routes::show),
        patch("/model-routes/{id}", Needs(Permission::RoutesWrite), "Change a model route", routes::update),
        delete("/model-routes/{id}", Needs(Permission::RoutesWrite), "Delete a model route", routes::delete),

        post("/model-routes/{id}/reset", Needs(Permission::RoutesWrite), "Take everything back that keeps requests from what a model route leads to, on this node: breaker, pauses, credentials that are out", targets::reset),
        post("/routes/explain", Needs(Permission::RoutesRead), "Explain where a request would go, without sending anything", explain::ask),

        get("/routing-rules", Needs(Permission::RoutesRead), "List routing rules", rules::list),
        post("/routing-rules", Needs(Permission::RoutesWrite), "Make a routing rule; one that leads in a circle is refused", rules::create),
        get("/routing-rules/{id}", Needs(Permission::RoutesRead), "Show a routing rule", rules::show),
        put("/routing-rules/{id}", Needs(Permission::RoutesWrite), "Put another rule in the place of one", rules::put),
        delete("/routing-rules/{id}", Needs(Permission::RoutesWrite), "Delete a routing rule", rules::delete),

        get("/health/providers", Needs(Permission::HealthRead), "Show how the models at their providers are", targets::show),
        get("/health/providers/stream", Needs(Permission::HealthRead), "The same once a second, as a stream of events", targets::stream),
    ]
}

/// Mounts the table.
pub fn routes(config: &mut ServiceConfig) {
    let mut rows: Vec<Rc<Row>> = table().into_iter().map(Rc::new).collect();
    let mut scope = web::scope(PREFIX);
    while let Some(path) = rows.first().map(|row| row.path) {
        let (here, others) = rows.into_iter().partition(|row| row.path == path);
        scope = scope.service(resource(path, here));
        rows = others;
    }
    config.service(scope.default_service(web::to(row::nowhere)));
}

fn resource(path: &'static str, rows: Vec<Rc<Row>>) -> Resource {
    let allow: Vec<Method> = rows.iter().map(|row| row.method.clone()).collect();
    let mut resource = web::resource(path);
    for row in rows {
        let method = row.method.clone();
        let serve = move |request: HttpRequest, payload: Payload, worker: web::Data<Worker>| {
            let row = Rc::clone(&row);
            async move { row.serve(request, payload, worker).await }
        };
        resource = resource.route(web::method(method).to(serve));
    }
    resource.default_service(web::to(move |request: HttpRequest, worker: web::Data<Worker>| {
        row::wrong_method(request, worker, allow.clone())
    }))
}
