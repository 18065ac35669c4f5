//! A bill's CSV (RFC 4180) read into amounts by day and model. Nothing in it is guessed: a row that cannot be read
//! refuses the whole, by its number.

use nexus_store::repo::bill::Bill;

/// Rows of a bill.
const ROWS_MAX: usize = 100_000;
/// The largest amount of a row, in whole dollars.
const USD_MAX: i64 = 1_000_000_000;

/// Reads a bill, or says what is wrong with it.
pub fn read(csv: &str) -> Result<Bill, String> {
    let mut rows = Rows(csv.trim_start_matches('\u{feff}'));
    let head = rows.next().ok_or("is empty; it needs a head")??;
    let column = |names: &[&str]| {
        let at = head.iter().position(|cell| names.contains(&cell.trim().to_ascii_lowercase().as_str()));
        at.ok_or_else(|| {
            format!("has no column `{}` in its head", names.first().copied().unwrap_or_default())
        })
    };
    let date = column(&["date", "day", "usage_date"])?;
    let model = column(&["model", "real_name", "line_item"])?;
    let amount = column(&["amount_usd", "amount", "cost", "cost_usd"])?;
    let mut bill = Bill::new();
    for (at, row) in rows.enumerate() {
        if at >= ROWS_MAX {
            return Err(format!("has more than {ROWS_MAX} rows; send it in parts"));
        }
        let number = at.saturating_add(2);
        let row = row?;
        if row.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let cell = |at: usize| row.get(at).map(|cell| cell.trim()).unwrap_or_default();
        let day = day(cell(date)).ok_or_else(|| format!("row {number}: `date` is no day as `2026-11-28`"))?;
        let name = cell(model);
        if name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) {
            return Err(format!("row {number}: `model` is not 1 to 256 bytes without control characters"));
        }
        let amount = nano_usd(cell(amount))
            .ok_or_else(|| format!("row {number}: `amount_usd` is no decimal of dollars below a billion"))?;
        let sum = bill.entry((day, name.to_owned())).or_default();
        *sum = sum.saturating_add(amount);
    }
    Ok(bill)
}

/// Rows of cells; quotes may enclose commas, line ends and doubled quotes.
struct Rows<'a>(&'a str);

impl Iterator for Rows<'_> {
    type Item = Result<Vec<String>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let (mut row, mut cell, mut is_quoted) = (Vec::new(), String::new(), false);
        let mut characters = self.0.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' if is_quoted && characters.peek().is_some_and(|(_, next)| *next == '"') => {
                    characters.next();
                    cell.push('"');
                }
                '"' => is_quoted = !is_quoted,
                ',' if !is_quoted => row.push(std::mem::take(&mut cell)),
                '\n' if !is_quoted => {
                    if cell.ends_with('\r') {
                        cell.pop();
                    }
                    row.push(cell);
                    self.0 = self.0.get(at.saturating_add(1)..).unwrap_or_default();
                    return Some(Ok(row));
                }
                other => cell.push(other),
            }
        }
        self.0 = "";
        if is_quoted {
            return Some(Err("ends within quotes".to_owned()));
        }
        row.push(cell);
        Some(Ok(row))
    }
}

/// Days from the Unix epoch; what follows a day, such as a time, is passed over.
fn day(text: &str) -> Option<i64> {
    let date = text.get(..10)?;
    let mut parts = date.split('-');
    let mut part = || parts.next()?.parse::<i64>().ok();
    let (year, month, day) = (part()?, part()?, part()?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month).ok()?.checked_sub(1)?;
    let length = *days.get(before)?;
    if !(1970..=9999).contains(&year) || !(1..=length).contains(&day) {
        return None;
    }
    let years = year - 1970;
    // every year since 1968 that can be divided by 4 has a leap day, but for centuries that cannot by 400
    let leaps = (years + 1) / 4 - (year - 1901) / 100 + (year - 1601) / 400;
    let months: i64 = days.iter().take(before).sum();
    Some(years * 365 + leaps + months + day - 1)
}

/// Rounded half away from nothing to the nano-dollar.
fn nano_usd(text: &str) -> Option<i64> {
    let text = text.trim_start_matches('$');
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text.trim_start_matches('$')),
        None => (1, text),
    };
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(part) {
        return None;
    }
    let whole: i64 = whole.parse().ok().filter(|whole| *whole < USD_MAX)?;
    let digits = format!("{part:0<10}");
    let nano: i64 = digits.get(..9)?.parse().ok()?;
    let is_up = digits.as_bytes().get(9).is_some_and(|digit| *digit >= b'5');
    Some(sign * (whole * 1_000_000_000 + nano + i64::from(is_up)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_is_added_up_by_day_and_model() {
        let csv = "\u{feff}id,Date,model,amount_usd\r\n1,2026-11-28,\"gpt, \"\"4\"\"\",1.5\r\n2,2026-11-28T10:00:00Z,\"gpt, \"\"4\"\"\",0.0000000015\n\n3,1970-01-02,x,-$2\n";
        let bill = read(csv).unwrap();
        assert_eq!(bill[&(20_785, "gpt, \"4\"".to_owned())], 1_500_000_002);
        assert_eq!(bill[&(1, "x".to_owned())], -2_000_000_000);
        assert_eq!(bill.len(), 2);
    }

    #[test]
    fn what_cannot_be_read_refuses_the_whole_by_its_row() {
        for (csv, why) in [
            ("", "is empty"),
            ("date,amount\n", "`model`"),
            ("date,model,amount\n2026-02-29,m,1\n", "row 2"),
            ("date,model,amount\n2026-02-28,m,1\n2026-02-28,m,1e5\n", "row 3"),
            ("date,model,amount\n2026-02-28,,1\n", "`model`"),
            ("date,model,amount\n2026-02-28,\"m,1\n", "quotes"),
            ("date,model,amount\n2026-02-28,m\n", "`amount_usd`"),
        ] {
            let flaw = read(csv).unwrap_err();
            assert!(flaw.contains(why), "{csv}: {flaw}");
        }
    }

    #[test]
    fn a_day_is_the_one_its_name_is_made_from() {
        for days in (0..60_000).step_by(13) {
            let name = nexus_store::repo::audit::day_name(days * 86_400_000);
            assert_eq!(day(&name), Some(days), "{name}");
        }
    }
}
