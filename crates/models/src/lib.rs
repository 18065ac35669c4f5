//! What is known of well-known models: what they cost, how much they take, what they can do.
//!
//! The facts are data, in `models.txt`, which `cargo xtask prices` makes; nobody edits it, and new facts come
//! as a change to that file that somebody reads. A model that is not in it is unknown, never free.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use nexus_core::{
    modality::{Modalities, Modality},
    price::{Rate, Rates},
};

const DATA: &str = include_str!("models.txt");

/// What a model can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities(u16);

macro_rules! abilities {
    ($($name:ident, $letter:literal, $bit:literal;)*) => {
        impl Abilities {
            $(pub fn $name(self) -> bool {
                self.0 & (1 << $bit) != 0
            })*

            fn read(letters: &str) -> Option<Self> {
                letters.bytes().try_fold(Self::default(), |found, letter| {
                    let bit = match letter {
                        $($letter => 1 << $bit,)*
                        _ => return None,
                    };
                    Some(Self(found.0 | bit))
                })
            }
        }
    };
}

abilities! {
    tools, b't', 0;
    vision, b'v', 1;
    audio_in, b'a', 2;
    audio_out, b'A', 3;
    reasoning, b'r', 4;
    structured_output, b's', 5;
    prompt_cache, b'c', 6;
    web_search, b'w', 7;
    video_in, b'V', 8;
    image_out, b'I', 9;
}

/// What is known of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// What it is for: `chat`, `embedding`, and so on.
    pub mode: &'static str,
    /// Tokens it takes in at most.
    pub input_max: Option<u64>,
    /// Tokens it gives out at most.
    pub output_max: Option<u64>,
    pub abilities: Abilities,
    /// Absent where only limits and abilities are known.
    pub rates: Option<Arc<Rates>>,
}

impl Model {
    /// What it takes in; `None` where that is not known. What sees is taken to read documents, and what speaks to hear.
    pub fn input(&self) -> Option<Modalities> {
        let can = self.known()?;
        let input = Modalities::NONE.with(Modality::Text).with_if(can.vision(), Modality::Image);
        let input = input
            .with_if(can.vision(), Modality::File)
            .with_if(can.audio_in() || can.audio_out(), Modality::Audio);
        Some(input.with_if(can.video_in(), Modality::Video))
    }

    /// What it gives out; `None` where that is not known.
    pub fn output(&self) -> Option<Modalities> {
        let can = self.known()?;
        let output = Modalities::NONE.with(Modality::Text).with_if(can.audio_out(), Modality::Audio);
        Some(output.with_if(can.image_out(), Modality::Image))
    }

    /// What it can do, where it is a model to talk with of which more is known than its price.
    fn known(&self) -> Option<Abilities> {
        let is_talk = matches!(self.mode, "chat" | "responses");
        (is_talk && self.abilities != Abilities::default()).then_some(self.abilities)
    }
}

/// The model a provider of this kind knows by this name.
pub fn find(kind: &str, name: &str) -> Option<&'static Model> {
    known().get(kind)?.get(name)
}

/// Every model of a kind of provider, in no order.
pub fn of_kind(kind: &str) -> impl Iterator<Item = (&'static str, &'static Model)> {
    known().get(kind).into_iter().flatten().map(|(name, model)| (*name, model))
}

type Known = HashMap<&'static str, HashMap<&'static str, Model>>;

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let mut known = Known::new();
        let mut kind = "";
        for line in DATA.lines().filter(|line| !line.starts_with('#')) {
            match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                Some(next) => kind = next,
                None => {
                    if let Some((name, model)) = read(kind, line) {
                        known.entry(kind).or_default().insert(name, model);
                    }
                }
            }
        }
        known
    })
}

/// `name|mode|input_max|output_max|abilities|rates`
fn read(kind: &'static str, line: &'static str) -> Option<(&'static str, Model)> {
    let mut fields = line.split('|');
    let mut next = || fields.next();
    let (name, mode, input_max, output_max) = (next()?, next()?, next()?, next()?);
    let abilities = Abilities::read(next()?)?;
    let rates = next()?.split_whitespace().map(str::parse::<Rate>).collect::<Result<Vec<_>, _>>().ok()?;
    let rule = || format!("catalogue/{kind}/{name}");
    let rates = (!rates.is_empty()).then(|| Arc::new(Rates::new(rule(), rates, 0)));
    let model = Model {
        mode,
        input_max: input_max.parse().ok(),
        output_max: output_max.parse().ok(),
        abilities,
        rates,
    };
    Some((name, model))
}

#[cfg(test)]
mod tests {
    use nexus_core::{price::Tier, usage::Quantity};

    use super::*;

    #[test]
    fn every_line_is_understood_and_no_model_stands_twice() {
        let lines = DATA.lines().filter(|line| !line.starts_with('#') && !line.starts_with('['));
        let known: usize = known().values().map(HashMap::len).sum();
        assert_eq!(known, lines.count());
        assert!(known > 800, "{known}");
    }

    #[test]
    fn well_known_models_cost_what_their_makers_say() {
        let rate = |kind, name, quantity, tier, prompt| {
            find(kind, name).and_then(|model| model.rates.as_ref()?.rate(quantity, tier, prompt))
        };
        use Quantity::*;
        for (kind, name, quantity, tier, prompt, usd_per_thousand_million) in [
            ("openai", "gpt-4o", Input, Tier::Standard, 0, 2_500),
            ("openai", "gpt-4o", CacheRead, Tier::Standard, 0, 1_250),
            ("openai", "gpt-4o", Output, Tier::Batch, 0, 5_000),
            ("openai", "gpt-4o", Output, Tier::Priority, 0, 17_000),
            ("gemini", "gemini-2.5-pro", Input, Tier::Standard, 200_000, 1_250),
            ("gemini", "gemini-2.5-pro", Input, Tier::Standard, 200_001, 2_500),
            ("azure", "gpt-4o", Output, Tier::Standard, 0, 10_000),
        ] {
            let expected = Some(usd_per_thousand_million * 1_000_000);
            assert_eq!(rate(kind, name, quantity, tier, prompt), expected, "{kind} {name} {quantity:?}");
        }
        let gpt = find("openai", "gpt-4o").unwrap();
        assert!(gpt.abilities.tools() && gpt.abilities.vision() && !gpt.abilities.audio_in());
        assert_eq!((gpt.input_max, gpt.output_max, gpt.mode), (Some(128_000), Some(16_384), "chat"));
        let of = |modalities: &[Modality]| Some(modalities.iter().copied().collect::<Modalities>());
        assert_eq!(gpt.input(), of(&[Modality::Text, Modality::Image, Modality::File]));
        assert_eq!(gpt.output(), of(&[Modality::Text]));
        assert_eq!(find("gemini", "gemini-2.5-pro").unwrap().input(), of(&Modality::ALL));
        assert_eq!(find("openai", "gpt-audio").unwrap().output(), of(&[Modality::Text, Modality::Audio]));
        assert_eq!(find("azure", "eu/gpt-5").unwrap().input(), None, "its price alone is known");
        assert_eq!(find("openai", "text-embedding-3-small").unwrap().input(), None);
        assert!(find("openai", "no-such-model").is_none() && find("none", "gpt-4o").is_none());
        assert!(of_kind("anthropic").count() > 5);
    }
}
