//! What a provider keeps: files, batches, threads and their like, each seen by whoever shows the key it was made with.

use serde_json::{Map, Value, json};

use super::reply::Reply;
use crate::http::Request;

/// The collections, with what stands before an id of theirs, and what a thing of them calls itself.
const COLLECTIONS: &[(&str, &str, &str)] = &[
    ("/files", "file-", "file"),
    ("/uploads", "upload_", "upload"),
    ("/batches", "batch_", "batch"),
    ("/fine_tuning/jobs", "ftjob-", "fine_tuning.job"),
    ("/evals", "eval_", "eval"),
    ("/vector_stores", "vs_", "vector_store"),
    ("/assistants", "asst_", "assistant"),
    ("/threads", "thread_", "thread"),
    ("/conversations", "conv_", "conversation"),
    ("/videos/characters", "char_", "character"),
    ("/videos", "video_", "video"),
    ("/containers", "cntr_", "container"),
    ("/skills", "skill_", "skill"),
    ("/chatkit/sessions", "cksess_", "chatkit.session"),
    ("/chatkit/threads", "cthr_", "chatkit.thread"),
    ("/audio/voice_consents", "cons_", "voice_consent"),
    ("/audio/voices", "voice_", "audio.voice"),
    ("/responses", "resp_", "response"),
];

/// Things by default on a page.
const PAGE: usize = 20;

/// Everything that was made and not deleted, oldest first.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    things: Vec<Thing>,
    made: usize,
}

#[derive(Debug)]
struct Thing {
    collection: &'static str,
    key: String,
    id: String,
    said: Value,
    content: String,
}

/// A path: its collection, and what stands behind that.
struct Asked<'a> {
    collection: &'static (&'static str, &'static str, &'static str),
    id: Option<&'a str>,
    below: Option<&'a str>,
}

impl<'a> Asked<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let path = path.strip_prefix("/v1")?;
        COLLECTIONS.iter().find_map(|collection| {
            let rest = path.strip_prefix(collection.0)?;
            if rest.is_empty() {
                return Some(Self { collection, id: None, below: None });
            }
            let rest = rest.strip_prefix('/')?;
            Some(match rest.split_once('/') {
                Some((id, below)) => Self { collection, id: Some(id), below: Some(below) },
                None => Self { collection, id: Some(rest), below: None },
            })
        })
    }
}

/// Whether a request is about what is kept.
pub(super) fn is_asked(path: &str) -> bool {
    Asked::of(path).is_some()
}

impl Keeper {
    pub(super) fn answer(&mut self, request: &Request) -> Reply {
        let head = &request.head;
        let (path, query) = head.path.split_once('?').unwrap_or((&head.path, ""));
        let key = head.key.clone().unwrap_or_default();
        let Some(Asked { collection, id, below }) = Asked::of(path) else {
            return Reply::not_found(&head.method, path);
        };
        match (head.method.as_str(), id, below) {
            ("POST", None, _) => self.make(collection, key, &request.body),
            ("POST", Some("runs"), None) if collection.0 == "/threads" => {
                let _thread = self.make(collection, key, &request.body);
                let thread = self.things.last().map(|thing| thing.id.clone()).unwrap_or_default();
                Reply::json(&json!({"id": "run_1", "object": "thread.run", "thread_id": thread}).to_string())
            }
            ("GET", None, _) => self.list(collection, &key, query),
            (method, Some(id), below) => self.one(method, (collection, id, below), &key),
            (method, None, _) => Reply::not_found(method, path),
        }
    }

    fn make(&mut self, of: &(&'static str, &'static str, &'static str), key: String, body: &[u8]) -> Reply {
        let (collection, prefix, object) = *of;
        self.made += 1;
        let id = format!("{prefix}{:06}", self.made);
        let mut said: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
        said.insert("id".to_owned(), json!(id));
        said.insert("object".to_owned(), json!(object));
        said.insert("bytes".to_owned(), json!(body.len()));
        if object == "response" {
            said.insert("output".to_owned(), json!([]));
            said.insert("status".to_owned(), json!("completed"));
        }
        let said = Value::Object(said);
        let reply = Reply::json(&said.to_string());
        let content =
            String::from_utf8_lossy(body.get(..body.len().min(1 << 20)).unwrap_or_default()).into_owned();
        self.things.push(Thing { collection, key, id, said, content });
        reply
    }

    fn list(&self, of: &(&'static str, &'static str, &'static str), key: &str, query: &str) -> Reply {
        let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let mut all: Vec<&Thing> =
            self.things.iter().filter(|thing| thing.collection == of.0 && thing.key == key).collect();
        if value("order") != Some("asc") {
            all.reverse();
        }
        let begin = value("after").and_then(|after| all.iter().position(|thing| thing.id == after));
        let all = all.get(begin.map_or(0, |at| at + 1)..).unwrap_or_default();
        let limit = value("limit").and_then(|limit| limit.parse().ok()).unwrap_or(PAGE);
        let page = all.get(..limit.min(all.len())).unwrap_or_default();
        let data: Vec<&Value> = page.iter().map(|thing| &thing.said).collect();
        let named = |thing: Option<&&Thing>| thing.map(|thing| thing.id.clone());
        Reply::json(
            &json!({"object": "list", "data": data, "first_id": named(page.first()),
                    "last_id": named(page.last()), "has_more": all.len() > page.len()})
            .to_string(),
        )
    }

    fn one(
        &mut self,
        method: &str,
        (of, id, below): (&(&'static str, &'static str, &'static str), &str, Option<&str>),
        key: &str,
    ) -> Reply {
        let is_it = |thing: &Thing| thing.collection == of.0 && thing.id == id && thing.key == key;
        let Some(at) = self.things.iter().position(is_it) else {
            let words = json!({"error": {"message": format!("No such {} object: {id}", of.2),
                "type": "invalid_request_error", "param": "id", "code": null}});
            return Reply::plain(404, &words.to_string());
        };
        match (method, below) {
            ("DELETE", None) => {
                self.things.remove(at);
                let words = json!({"id": id, "object": format!("{}.deleted", of.2), "deleted": true});
                Reply::json(&words.to_string())
            }
            ("GET", Some("content")) => {
                let content = self.things.get(at).map(|thing| thing.content.as_str()).unwrap_or_default();
                Reply::of_media("application/octet-stream", &[content])
            }
            (_, None) => {
                Reply::json(&self.things.get(at).map(|thing| thing.said.to_string()).unwrap_or_default())
            }
            (method, Some(below)) => Reply::json(
                &json!({"id": "sub_1", "object": "part", "asked": format!("{method} {below}")}).to_string(),
            ),
        }
    }
}
