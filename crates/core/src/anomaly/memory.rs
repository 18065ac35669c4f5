//! What is usual of somebody as bytes, so that a new process need not learn it anew.
//!
//! The bytes are this program's own: what another version wrote is not read but learnt again.

use super::{Kind, Usual, baseline::Baseline, habits::Habits};

/// Goes up with every change of the form.
const FORM: u8 = 1;

impl Usual {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Writing(vec![FORM]);
        out.int(Habits::digest_of_nothing());
        out.int(self.minute_ms.cast_unsigned());
        for baseline in [&self.rate_usual, &self.cost_usual, &self.size_usual, &self.share_usual] {
            baseline.write(&mut out);
        }
        self.habits.write(&mut out);
        for told_ms in self.told_ms {
            out.int(told_ms.unwrap_or(i64::MIN).cast_unsigned());
        }
        out.0
    }

    /// `None` of bytes in another form.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut bytes = Reading(bytes.strip_prefix(&[FORM])?);
        // names of models are known by digests, which another compiler may make otherwise
        if bytes.int()? != Habits::digest_of_nothing() {
            return None;
        }
        let mut usual = Self::since(bytes.int()?.cast_signed());
        for baseline in
            [&mut usual.rate_usual, &mut usual.cost_usual, &mut usual.size_usual, &mut usual.share_usual]
        {
            *baseline = Baseline::read(&mut bytes)?;
        }
        usual.habits = Habits::read(&mut bytes)?;
        let mut told_ms = [None; Kind::ALL.len()];
        for told_ms in &mut told_ms {
            *told_ms = Some(bytes.int()?.cast_signed()).filter(|told_ms| *told_ms != i64::MIN);
        }
        usual.told_ms = told_ms;
        bytes.0.is_empty().then_some(usual)
    }
}

/// Bytes under way.
pub(super) struct Writing(Vec<u8>);

impl Writing {
    pub(super) fn int(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(super) fn double(&mut self, number: f64) {
        self.int(number.to_bits());
    }

    pub(super) fn singles(&mut self, numbers: &[f32]) {
        for number in numbers {
            self.0.extend_from_slice(&number.to_bits().to_le_bytes());
        }
    }
}

/// What is left of bytes.
pub(super) struct Reading<'a>(&'a [u8]);

impl Reading<'_> {
    pub(super) fn int(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*bytes))
    }

    /// A number that is one.
    pub(super) fn double(&mut self) -> Option<f64> {
        Some(f64::from_bits(self.int()?)).filter(|number| number.is_finite())
    }

    pub(super) fn singles<const N: usize>(&mut self) -> Option<[f32; N]> {
        let mut numbers = [0.0; N];
        for number in &mut numbers {
            let (bytes, rest) = self.0.split_first_chunk()?;
            self.0 = rest;
            *number = Some(f32::from_bits(u32::from_le_bytes(*bytes))).filter(|number| number.is_finite())?;
        }
        Some(numbers)
    }
}
