//! Leases as they are written down: fields with spaces between, one part a line.

use std::{fmt, str::FromStr};

use super::{Leases, NodeId, Part, Share};

/// In front of what is written, so that another form can follow.
const FORM: &str = "lease1";

/// It is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl fmt::Display for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FORM} {} {}", self.version, self.closed_until_ms)?;
        for Part { begin_ms, gone_ms, taken, shares } in &self.parts {
            write!(f, "\n{begin_ms} {gone_ms} {taken}")?;
            for Share { node, amount, until_ms } in shares {
                write!(f, " {node} {amount} {until_ms}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Leases {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let mut lines = text.split('\n');
        let mut head = lines.next().unwrap_or_default().split(' ');
        if head.next() != Some(FORM) {
            return Err(Unreadable);
        }
        let (version, closed_until_ms) = (number(head.next())?, number(head.next())?);
        let parts = lines.map(part).collect::<Result<_, _>>()?;
        if head.next().is_some() { Err(Unreadable) } else { Ok(Self { version, closed_until_ms, parts }) }
    }
}

fn part(line: &str) -> Result<Part, Unreadable> {
    let mut words = line.split(' ');
    let (begin_ms, gone_ms) = (number(words.next())?, number(words.next())?);
    let taken = number(words.next())?;
    let mut shares = Vec::new();
    while let Some(word) = words.next() {
        let node = NodeId(u64::from_str_radix(word, 16).map_err(|_| Unreadable)?);
        shares.push(Share { node, amount: number(words.next())?, until_ms: number(words.next())? });
    }
    Ok(Part { begin_ms, gone_ms, taken, shares })
}

pub(super) fn number<T: FromStr>(word: Option<&str>) -> Result<T, Unreadable> {
    word.and_then(|word| word.parse().ok()).ok_or(Unreadable)
}
