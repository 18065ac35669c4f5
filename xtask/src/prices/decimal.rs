//! Decimal amounts, read digit by digit.

use serde_json::Value;

/// USD for a unit, as nano-USD for a million units, rounded half up. `None` where it is no amount.
pub(super) fn nano_per_million(value: &Value, divisor: u128) -> Option<u128> {
    let text = value.as_number()?.to_string();
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let fraction_digits = i32::try_from(fraction.len()).ok()?;
    // 10^9 nano-USD times 10^6 units
    let power = exponent.parse::<i32>().ok()?.checked_sub(fraction_digits)?.checked_add(15)?;
    let ten = 10_u128.checked_pow(power.unsigned_abs())?;
    if power >= 0 {
        return digits.checked_mul(ten)?.checked_div(divisor);
    }
    let divisor = ten.checked_mul(divisor)?;
    digits.checked_add(divisor / 2)?.checked_div(divisor)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn decimals_are_read_exactly() {
        for (value, divisor, expected) in [
            (json!(2.5e-06), 1, Some(2_500_000_000)),
            (json!(1.25e-07), 1, Some(125_000_000)),
            (json!(0.035), 1, Some(35_000_000_000_000)),
            (json!(0.0001), 1000, Some(100_000_000)),
            (json!(0), 1, Some(0)),
            (json!(1), 1, Some(1_000_000_000_000_000)),
            (json!(4e-16), 1, Some(0)),
            (json!(5e-16), 1, Some(1)),
            (json!(-1e-6), 1, None),
            (json!("1"), 1, None),
        ] {
            assert_eq!(nano_per_million(&value, divisor), expected, "{value}");
        }
    }
}
