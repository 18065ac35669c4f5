//! Where client and provider speak the same, neither can tell that the gateway stands between them: method, path,
//! query, body and answer are the same bytes on both sides of it, for every operation that is passed on.
//!
//! What differs by design is told apart here and nowhere else: the key, the headers of the connection, and the name of
//! a model, which is its own alias in these cases.

mod own;
pub mod recorder;
mod specified;

use nexus_wire::surface::{How, Row, SURFACE};

use self::recorder::{Recorder, Told};
use crate::node::{Node, Site};

/// What one side says and the other is to hear.
struct Case {
    method: &'static str,
    /// Behind `/v1`, with its query.
    target: String,
    content_type: Option<&'static str>,
    body: Vec<u8>,
    told: Told,
}

fn site(recorder: &Recorder) -> Site {
    Site::new(&format!(
        "  - name: recorder\n    kind: openai\n    endpoint: \"http://{}/v1\"\n    api_key: \"${{PROVIDER_KEY}}\"\n    \
         allow_private_network: true\n    models: [{{ alias: \"*\", real_name: \"*\" }}]\n\
         default_provider: recorder\nunowned_resources: serve\n",
        recorder.address
    ))
}

/// What is not the same behind the gateway as before it; empty where everything is.
fn differences(node: &Node<'_>, key: &str, recorder: &Recorder, case: &Case) -> Vec<String> {
    recorder.tell(case.told.clone());
    let bearer = format!("Bearer {key}");
    let mut headers =
        vec![("authorization", bearer.as_str()), ("accept", "own/media"), ("openai-beta", "a=b")];
    headers.extend(case.content_type.map(|media| ("content-type", media)));
    let mut client = node.client();
    client.send(case.method, &format!("/v1{}", case.target), &headers, &case.body).unwrap();
    let answer = client.answer().unwrap();
    let line = format!("{} /v1{}", case.method, case.target);
    let asked = recorder.take();
    let [asked] = asked.as_slice() else {
        return vec![format!("{line}: asked {} times, answered {}", asked.len(), answer.text())];
    };
    let mut found = Vec::new();
    let mut compare = |what: &str, before: String, behind: String| {
        if before != behind {
            found.push(format!("{line}, {what}:\n    {before}\n    {behind}"));
        }
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    compare("line", line.clone(), asked.line.clone());
    compare("media", format!("{:?}", case.content_type), format!("{:?}", asked.content_type.as_deref()));
    if row(case.method, case.target.split('?').next().unwrap_or_default())
        .is_none_or(|row| row.how == How::Kept)
    {
        compare("headers", "own/media, a=b".to_owned(), asked.along.join(", "));
    }
    compare("body", text(&case.body), text(&asked.body));
    compare("status", case.told.status.to_string(), answer.status.to_string());
    let media = answer.header("content-type").unwrap_or_default();
    compare("answer's media", case.told.content_type.to_owned(), media.to_owned());
    compare("answer", text(&case.told.body), text(&answer.body));
    found
}

/// Whether the words of an operation go through where the provider speaks them.
fn goes_through(row: &Row) -> bool {
    let is_own = ["/v1/chat/completions", "/v1/embeddings", "/v1/responses"].contains(&row.path);
    matches!(row.how, How::Kept | How::Relayed) || (row.method.as_str() == "POST" && is_own)
}

/// The row of an operation; places are called differently in the specification.
fn row(method: &str, path: &str) -> Option<&'static Row> {
    let plain = |path: &str| {
        let segments = path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
        segments.collect::<Vec<_>>().join("/")
    };
    let is_like = |row: &Row| plain(row.path.trim_start_matches("/v1")) == plain(path);
    SURFACE.iter().find(|row| row.method.as_str() == method && is_like(row))
}

/// A path with something in its places.
fn filled(path: &str) -> String {
    let segments = path.split('/').map(|segment| if segment.starts_with('{') { "thing_1" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

fn nothing_differs(cases: &[Case]) {
    let recorder = Recorder::start();
    let site = site(&recorder);
    let (_, key) = site.key("app");
    let node = site.start();
    let found: Vec<String> =
        cases.iter().flat_map(|case| differences(&node, &key, &recorder, case)).collect();
    assert!(found.is_empty(), "{} of {} cases:\n{}", found.len(), cases.len(), found.join("\n"));
}

#[test]
fn the_words_of_every_operation_are_the_same_bytes_on_both_sides() {
    let cases = own::cases();
    for row in SURFACE.iter().filter(|row| goes_through(row)) {
        let path = filled(row.path.trim_start_matches("/v1"));
        let is_row = |case: &&Case| {
            case.method == row.method.as_str() && case.target.split('?').next() == Some(path.as_str())
        };
        assert!(cases.iter().any(|case| is_row(&case)), "no case of {} {}", row.method, row.path);
    }
    nothing_differs(&cases);
}

/// The specification where it lies beside the checkout.
#[test]
fn what_the_specification_describes_is_the_same_bytes_on_both_sides() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/openai-openapi.yaml");
    let Ok(text) = std::fs::read_to_string(path) else { return println!("openai-openapi.yaml: absent") };
    let document = specified::read(&text);
    let cases: Vec<Case> = specified::operations(&document).iter().flat_map(specified::cases).collect();
    println!("openai-openapi.yaml: {} cases", cases.len());
    assert!(cases.len() > 300, "{}", cases.len());
    nothing_differs(&cases);
}
