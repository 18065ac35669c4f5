//! Cases of our own: what JSON allows and few write, in every operation; forms, events and bytes where there are such.

use nexus_wire::surface::{How, Method, Resource, Row, SURFACE};

use super::{Case, filled, goes_through, recorder::Told};

pub const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream; charset=utf-8";
const BYTES: &str = "application/octet-stream";
pub const FORM: &str = "multipart/form-data; boundary=b7d1";
/// Members of no meaning, written as few would.
const ODD: &str =
    r#""own" :[1.50,1e3,-0,123456789012345678901234567890,"\u00e9\/\ud83d\ude42",null],  "é":{ }"#;

fn case(row: &Row, content_type: Option<&'static str>, body: String, told: Told) -> Case {
    let target = filled(row.path.trim_start_matches("/v1"));
    Case { method: row.method.as_str(), target, content_type, body: body.into_bytes(), told }
}

fn json(body: String) -> Told {
    Told { status: 200, content_type: JSON, body: body.into_bytes() }
}

/// At least one case of every operation that goes through.
pub fn cases() -> Vec<Case> {
    SURFACE.iter().filter(|row| goes_through(row)).flat_map(of_row).collect()
}

fn of_row(row: &Row) -> Vec<Case> {
    if row.how == How::Kept {
        return kept(row);
    }
    let (member, answer) = match row.path {
        "/v1/chat/completions" => (
            r#""messages":[{"content" :"a","role":"user"}]"#,
            r#""id":"c","object":"chat.completion","created":1,"choices":[{"message":{"content":"b","role":"assistant"},"finish_reason":"stop","index":0}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}"#,
        ),
        "/v1/embeddings" => (
            r#""input":"a""#,
            r#""data":[{"embedding" :[0.10,-1e-3],"index":0}],"usage":{"prompt_tokens":1,"total_tokens":1}"#,
        ),
        "/v1/responses" => (r#""input":"a""#, r#""output":[{"type":"message","content":[]}]"#),
        _ => (r#""prompt":"a","input":"a""#, r#""data":[],"choices":[]"#),
    };
    let body = |stream: &str| format!("{{ {ODD},{stream}\r\n{member}, \"model\":\"any\" }} ");
    let mut all = Vec::new();
    if !takes_forms_only(row) {
        all.push(case(row, Some(JSON), body(""), json(format!(" {{{answer},{ODD},\n\"model\":\"any\"}}\n"))));
    }
    if let Some(events) = events(row) {
        let wish = match row.path {
            "/v1/chat/completions" => r#""stream" :true,"stream_options":{"include_usage" :true},"#,
            _ => r#""stream" :true,"#,
        };
        let told = Told { status: 200, content_type: EVENTS, body: events.into_bytes() };
        let (media, body) = match takes_forms_only(row) {
            true => (FORM, form(&[("model", "any"), ("stream", "true"), ("file", "R\r\n--b7d")])),
            false => (JSON, body(wish)),
        };
        all.push(case(row, Some(media), body, told));
    }
    if takes_forms(row) {
        let parts = [("file", "RIFF\r\n--b7d"), ("own[é]", " a\n"), ("model", "any"), ("own[]", "")];
        let told = json(format!(r#"{{"text":"a", {ODD}}}"#));
        all.push(case(row, Some(FORM), form(&parts), told));
    }
    if row.path == "/v1/responses" {
        let nameless = format!(r#"{{"prompt":{{"id":"pmpt_1"}},{ODD}}}"#);
        let told = json(format!(r#"{{"id":"r","model":"theirs","output":[],{ODD}}}"#));
        let asked = case(row, Some(JSON), nameless, told);
        all.push(Case { target: format!("{}?beta=true&own[]=%C3%A9", asked.target), ..asked });
    }
    if row.path == "/v1/audio/speech" {
        all.push(case(
            row,
            Some(JSON),
            body(""),
            Told { status: 200, content_type: "audio/mpeg", body: vec![0, 255, 10] },
        ));
    }
    all
}

fn takes_forms_only(row: &Row) -> bool {
    row.path.starts_with("/v1/audio/trans") || row.path == "/v1/images/variations"
}

fn takes_forms(row: &Row) -> bool {
    takes_forms_only(row) || row.path == "/v1/images/edits"
}

/// What streams, as it is framed.
fn events(row: &Row) -> Option<String> {
    let event = |data: &str| format!("data: {data}\n\n");
    let named = |name: &str, more: &str| format!("event: {name}\ndata: {{\"type\":\"{name}\", {more}}}\n\n");
    Some(match row.path {
        "/v1/chat/completions" => [
            event(&format!(r#"{{"id":"c","object":"chat.completion.chunk","created":1,{ODD},"model":"any","choices":[{{"index":0,"delta":{{"content" :"é"}}}}]}}"#)),
            event(r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"any","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#),
            event(r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"any","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#),
            event("[DONE]"),
        ]
        .concat(),
        "/v1/completions" => {
            [event(&format!(r#"{{"choices":[{{"text" :"é"}}],{ODD},"model":"any"}}"#)), event("[DONE]")].concat()
        }
        "/v1/responses" => [
            named("response.created", &format!(r#""response":{{"id":"r","model":"any",{ODD}}}"#)),
            named("response.own_event", ODD),
            named("response.completed", r#""response":{"id":"r","model":"any","output":[],"usage":{"input_tokens":1,"output_tokens":1,"total_tokens":2}}"#),
        ]
        .concat(),
        "/v1/images/generations" | "/v1/images/edits" => {
            named("image_generation.completed", &format!(r#"{ODD},"b64_json":"aa""#))
        }
        "/v1/audio/transcriptions" => named("transcript.text.done", &format!(r#"{ODD},"text":"a""#)),
        "/v1/audio/speech" => named("speech.audio.done", ODD),
        _ => return None,
    })
}

/// A call about what a provider keeps.
fn kept(row: &Row) -> Vec<Case> {
    let does = Resource::of(row).unwrap();
    let list = does.lists.is_some();
    let answer = match list {
        true => format!(r#" {{ "data": [ {{"id":"thing_1",{ODD}}} ],{ODD},"has_more" :false}}"#),
        false => format!(r#" {{"id":"thing_1",{ODD},"model":"any"}} "#),
    };
    let told = || match does.is_content {
        true => Told { status: 200, content_type: BYTES, body: vec![0, 255, 10, 13] },
        false if row.path == "/v1/evals" && row.method == Method::Post => {
            Told { status: 201, ..json(answer.clone()) }
        }
        false => json(answer.clone()),
    };
    let query = |mut case: Case| {
        case.target.push_str("?limit=5&own[]=%C3%A9&own[]=a+b&=&order=asc");
        case
    };
    if row.method != Method::Post {
        return vec![case(row, None, String::new(), told()), query(case(row, None, String::new(), told()))];
    }
    let parts = [("purpose", "own"), ("file", "{}\r\n"), ("own[é]", "")];
    vec![
        case(row, None, String::new(), told()),
        case(row, Some(JSON), format!("{{ {ODD},\r\n\"model\":\"any\"}}\n"), told()),
        query(case(row, Some(FORM), form(&parts), told())),
    ]
}

/// A form in this order; what is called `file` is one.
fn form(parts: &[(&str, &str)]) -> String {
    let part = |(name, value): &(&str, &str)| {
        let file = if *name == "file" { "; filename=\"é.bin\"\r\nContent-Type: own/media" } else { "" };
        format!("--b7d1\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n")
    };
    let parts: String = parts.iter().map(part).collect();
    format!("{parts}--b7d1--\r\n")
}
