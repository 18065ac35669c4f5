//! Requests signed, changed and forged.
//!
//! The forger writes a signature base by hand, so that signing and verifying cannot agree on a mistake.

use sfv::{InnerList, ListEntry};

use super::{covered::REQUIRED, *};

const SECRET: &str = "a signing secret of thirty-two bytes or more";
const KEYID: &str = "01900000-0000-7000-8000-000000000001";
const NOW_S: i64 = 1_800_000_000;
const NONCE: &str = "0123456789abcdef";
const BODY: &[u8] = br#"{"hello": "world"}"#;
const DIGEST: &str = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
const COMPONENTS: &str = r#""@method" "@path" "@query" "content-digest""#;

/// A request with its headers, all as they are sent.
#[derive(Clone)]
struct Sent {
    method: String,
    path: String,
    query: Option<String>,
    signature_input: Option<String>,
    signature: Option<String>,
    content_digest: Option<String>,
    body: Vec<u8>,
}

impl Sent {
    fn head(&self) -> Request<'_> {
        Request {
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            signature_input: self.signature_input.as_deref(),
            signature: self.signature.as_deref(),
            content_digest: self.content_digest.as_deref(),
            others: &[("content-type", " application/json\t"), ("@authority", "example.com")],
        }
    }
}

fn secret() -> Secret {
    Secret::new(SECRET.to_owned())
}

fn proof() -> Proof {
    Proof { created_s: NOW_S, nonce: NONCE.to_owned() }
}

fn unsigned() -> Sent {
    Sent {
        method: "POST".to_owned(),
        path: "/v1/chat/completions".to_owned(),
        query: Some("a=1&b=%2D".to_owned()),
        signature_input: None,
        signature: None,
        content_digest: None,
        body: BODY.to_vec(),
    }
}

fn signed() -> Sent {
    let mut sent = unsigned();
    let stamp = sign(&sent.head(), &sent.body, &secret(), KEYID, &proof()).unwrap();
    sent.content_digest = Some(stamp.content_digest);
    sent.signature_input = Some(stamp.signature_input);
    sent.signature = Some(stamp.signature);
    sent
}

fn parameters() -> String {
    format!(r#"created={NOW_S};nonce="{NONCE}";keyid="{KEYID}""#)
}

/// A tag over a base that ends with these components and parameters.
fn tag(lines: &str, input: &str) -> String {
    let key = hmac_key(SECRET.as_bytes()).unwrap();
    let base = format!("{lines}\"@signature-params\": {input}");
    format!(":{}:", STANDARD.encode(hmac::sign(&key, base.as_bytes())))
}

/// The four lines every signature covers.
fn lines() -> String {
    format!(
        "\"@method\": POST\n\"@path\": /v1/chat/completions\n\"@query\": ?a=1&b=%2D\n\"content-digest\": {DIGEST}\n"
    )
}

/// A request signed over the four lines with these parameters.
fn forged(parameters: &str) -> Sent {
    let input = format!("({COMPONENTS});{parameters}");
    Sent {
        signature: Some(format!("sig1={}", tag(&lines(), &input))),
        signature_input: Some(format!("sig1={input}")),
        content_digest: Some(DIGEST.to_owned()),
        ..unsigned()
    }
}

/// A request that covers these components, with their lines.
fn covering(components: &str, lines: &str) -> Sent {
    let input = format!("({components});{}", parameters());
    let mut sent = forged(&parameters());
    sent.signature = Some(format!("sig1={}", tag(lines, &input)));
    sent.signature_input = Some(format!("sig1={input}"));
    sent
}

fn verdict_at(sent: &Sent, now_s: i64) -> Result<Proof, &'static str> {
    let signed = verify(&sent.head(), &secret(), KEYID, now_s).map_err(Wrong::code)?;
    signed.over(&sent.body).map_err(Wrong::code)
}

fn check(sent: &Sent, expected: Result<(), &str>) {
    let verdict = verdict_at(sent, NOW_S);
    assert_eq!(verdict, expected.map(|()| proof()), "{:?}", sent.signature_input);
}

