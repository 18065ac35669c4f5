//! A file of OpenAI's API, as the gateway tells of one that it keeps itself.

use serde::{Deserialize, Serialize};

/// What is known of a file. Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    pub id: String,
    object: String,
    pub bytes: u64,
    pub created_at: i64,
    pub expires_at: i64,
    pub filename: String,
    pub purpose: String,
    status: String,
    status_details: Option<String>,
}

impl File {
    /// One of which nothing is there yet.
    pub fn new(id: &str, filename: &str, purpose: &str, (created_at, expires_at): (i64, i64)) -> Self {
        Self {
            id: id.to_owned(),
            object: "file".to_owned(),
            bytes: 0,
            created_at,
            expires_at,
            filename: filename.to_owned(),
            purpose: purpose.to_owned(),
            status: "processed".to_owned(),
            status_details: None,
        }
    }

    pub fn read(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    pub fn written(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}
