//! Whether one value is what its field takes.
//!
//! A refusal says what was expected and never what was found.

use std::fmt::Display;

use figment::value::{Num, Value};

use crate::field::Kind;

/// Why a value is not taken: message and remedy.
pub(crate) type Refused = (String, String);

const TEXT_MAX_BYTES: usize = 512;
const SECRET_MAX_BYTES: usize = 8 * 1024;

/// The value in the form the raw settings take.
pub(crate) fn check(kind: Kind, value: &Value) -> Result<Value, Refused> {
    match kind {
        Kind::Text => text(value, TEXT_MAX_BYTES).map(Value::from),
        Kind::Secret | Kind::SecretUrl => text(value, SECRET_MAX_BYTES).map(Value::from),
        Kind::Whole { min, max } => within(value, min, max).map(Value::from),
        Kind::Signed { min, max } => within(value, min, max).map(Value::from),
        Kind::Decimal => decimal(value).map(Value::from),
        Kind::Flag => match value {
            Value::Bool(..) => Ok(value.clone()),
            _ => Err(refused("is neither true nor false", "write `true` or `false`, without quotes")),
        },
        Kind::Choice(words) => match value.as_str() {
            Some(word) if words.contains(&word) => Ok(word.into()),
            _ => Err(refused("is none of the known words", format!("write one of `{}`", words.join("`, `")))),
        },
        Kind::Texts => Ok(Value::from(texts(value)?)),
        Kind::Shares | Kind::Named | Kind::Section(_) | Kind::List(_) => {
            Err(refused("cannot be written as one value", "set it in the file, one key a line"))
        }
    }
}

/// A variable's text as the value it would be in the file.
pub(crate) fn from_variable(kind: Kind, text: &str) -> Value {
    match kind {
        Kind::Whole { .. } | Kind::Signed { .. } => {
            text.trim().parse::<i128>().map_or_else(|_| text.into(), Value::from)
        }
        Kind::Flag => text.trim().parse::<bool>().map_or_else(|_| text.into(), Value::from),
        _ => text.trim().into(),
    }
}

