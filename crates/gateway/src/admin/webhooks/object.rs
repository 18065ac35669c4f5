//! Webhooks as requests and answers write them.

use nexus_core::id::{TeamId, Uuid};
use nexus_keystore::secret::Secret;
use nexus_store::repo::webhook::{Delivery, DeliveryState, Webhook};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::admin::{body::present, check::NameText, providers::yes};

/// Something that can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AlertKind)]
pub enum KindWord {
    /// So much of a quota is used.
    #[serde(rename = "quota.threshold")]
    QuotaThreshold,
    /// A quota will be used up before its window ends.
    #[serde(rename = "quota.forecast")]
    QuotaForecast,
    #[serde(rename = "anomaly")]
    Anomaly,
    #[serde(rename = "provider.down")]
    ProviderDown,
    #[serde(rename = "provider.up")]
    ProviderUp,
}

impl KindWord {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QuotaThreshold => "quota.threshold",
            Self::QuotaForecast => "quota.forecast",
            Self::Anomaly => "anomaly",
            Self::ProviderDown => "provider.down",
            Self::ProviderUp => "provider.up",
        }
    }
}

/// Where alerts are sent.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct WebhookBody {
    id: Uuid,
    #[schema(value_type = NameText)]
    name: String,
    url: String,
    /// Whose alerts it is sent; none: everybody's.
    team_id: Option<Uuid>,
    /// The kinds of alerts it is sent; none: all.
    kinds: Vec<String>,
    /// Whether it may lie in a private network.
    allow_private_network: bool,
    is_active: bool,
    /// Unix seconds; when its secret was replaced last. The one before signs too for a day after.
    rotated_at: Option<i64>,
    /// The `ETag` without its quotes.
    version: i64,
    /// Unix seconds, as `updated_at`.
    created_at: i64,
    updated_at: i64,
}

impl WebhookBody {
    pub fn new(webhook: &Webhook) -> Self {
        Self {
            id: webhook.id,
            name: webhook.name.clone(),
            url: webhook.url.clone(),
            team_id: webhook.team.map(|TeamId(id)| id),
            kinds: webhook.kinds.clone(),
            allow_private_network: webhook.allow_private_network,
            is_active: webhook.is_active,
            rotated_at: webhook.rotated_at_ms.map(|at_ms| at_ms.div_euclid(1000)),
            version: webhook.version,
            created_at: webhook.created_at_ms.div_euclid(1000),
            updated_at: webhook.updated_at_ms.div_euclid(1000),
        }
    }
}

/// A webhook with its secret, which is shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookWithSecret)]
pub struct WithSecret {
    #[serde(flatten)]
    webhook: WebhookBody,
    /// What its messages are signed with.
    secret: String,
}

impl WithSecret {
    pub fn new(webhook: &Webhook, secret: &Secret) -> Self {
        Self { webhook: WebhookBody::new(webhook), secret: secret.expose().to_owned() }
    }
}

/// A webhook to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    #[schema(value_type = NameText)]
    pub name: String,
    #[schema(min_length = 1, max_length = 2000)]
    pub url: String,
    #[serde(default)]
    pub team_id: Option<Uuid>,
    #[serde(default)]
    #[schema(max_items = 16)]
    pub kinds: Vec<KindWord>,
    #[serde(default)]
    #[schema(default = false)]
    pub allow_private_network: bool,
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub is_active: bool,
}

/// What is to be another in a webhook; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = NameText, required = false)]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 2000)]
    pub url: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Vec<KindWord>, required = false, max_items = 16)]
    pub kinds: Option<Vec<KindWord>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    pub allow_private_network: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    pub is_active: Option<bool>,
}

/// How it stands with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DeliveryState)]
pub enum DeliveryWord {
    Pending,
    Delivered,
    Failed,
}

/// A message to a webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryBody {
    /// The message's `webhook-id`, the same however often it is tried.
    id: Uuid,
    kind: String,
    state: DeliveryWord,
    attempts: u32,
    /// Of a pending one: when it is tried next, Unix seconds.
    next_at: Option<i64>,
    /// The status of the last answer.
    last_status: Option<u32>,
    /// Why there was none, or why it did not do.
    last_error: Option<String>,
    /// The body that is sent.
    #[schema(value_type = Object)]
    payload: Option<Box<RawValue>>,
    /// Unix seconds, as `updated_at`.
    created_at: i64,
    updated_at: i64,
}

impl DeliveryBody {
    pub fn new(delivery: &Delivery) -> Self {
        let (state, next_at_ms) = match delivery.state {
            DeliveryState::Pending => (DeliveryWord::Pending, Some(delivery.next_at_ms)),
            DeliveryState::Delivered => (DeliveryWord::Delivered, None),
            DeliveryState::Failed => (DeliveryWord::Failed, None),
        };
        Self {
            id: delivery.id,
            kind: delivery.kind.clone(),
            state,
            attempts: delivery.attempts,
            next_at: next_at_ms.map(|at_ms| at_ms.div_euclid(1000)),
            last_status: delivery.last_status,
            last_error: delivery.last_error.clone(),
            payload: RawValue::from_string(delivery.payload.clone()).ok(),
            created_at: delivery.created_at_ms.div_euclid(1000),
            updated_at: delivery.updated_at_ms.div_euclid(1000),
        }
    }
}
