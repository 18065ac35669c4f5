//! Bodies of requests: read within bounds, JSON only, into a type that refuses what it does not know.
//!
//! Every text the administration is told in a body passes [`collect`], and only after the caller was let in.

use std::{fmt, marker::PhantomData, time::Duration};

use actix_web::{
    HttpRequest,
    http::header,
    web::{Bytes, Payload},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_path_to_error::Segment;
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use super::{
    openapi::Components,
    problem::{Flaw, Kind, Problem},
};

/// The largest body taken.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// The largest body taken from somebody who has proven nothing yet.
pub const STRANGERS_BODY_BYTES_MAX: usize = 16 << 10;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a request's body can be: nothing, or [`Json`].
pub trait Body: Sized + 'static {
    /// Whether there is one.
    const IS_EXPECTED: bool;

    fn parse(bytes: &[u8]) -> Result<Self, Problem>;

    /// The body's schema, where there is one.
    fn describe(components: &mut Components) -> Option<RefOr<Schema>>;
}

impl Body for () {
    const IS_EXPECTED: bool = false;

    fn parse(_: &[u8]) -> Result<Self, Problem> {
        Ok(())
    }

    fn describe(_: &mut Components) -> Option<RefOr<Schema>> {
        None
    }
}

/// A body in JSON.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + ToSchema + 'static> Body for Json<T> {
    const IS_EXPECTED: bool = true;

    fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        if !matches!(bytes.trim_ascii_start().first(), Some(b'{') | None) {
            return Err(Problem::new(Kind::BadRequest, "the body is no JSON object"));
        }
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let pointer = pointer(error.path().iter());
            problem(pointer, error.inner())
        })?;
        json.end().map_err(|error| problem(String::new(), &error))?;
        Ok(Self(value))
    }

    fn describe(components: &mut Components) -> Option<RefOr<Schema>> {
        Some(components.schema::<T>())
    }
}

/// Reads an object that is written as an object; what is derived takes a list of its members too.
pub fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    struct Members<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(members))
        }
    }

    from.deserialize_map(Members(PhantomData))
}

/// The same of a member that may be `null`.
pub fn object_or_none<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    struct Member<T>(T);

    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Member<T> {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            object(from).map(Self)
        }
    }

    Ok(Option::<Member<T>>::deserialize(from)?.map(|Member(member)| member))
}

/// The same of a member of a patch, which may be left away.
pub fn present_object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    object(from).map(Some)
}

/// A member of a patch: absent means unchanged, so `null` is a value. `Option<Option<T>>` takes `null`,
/// `Option<T>` refuses it. To be used with `#[serde(default, deserialize_with)]`.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// A number that is described as an `int64` and is not negative: no larger one is taken.
pub fn int64<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let number = i64::deserialize(from)?;
    u64::try_from(number).map_err(|_| serde::de::Error::custom("is negative"))
}

/// The same where it may be left away.
pub fn int64_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let number = Option::<i64>::deserialize(from)?;
    number.map(u64::try_from).transpose().map_err(|_| serde::de::Error::custom("is negative"))
}

/// Reads the bytes of a body, where one is expected; nothing where none is. One that is announced as too large is
/// refused either way.
pub async fn collect<B: Body>(
    request: &HttpRequest,
    payload: Payload,
    bytes_max: usize,
) -> Result<Bytes, Problem> {
    let text = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    let declared = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    if declared.is_some_and(|length: usize| length > bytes_max) {
        return Err(too_large(bytes_max));
    }
    if !B::IS_EXPECTED {
        return Ok(Bytes::new());
    }
    if !text(header::CONTENT_TYPE).is_some_and(is_json) {
        return Err(Problem::new(Kind::UnsupportedMediaType, "send `content-type: application/json`"));
    }
    if text(header::CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(Problem::new(Kind::UnsupportedMediaType, "send the body as it is, not compressed"));
    }
    gather(payload, bytes_max).await
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    ["application/json", "application/merge-patch+json"]
        .iter()
        .any(|known| essence.eq_ignore_ascii_case(known))
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(Kind::TooLarge, format!("the limit is {bytes_max} bytes; make the body smaller"))
}

async fn gather(payload: Payload, bytes_max: usize) -> Result<Bytes, Problem> {
    match tokio::time::timeout(PATIENCE, payload.to_bytes_limited(bytes_max)).await {
        Ok(Ok(Ok(bytes))) => Ok(bytes),
        Ok(Ok(Err(_))) => Err(Problem::new(Kind::BadRequest, "the body broke off; send it whole")),
        Ok(Err(_)) => Err(too_large(bytes_max)),
        Err(_) => Err(Kind::TooSlow.into()),
    }
}

fn pointer<'a>(path: impl Iterator<Item = &'a Segment>) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// What the parser says, without the place in the text, which the pointer names better.
fn problem(pointer: String, error: &serde_json::Error) -> Problem {
    let said = error.to_string();
    let detail = said.rsplit_once(" at line ").map_or(said.as_str(), |(detail, _)| detail);
    if error.is_data() {
        let errors = vec![Flaw { pointer, detail: detail.to_owned() }];
        Problem { errors, ..Problem::new(Kind::BadRequest, "a member of the body is not what it should be") }
    } else {
        Problem::new(Kind::BadRequest, format!("the body is not JSON: {said}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        name: String,
        #[serde(default)]
        tags: Vec<u32>,
        #[serde(default, deserialize_with = "present")]
        size: Option<u32>,
        #[serde(default, deserialize_with = "present")]
        note: Option<Option<String>>,
    }

    #[test]
    fn what_is_wrong_in_a_body_is_named_by_a_pointer() {
        for (json, pointer) in [
            (r#"{"name":"a","tags":[1,"x"]}"#, Some("/tags/1")),
            (r#"{"name":"a","nmae":1}"#, Some("/nmae")),
            (r#"{"name":1}"#, Some("/name")),
            (r#"{"name":"a","size":null}"#, Some("/size")),
            ("{}", Some("")),
            ("[]", None),
            (r#"["a"]"#, None),
            ("", None),
            ("{", None),
            (r#"{"name":"a"} x"#, None),
            ("<xml/>", None),
        ] {
            let problem = Json::<Sample>::parse(json.as_bytes()).unwrap_err();
            assert_eq!(problem.kind, Kind::BadRequest, "{json}");
            let named = problem.errors.first().map(|flaw| flaw.pointer.as_str());
            assert_eq!(named, pointer, "{json}");
        }
    }

    #[test]
    fn a_patch_tells_what_is_absent_from_what_is_null() {
        let read = |json: &str| Json::<Sample>::parse(json.as_bytes()).unwrap().0;
        let absent = read(r#"{"name":"a"}"#);
        assert_eq!((&*absent.name, &absent.tags[..]), ("a", &[][..]));
        assert_eq!((absent.size, absent.note), (None, None));
        let given = read(r#"{"name":"a","size":3,"note":null}"#);
        assert_eq!((given.size, given.note), (Some(3), Some(None)));
        assert_eq!(read(r#"{"name":"a","note":"b"}"#).note, Some(Some("b".to_owned())));
    }

    #[test]
    fn only_json_is_taken() {
        for (content_type, is_taken) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/merge-patch+json", true),
            ("application/xml", false),
            ("text/json", false),
            ("application/json+xml", false),
            ("", false),
        ] {
            assert_eq!(is_json(content_type), is_taken, "{content_type}");
        }
    }
}
