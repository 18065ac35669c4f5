//! What is read of a request for embeddings, and how vectors are written.

use proptest::prelude::*;

use super::*;

fn read(body: &str) -> Result<EmbeddingRequest, BodyError> {
    EmbeddingRequest::read(body.as_bytes())
}

#[test]
fn inputs_of_every_form_are_counted() {
    for (input, form, inputs, texts) in [
        (r#""a \"b\"""#, InputForm::Text, 1, Some(&["a \"b\""][..])),
        (r#"["a","b"]"#, InputForm::Texts, 2, Some(&["a", "b"])),
        ("[1,2,3]", InputForm::Tokens, 1, None),
        ("[[1,2],[3]]", InputForm::TokenLists, 2, None),
    ] {
        let body = format!(r#"{{"input": {input} ,"model":"m"}}"#);
        let request = read(&body).unwrap();
        assert_eq!((request.form, request.inputs, request.model.as_str()), (form, inputs, "m"), "{input}");
        assert_eq!(&body[request.input_place.clone()], input);
        assert_eq!(&body[request.model_place.clone()], "\"m\"");
        let expected = texts.map(|texts| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(request.texts(body.as_bytes()), expected);
    }
    let many = |count: usize, of: &str| format!(r#"{{"model":"m","input":[{}]}}"#, vec![of; count].join(","));
    assert_eq!(read(&many(INPUTS_MAX, "\"a\"")).unwrap().inputs, INPUTS_MAX);
    assert_eq!(read(&many(INPUTS_MAX + 1, "\"a\"")).unwrap_err().param.as_deref(), Some("input"));
    assert_eq!(read(&many(INPUTS_MAX + 1, "7")).unwrap().inputs, 1, "one long list of tokens");
}

#[test]
fn what_is_absent_stays_absent_and_what_is_there_is_read() {
    let request = read(r#"{"model":"m","input":"a"}"#).unwrap();
    assert_eq!((request.encoding, request.dimensions, request.user), (Encoding::Float, None, None));
    let request = read(
        r#"{"model":"m","input":"a","encoding_format":"base64","dimensions":256,"user":"u\u0031","other":[{}]}"#,
    )
    .unwrap();
    assert_eq!((request.encoding, request.dimensions), (Encoding::Base64, Some(256)));
    assert_eq!(request.user.as_deref(), Some("u1"));
    let nulls = r#"{"model":"m","input":"a","encoding_format":null,"dimensions":null,"user":null}"#;
    assert_eq!(read(nulls).unwrap().dimensions, None);
}

#[test]
fn what_cannot_be_embedded_is_refused_with_its_member() {
    for (body, param) in [
        (r#"{"model":"m"}"#, Some("input")),
        (r#"{"model":"m","input":null}"#, Some("input")),
        (r#"{"model":"m","input":[]}"#, Some("input")),
        (r#"{"model":"m","input":[[]]}"#, Some("input")),
        (r#"{"model":"m","input":["a",1]}"#, Some("input")),
        (r#"{"model":"m","input":[1,"a"]}"#, Some("input")),
        (r#"{"model":"m","input":[1.5]}"#, Some("input")),
        (r#"{"model":"m","input":[-1]}"#, Some("input")),
        (r#"{"model":"m","input":[["a"]]}"#, Some("input")),
        (r#"{"model":"m","input":{"text":"a"}}"#, Some("input")),
        (r#"{"model":"m","input":7}"#, Some("input")),
        (r#"{"input":"a"}"#, Some("model")),
        (r#"{"model":"m","input":"a","encoding_format":"int8"}"#, Some("encoding_format")),
        (r#"{"model":"m","input":"a","dimensions":0}"#, Some("dimensions")),
        (r#"{"model":"m","input":"a","dimensions":"1"}"#, Some("dimensions")),
        (r#"{"model":"m","input":"a","user":1}"#, Some("user")),
        (r#"{"model":"m","input":"a","model":"n"}"#, Some("model")),
        (r#"{"model":"m","input":"a""#, None),
        ("[]", None),
    ] {
        assert_eq!(read(body).unwrap_err().param.as_deref(), param, "{body}");
    }
}

#[test]
fn an_answer_is_read_with_the_places_of_what_may_change() {
    let text = r#" {"object":"list","data":[{"index":0,"embedding":[1, 2.5]},{"embedding":"AACAPw=="}],
        "model":"real","usage":{"prompt_tokens":3,"total_tokens":3}} "#;
    let answer = Answer::read(text).unwrap();
    assert_eq!((answer.count, answer.tokens.map(|tokens| tokens.prompt)), (Some(2), Some(3)));
    assert_eq!(&text[answer.model.unwrap().place], "\"real\"");
    let raw: Vec<_> = answer.vectors.iter().map(|vector| vector.raw).collect();
    assert_eq!(raw, ["[1, 2.5]", "\"AACAPw==\""]);
    assert!(text[answer.closing_brace.unwrap()..].starts_with('}'));
    for (text, count, has_error) in [
        (r#"{"error":{"message":"no"}}"#, None, true),
        (r#"{"error":null,"data":{}}"#, None, false),
        (r#"{"data":[]}"#, Some(0), false),
        ("[]", None, false),
    ] {
        let answer = Answer::read(text).unwrap();
        assert_eq!((answer.count, answer.error.is_some()), (count, has_error), "{text}");
    }
    assert!(Answer::read("{\"data\":[}").is_err());
}

#[test]
fn an_answer_is_made_as_clients_read_it() {
    let vectors = [vec![1.0, -0.5, 1e-7], vec![]];
    let floats = render("my \"alias\"", &vectors, Encoding::Float, 7).unwrap();
    assert_eq!(
        floats,
        r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1.0,-0.5,1e-7]},{"object":"embedding","index":1,"embedding":[]}],"model":"my \"alias\"","usage":{"prompt_tokens":7,"total_tokens":7}}"#
    );
    let packed = render("a", &[vec![1.0, -2.0]], Encoding::Base64, 1).unwrap();
    assert!(std::str::from_utf8(&packed).unwrap().contains(r#""embedding":"AACAPwAAAMA=""#), "{packed:?}");
    for bad in [f32::NAN, f32::INFINITY] {
        assert_eq!(render("a", &[vec![bad]], Encoding::Float, 1), Err(NotFinite));
    }
    for (raw, expected) in [("[1,-2.0]", Some("\"AACAPwAAAMA=\"")), ("[]", Some("\"\"")), ("\"x\"", None)] {
        assert_eq!(as_base64(raw).as_deref(), expected);
    }
    for (raw, expected) in [
        ("\"AACAPwAAAMA=\"", Some("[1.0,-2.0]")),
        ("\"AACAfw==\"", None),
        ("\"AACA\"", None),
        ("\"?\"", None),
        ("[1]", None),
    ] {
        assert_eq!(as_floats(raw).as_deref(), expected, "{raw}");
    }
}

proptest! {
    #[test]
    fn a_vector_is_the_same_after_both_ways(vector in prop::collection::vec(-1e30_f32..1e30, 0..20)) {
        let raw = serde_json::to_string(&vector).unwrap();
        let again: Vec<f32> = serde_json::from_str(&as_floats(&as_base64(&raw).unwrap()).unwrap()).unwrap();
        prop_assert_eq!(again, vector);
    }

    #[test]
    fn no_body_panics(body in ".{0,200}", input in "[\\[\\]\",0-9a ]{0,30}") {
        let _ = read(&body);
        let _ = read(&format!("{{\"model\":\"m\",\"input\":{input}}}"));
        let _ = Answer::read(&body);
    }
}