/// A decimal as millionths. `None` where it is no number from 0 to 1000 with at most six decimals.
pub(crate) fn millionths(decimal: &str) -> Option<u64> {
    let (whole, part) = decimal.split_once('.').unwrap_or((decimal, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(part) || whole.len() > 4 || part.len() > 6 {
        return None;
    }
    let millionths = format!("{whole}{part:0<6}").parse::<u64>().ok()?;
    (millionths <= 1_000_000_000).then_some(millionths)
}

fn text(value: &Value, max_bytes: usize) -> Result<String, Refused> {
    let Some(text) = value.as_str() else {
        return Err(refused("is not text", "write text; a number or a word such as `true` goes into quotes"));
    };
    if text.trim().is_empty() {
        return Err(refused("is empty", "write something, or leave the key away"));
    }
    if text.trim() != text {
        return Err(refused("begins or ends with white space", "take the white space away"));
    }
    if text.chars().any(char::is_control) {
        return Err(refused("holds a control character or a line break", "write it on one line"));
    }
    if text.len() > max_bytes {
        return Err(refused("is too long", format!("use at most {max_bytes} bytes")));
    }
    Ok(text.to_owned())
}

fn texts(value: &Value) -> Result<Vec<String>, Refused> {
    let Some(line) = value.as_str() else { return Err(refused("is not text", "write a list of texts")) };
    line.split(',').map(|part| text(&part.trim().into(), TEXT_MAX_BYTES)).collect()
}

fn within<N: TryFrom<i128> + PartialOrd + Display>(value: &Value, min: N, max: N) -> Result<N, Refused> {
    let remedy = || format!("write a number from {min} to {max}, without quotes");
    let number = match value {
        Value::Num(_, Num::F32(_) | Num::F64(_)) => None,
        _ => value.to_i128().or_else(|| value.to_u128().and_then(|number| number.try_into().ok())),
    };
    match number {
        None => Err(refused("is not a whole number", remedy())),
        Some(number) => match N::try_from(number) {
            Ok(number) if (&min..=&max).contains(&&number) => Ok(number),
            _ => Err(refused("is out of range", remedy())),
        },
    }
}

fn decimal(value: &Value) -> Result<String, Refused> {
    let written = match value {
        Value::String(_, text) => text.trim().to_owned(),
        Value::Num(_, Num::F64(number)) => number.to_string(),
        _ => value.to_i128().map(|number| number.to_string()).unwrap_or_default(),
    };
    match millionths(&written) {
        Some(_) => Ok(written),
        None => Err(refused(
            "is not such a number",
            "write a number from 0 to 1000 with at most six decimals, such as `1.25`",
        )),
    }
}

fn refused(message: &str, remedy: impl Into<String>) -> Refused {
    (message.to_owned(), remedy.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_becomes_millionths_exactly() {
        for (written, expected) in [
            ("1", Some(1_000_000)),
            ("0", Some(0)),
            ("0.1", Some(100_000)),
            ("1.000001", Some(1_000_001)),
            ("1000", Some(1_000_000_000)),
            ("1000.000001", None),
            ("0.0000001", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("1.", None),
            (".5", None),
            ("1.2.3", None),
            ("", None),
            ("99999999999999999999", None),
            ("١", None),
        ] {
            assert_eq!(millionths(written), expected, "{written}");
        }
    }

    #[test]
    fn each_kind_takes_its_own_and_says_what_it_expected() {
        let whole = Kind::Whole { min: 1, max: 10 };
        let choice = Kind::Choice(&["auto", "json"]);
        for (kind, value, expected) in [
            (Kind::Text, Value::from("gpt-4"), Ok("gpt-4".into())),
            (Kind::Text, "".into(), Err("is empty")),
            (Kind::Text, " \t".into(), Err("is empty")),
            (Kind::Text, " a".into(), Err("begins or ends with white space")),
            (Kind::Text, "a\u{1b}[0m".into(), Err("holds a control character or a line break")),
            (Kind::Text, "a\nb".into(), Err("holds a control character or a line break")),
            (Kind::Text, "é".repeat(300).into(), Err("is too long")),
            (Kind::Text, 4.into(), Err("is not text")),
            (Kind::Text, true.into(), Err("is not text")),
            (Kind::Secret, "s".repeat(8192).into(), Ok("s".repeat(8192).into())),
            (Kind::Secret, "s".repeat(8193).into(), Err("is too long")),
            (whole, 1.into(), Ok(1_u64.into())),
            (whole, 10_i64.into(), Ok(10_u64.into())),
            (whole, 0.into(), Err("is out of range")),
            (whole, 11.into(), Err("is out of range")),
            (whole, (-1).into(), Err("is out of range")),
            (whole, i128::MIN.into(), Err("is out of range")),
            (whole, (1_u128 << 100).into(), Err("is out of range")),
            (whole, u128::MAX.into(), Err("is not a whole number")),
            (whole, 1.0.into(), Err("is not a whole number")),
            (whole, "1".into(), Err("is not a whole number")),
            (Kind::Signed { min: -9, max: 9 }, (-9).into(), Ok((-9_i64).into())),
            (Kind::Signed { min: -9, max: 9 }, (-10).into(), Err("is out of range")),
            (Kind::Decimal, 1.0.into(), Ok("1".into())),
            (Kind::Decimal, 1.25.into(), Ok("1.25".into())),
            (Kind::Decimal, 2.into(), Ok("2".into())),
            (Kind::Decimal, "0.5".into(), Ok("0.5".into())),
            (Kind::Decimal, (-0.5).into(), Err("is not such a number")),
            (Kind::Decimal, f64::MAX.into(), Err("is not such a number")),
            (Kind::Decimal, false.into(), Err("is not such a number")),
            (Kind::Flag, true.into(), Ok(true.into())),
            (Kind::Flag, "true".into(), Err("is neither true nor false")),
            (choice, "json".into(), Ok("json".into())),
            (choice, "JSON".into(), Err("is none of the known words")),
            (choice, 1.into(), Err("is none of the known words")),
            (Kind::Shares, 1.into(), Err("cannot be written as one value")),
        ] {
            let checked = check(kind, &value).map_err(|(message, _)| message);
            assert_eq!(checked, expected.map_err(str::to_owned), "{kind:?} {value:?}");
        }
    }
}