#[test]
fn a_request_signed_here_or_by_hand_is_proven() {
    check(&signed(), Ok(()));
    check(&forged(&parameters()), Ok(()));
    assert_eq!(signed().signature, forged(&parameters()).signature.map(|s| s.replace("sig1", "nexus")));
}

#[test]
fn an_empty_body_and_no_query_are_signed_as_well() {
    for (query, path, body) in [(None, "/v1/models", ""), (Some(""), "/", ""), (None, "", "x")] {
        let mut sent = Sent { query: query.map(str::to_owned), path: path.to_owned(), ..unsigned() };
        sent.body = body.as_bytes().to_vec();
        let stamp = sign(&sent.head(), &sent.body, &secret(), KEYID, &proof()).unwrap();
        sent.content_digest = Some(stamp.content_digest);
        sent.signature_input = Some(stamp.signature_input);
        sent.signature = Some(stamp.signature);
        check(&sent, Ok(()));
        sent.query = Some("a".to_owned());
        check(&sent, Err("signature_mismatch"));
    }
}

/// Every text that differs from this one in one bit of one character, as far as it is still ASCII.
fn changed(text: &str) -> Vec<String> {
    let flips = (0..text.len()).flat_map(|at| (0..7).map(move |bit| (at, 1_u8 << bit)));
    flips
        .map(|(at, bit)| {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] ^= bit;
            String::from_utf8(bytes).unwrap()
        })
        .collect()
}

#[test]
fn every_changed_byte_is_refused_with_the_right_word() {
    let sent = signed();
    let line = ["signature_mismatch", "signature_malformed"];
    for method in changed(&sent.method) {
        let code = verdict_at(&Sent { method, ..sent.clone() }, NOW_S).unwrap_err();
        assert!(line.contains(&code), "{code}");
    }
    for path in changed(&sent.path) {
        let code = verdict_at(&Sent { path, ..sent.clone() }, NOW_S).unwrap_err();
        assert!(line.contains(&code), "{code}");
    }
    for query in changed(sent.query.as_deref().unwrap()) {
        let code = verdict_at(&Sent { query: Some(query), ..sent.clone() }, NOW_S).unwrap_err();
        assert!(line.contains(&code), "{code}");
    }
    for bit in 0..BODY.len() * 8 {
        let mut body = BODY.to_vec();
        body[bit / 8] ^= 1 << (bit % 8);
        check(&Sent { body, ..sent.clone() }, Err("digest_mismatch"));
    }
    check(&Sent { body: Vec::new(), ..sent.clone() }, Err("digest_mismatch"));
    check(&Sent { body: [BODY, b"\n"].concat(), ..sent }, Err("digest_mismatch"));
}

#[test]
fn no_changed_header_proves_anything() {
    let sent = signed();
    for digest in changed(sent.content_digest.as_deref().unwrap()) {
        assert!(verdict_at(&Sent { content_digest: Some(digest), ..sent.clone() }, NOW_S).is_err());
    }
    for input in changed(sent.signature_input.as_deref().unwrap()) {
        let changed = Sent { signature_input: Some(input.clone()), ..sent.clone() };
        assert!(verdict_at(&changed, NOW_S).is_err(), "{input}");
    }
    let tag = sent.signature.as_deref().unwrap();
    for signature in changed(tag) {
        let changed = Sent { signature: Some(signature.clone()), ..sent.clone() };
        // The last character of base64 has spare bits: another text, the same tag.
        let is_same = dictionary(&signature) == dictionary(tag);
        assert_eq!(verdict_at(&changed, NOW_S).is_ok(), is_same, "{signature}");
    }
}

