//! A call's arguments as the object that other vendors than OpenAI want.

use serde::Serialize;
use serde_json::value::RawValue;

/// Arguments as an object. What a model said that is none is told as such, so that a loop can go on.
pub(crate) fn object(arguments: &str) -> Box<RawValue> {
    let arguments = arguments.trim();
    let said = match arguments.as_bytes().first() {
        None => Ok(RawValue::from_string("{}".to_owned())),
        Some(b'{') => Ok(RawValue::from_string(arguments.to_owned())),
        Some(_) => Err(()),
    };
    match said {
        Ok(Ok(input)) => input,
        _ => serde_json::value::to_raw_value(&Invalid { invalid_json: arguments }).unwrap_or_default(),
    }
}

#[derive(Serialize)]
struct Invalid<'a> {
    invalid_json: &'a str,
}