#[test]
fn what_is_missing_or_changed_in_a_header_has_its_own_word() {
    let with = |change: fn(&mut Sent)| {
        let mut sent = signed();
        change(&mut sent);
        sent
    };
    type Case = (fn(&mut Sent), &'static str);
    let cases: [Case; 11] = [
        (|sent| sent.signature_input = None, "signature_missing"),
        (|sent| sent.signature = None, "signature_missing"),
        (|sent| sent.signature = Some(String::new()), "signature_missing"),
        (|sent| sent.signature_input = Some(String::new()), "signature_missing"),
        (|sent| sent.signature = Some("other=:AAAA:".to_owned()), "signature_missing"),
        (|sent| sent.signature = Some("nexus=:AAAA:".to_owned()), "signature_mismatch"),
        (|sent| sent.signature = Some("nexus=\"AAAA\"".to_owned()), "signature_malformed"),
        (|sent| sent.signature = Some("nexus=:*:".to_owned()), "signature_malformed"),
        (|sent| sent.signature_input = Some("nexus=1".to_owned()), "signature_malformed"),
        (|sent| sent.content_digest = None, "digest_missing"),
        (|sent| sent.content_digest = Some("sha-1=:AAAA:".to_owned()), "digest_algorithm"),
    ];
    for (change, code) in cases {
        check(&with(change), Err(code));
    }
    let long = |value: &mut Option<String>| value.as_mut().unwrap().push_str(&" ".repeat(MAX_FIELD_BYTES));
    let mut sent = signed();
    long(&mut sent.signature_input);
    check(&sent, Err("signature_malformed"));
}

#[test]
fn each_parameter_is_judged_even_when_it_is_signed() {
    let created = format!("created={NOW_S}");
    let nonce = format!(r#"nonce="{NONCE}""#);
    let keyid = format!(r#"keyid="{KEYID}""#);
    let nonce_of = |length: usize| format!(r#"nonce="{}""#, "n".repeat(length));
    for (from, to, code) in [
        (created.as_str(), "x=1".to_owned(), "signature_parameters"),
        (&format!("{created};"), String::new(), "created_missing"),
        (&created, format!(r#"created="{NOW_S}""#), "signature_malformed"),
        (&created, format!("created={NOW_S}.0"), "signature_malformed"),
        (&created, format!("created=@{NOW_S}"), "signature_malformed"),
        (&created, "created".to_owned(), "signature_malformed"),
        (&created, "created=0".to_owned(), "signature_expired"),
        (&created, "created=-999999999999999".to_owned(), "signature_expired"),
        (&created, "created=999999999999999".to_owned(), "signature_early"),
        (&created, "created=1000000000000000".to_owned(), "signature_malformed"),
        (&format!("{nonce};"), String::new(), "nonce_missing"),
        (&nonce, nonce_of(7), "nonce_length"),
        (&nonce, nonce_of(129), "nonce_length"),
        (&nonce, "nonce=token-of-8".to_owned(), "signature_malformed"),
        (&nonce, "nonce=:AAECAwQFBgcI:".to_owned(), "signature_malformed"),
        (&format!(";{keyid}"), String::new(), "signature_keyid"),
        (&keyid, r#"keyid="another""#.to_owned(), "signature_keyid"),
        (&keyid, "keyid=\"\"".to_owned(), "signature_keyid"),
        (&keyid, "keyid".to_owned(), "signature_malformed"),
        (&keyid, format!(r#"{keyid};alg="hmac-sha512""#), "signature_algorithm"),
        (&keyid, format!(r#"{keyid};alg="HMAC-SHA256""#), "signature_algorithm"),
        (&keyid, format!(r#"{keyid};alg="ed25519""#), "signature_algorithm"),
        (&keyid, format!(r#"{keyid};alg="""#), "signature_algorithm"),
        (&keyid, format!("{keyid};alg=hmac-sha256"), "signature_malformed"),
        (&keyid, format!(r#"{keyid};tag="other-application""#), "signature_parameters"),
        (&keyid, format!("{keyid};expires={NOW_S}"), "signature_expired"),
        (&keyid, format!("{keyid};expires=1"), "signature_expired"),
        (&keyid, format!("{keyid};expires=soon"), "signature_malformed"),
    ] {
        let parameters = parameters();
        assert!(parameters.contains(from), "{from}");
        check(&forged(&parameters.replace(from, &to)), Err(code));
    }
    check(&forged(&format!(r#"{};alg="hmac-sha256""#, parameters())), Ok(()));
    check(&forged(&format!("{};expires={}", parameters(), NOW_S + 1)), Ok(()));
    for length in [8, 128] {
        let sent = forged(&parameters().replace(&nonce, &nonce_of(length)));
        assert_eq!(verdict_at(&sent, NOW_S).unwrap().nonce.len(), length);
    }
}

#[test]
fn the_window_is_open_300_seconds_to_both_sides() {
    for (now_s, expected) in [
        (NOW_S, None),
        (NOW_S + 300, None),
        (NOW_S + 301, Some("signature_expired")),
        (NOW_S - 300, None),
        (NOW_S - 301, Some("signature_early")),
        (i64::MAX, Some("signature_expired")),
        (i64::MIN, Some("signature_early")),
    ] {
        assert_eq!(verdict_at(&signed(), now_s).err(), expected, "{now_s}");
    }
}

#[test]
fn the_four_are_covered_in_any_order_and_what_else_is_known_with_them() {
    let lines = lines();
    let reversed: String = lines.lines().rev().flat_map(|line| [line, "\n"]).collect();
    check(&covering(r#""content-digest" "@query" "@path" "@method""#, &reversed), Ok(()));
    let more = format!("\"content-type\": application/json\n{lines}\"@authority\": example.com\n");
    check(&covering(&format!(r#""content-type" {COMPONENTS} "@authority""#), &more), Ok(()));
}

#[test]
fn each_of_the_four_must_be_covered() {
    for left_out in REQUIRED {
        let components: Vec<_> =
            COMPONENTS.split(' ').filter(|component| !component.contains(left_out)).collect();
        let lines = lines();
        let lines: Vec<_> = lines.lines().filter(|line| !line.contains(left_out)).collect();
        assert_eq!((components.len(), lines.len()), (3, 3));
        let sent = covering(&components.join(" "), &(lines.join("\n") + "\n"));
        check(&sent, Err("signature_components"));
    }
    check(&covering("", ""), Err("signature_components"));
}

#[test]
fn nothing_is_covered_twice_or_with_parameters_or_without_being_known() {
    let four = lines();
    let kind = "\"content-type\": application/json\n";
    let wrong = "signature_components";
    for (components, lines, code) in [
        (format!(r#""@method" {COMPONENTS}"#), format!("\"@method\": POST\n{four}"), wrong),
        (format!(r#"{COMPONENTS} "content-type" "content-type""#), format!("{four}{kind}{kind}"), wrong),
        (format!(r#"{COMPONENTS} "x-other""#), format!("{four}\"x-other\": \n"), wrong),
        (format!(r#"{COMPONENTS} "@target-uri""#), format!("{four}\"@target-uri\": https://x/\n"), wrong),
        (format!(r#"{COMPONENTS} "Content-Type""#), four.clone() + &kind.replace("-type", "-Type"), wrong),
        (format!(r#"{COMPONENTS} "@signature-params""#), format!("{four}\"@signature-params\": x\n"), wrong),
        (COMPONENTS.replace("path\"", "path\";req"), four.replace("path\"", "path\";req"), wrong),
        (format!("{COMPONENTS} date"), format!("{four}\"date\": x\n"), "signature_malformed"),
    ] {
        check(&covering(&components, &lines), Err(code));
    }
}

#[test]
fn a_list_of_components_has_an_end() {
    for (more, expected) in [(28, Ok(())), (29, Err(Wrong::Components))] {
        let names: String = (0..more).map(|n| format!(r#" "x-{n}""#)).collect();
        let input = inner_list(&format!("a=({COMPONENTS}{names})"));
        assert_eq!(covered::judge(&input), expected, "{more}");
    }
}

#[test]
fn spaces_are_not_signed() {
    let mut sent = forged(&parameters());
    let spaced = sent.signature_input.unwrap().replace("\" \"", "\"   \"").replace(';', ";  ");
    sent.signature_input = Some(format!("  {} ", spaced.replace('(', "(  ").replace(')', "  )")));
    sent.content_digest = Some(format!("  {DIGEST} "));
    check(&sent, Ok(()));
}

#[test]
fn of_what_is_repeated_the_last_one_counts_and_is_what_was_signed() {
    let other = format!("created={}", NOW_S - 1);
    let mut sent = forged(&parameters());
    let input = sent.signature_input.clone().unwrap();
    let created = format!("created={NOW_S}");
    sent.signature_input = Some(input.replace(&created, &format!("{other};{created}")));
    check(&sent, Ok(()));
    sent.signature_input = Some(input.replace(&created, &format!("{created};{other}")));
    check(&sent, Err("signature_mismatch"));
    sent.signature_input = Some(format!("sig1=(), {input}"));
    check(&sent, Ok(()));
    sent.signature_input = Some(format!("{input}, sig1=()"));
    check(&sent, Err("signature_keyid"));
    sent.signature_input = Some(input);
    let signature = sent.signature.clone().unwrap();
    sent.signature = Some(format!("sig1=:AAAA:, {signature}"));
    check(&sent, Ok(()));
    sent.signature = Some(format!("{signature}, sig1=:AAAA:"));
    check(&sent, Err("signature_mismatch"));
}

#[test]
fn among_several_signatures_the_first_with_our_key_counts() {
    let ours = forged(&parameters());
    let (input, signature) = (ours.signature_input.clone().unwrap(), ours.signature.clone().unwrap());
    let foreign = r#"proxy=("@status";req);created=1;keyid="proxy";tag="x""#;
    let with = |input: String, signature: String| Sent {
        signature_input: Some(input),
        signature: Some(signature),
        ..ours.clone()
    };
    check(&with(format!("{foreign}, {input}"), format!("proxy=:AAAA:, {signature}")), Ok(()));
    check(&with(format!("{input}, {foreign}"), format!("proxy=:AAAA:, {signature}")), Ok(()));
    check(&with(format!("{foreign}, {input}"), signature.clone()), Ok(()));
    let second = input.replacen("sig1", "sig2", 1);
    let both = format!("{}, {}", signature.replacen("sig1", "sig2", 1), "sig1=:AAAA:");
    check(&with(format!("{input}, {second}"), both.clone()), Err("signature_mismatch"));
    check(&with(format!("{second}, {input}"), both), Ok(()));
    check(&with(foreign.to_owned(), format!("proxy=:AAAA:, {signature}")), Err("signature_keyid"));
}

#[test]
fn a_line_end_cannot_get_into_what_is_signed() {
    let mut sent = unsigned();
    sent.path = "/v1\n\"@query\": ?x".to_owned();
    let stamp = sign(&sent.head(), BODY, &secret(), KEYID, &proof());
    assert_eq!(stamp, Err(Wrong::Malformed));
    for (keyid, nonce) in [("k\n", NONCE), ("\u{e9}", NONCE), (KEYID, "nonce\u{7f}nonce")] {
        let proof = Proof { nonce: nonce.to_owned(), ..proof() };
        assert_eq!(sign(&unsigned().head(), BODY, &secret(), keyid, &proof), Err(Wrong::Malformed));
    }
    let quoted = Proof { nonce: r#"a "quoted\" one"#.to_owned(), ..proof() };
    let stamp = sign(&unsigned().head(), BODY, &secret(), KEYID, &quoted).unwrap();
    assert!(stamp.signature_input.contains(r#"nonce="a \"quoted\\\" one""#), "{}", stamp.signature_input);
}

#[test]
fn a_short_key_signs_and_verifies_nothing() {
    for key in ["", "k", &SECRET[..31]] {
        let key = Secret::new(key.to_owned());
        assert_eq!(sign(&unsigned().head(), BODY, &key, KEYID, &proof()), Err(Wrong::Mismatch));
        let mut sent = signed();
        let base =
            covered::base(&sent.head(), &inner_list(sent.signature_input.as_deref().unwrap())).unwrap();
        let bare = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
        let tag = hmac::sign(&bare, base.as_bytes());
        sent.signature = Some(format!("nexus=:{}:", STANDARD.encode(tag)));
        assert_eq!(verify(&sent.head(), &key, KEYID, NOW_S).err(), Some(Wrong::Mismatch));
    }
    let other = Secret::new(SECRET.to_uppercase());
    assert_eq!(verify(&signed().head(), &other, KEYID, NOW_S).err(), Some(Wrong::Mismatch));
}

fn inner_list(field: &str) -> InnerList {
    match dictionary(field).unwrap().swap_remove_index(0) {
        Some((_, ListEntry::InnerList(list))) => list,
        _ => panic!("{field}"),
    }
}

/// RFC 9421, appendix B.2.5 with the shared secret of B.1.5.
#[test]
fn the_published_hmac_signature_is_ours() {
    let input =
        r#"sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#;
    let secret = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
    let request = Request {
        others: &[
            ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
            ("@authority", "example.com"),
            ("content-type", "application/json"),
        ],
        ..Request::default()
    };
    let base = covered::base(&request, &inner_list(input)).unwrap();
    let expected = [
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT",
        "\"@authority\": example.com",
        "\"content-type\": application/json",
        "\"@signature-params\": (\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-shared-secret\"",
    ];
    assert_eq!(base, expected.join("\n"));
    let key = hmac_key(&STANDARD.decode(secret).unwrap()).unwrap();
    let tag = STANDARD.encode(hmac::sign(&key, base.as_bytes()));
    assert_eq!(tag, "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=");
}

/// RFC 9421: the base of section 2.5, and the lines of sections 2.2.1, 2.2.6 and 2.2.7.
#[test]
fn the_published_signature_bases_are_ours() {
    let digest =
        "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";
    let request = Request {
        method: "POST",
        path: "/foo",
        query: Some("param=Value&Pet=dog"),
        content_digest: Some(digest),
        others: &[
            ("@authority", "example.com"),
            ("content-length", "18"),
            ("content-type", "application/json"),
        ],
        ..Request::default()
    };
    let input = r#"("@method" "@authority" "@path" "content-digest" "content-length" "content-type");created=1618884473;keyid="test-key-rsa-pss""#;
    let base = covered::base(&request, &inner_list(&format!("sig1={input}"))).unwrap();
    let expected = [
        "\"@method\": POST",
        "\"@authority\": example.com",
        "\"@path\": /foo",
        &format!("\"content-digest\": {digest}"),
        "\"content-length\": 18",
        "\"content-type\": application/json",
        &format!("\"@signature-params\": {input}"),
    ];
    assert_eq!(base, expected.join("\n"));
    for (path, query, line) in [
        ("/path", Some("param=value"), "\"@path\": /path"),
        ("", None, "\"@path\": /"),
        (
            "/path",
            Some("param=value&foo=bar&baz=bat%2Dman"),
            "\"@query\": ?param=value&foo=bar&baz=bat%2Dman",
        ),
        ("/path", Some("queryString"), "\"@query\": ?queryString"),
        ("/path", None, "\"@query\": ?"),
    ] {
        let request = Request { path, query, ..request };
        let base = covered::base(&request, &inner_list(r#"a=("@path" "@query");created=1"#)).unwrap();
        assert!(base.lines().any(|l| l == line), "{base}");
    }
}

#[test]
fn a_used_proof_is_refused_however_the_request_is_written() {
    let nonces = Nonces::new(NONCES, NOW_S);
    let first = verdict_at(&signed(), NOW_S).unwrap();
    let again = verdict_at(&forged(&parameters()), NOW_S + 300).unwrap();
    assert_eq!(nonces.remember(KEYID, &first, NOW_S), Ok(()));
    assert_eq!(nonces.remember(KEYID, &again, NOW_S + 300), Err(Unfit::Replayed));
}
