//! What a request needs and whence it comes, and what a target can do and takes.
//!
//! A target that says nothing of itself is offered everything; one that does is never offered what it
//! cannot do.

use std::fmt;

use crate::{
    capabilities::Capabilities,
    id::TeamId,
    modality::{Modalities, Modality},
};

/// Something a model can or cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ability {
    /// Calls the functions it is given.
    Tools,
    /// Sees images.
    Vision,
    /// Hears or speaks.
    Audio,
    /// Answers in JSON of a given schema.
    JsonSchema,
}

impl Ability {
    pub const ALL: [Ability; 4] = [Ability::Tools, Ability::Vision, Ability::Audio, Ability::JsonSchema];

    /// The word in rows, requests and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Ability::Tools => "tools",
            Ability::Vision => "vision",
            Ability::Audio => "audio",
            Ability::JsonSchema => "json_schema",
        }
    }

    /// The inverse of [`Ability::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        Ability::ALL.into_iter().find(|ability| ability.as_str() == word)
    }

    fn bit(self) -> u8 {
        match self {
            Ability::Tools => 1,
            Ability::Vision => 2,
            Ability::Audio => 4,
            Ability::JsonSchema => 8,
        }
    }
}

/// A set of abilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities(u8);

impl Abilities {
    pub fn has(self, ability: Ability) -> bool {
        self.0 & ability.bit() != 0
    }

    pub fn with(self, ability: Ability) -> Self {
        Self(self.0 | ability.bit())
    }

    pub fn iter(self) -> impl Iterator<Item = Ability> {
        Ability::ALL.into_iter().filter(move |ability| self.has(*ability))
    }

    /// The first of these that `others` lack.
    fn lacking_in(self, others: Self) -> Option<Ability> {
        Ability::ALL.into_iter().find(|ability| self.has(*ability) && !others.has(*ability))
    }
}

impl FromIterator<Ability> for Abilities {
    fn from_iter<I: IntoIterator<Item = Ability>>(abilities: I) -> Self {
        abilities.into_iter().fold(Self::default(), Self::with)
    }
}

/// How the headers of a request are looked up, by name in lower case.
pub trait HeaderLookup {
    fn header(&self, name: &str) -> Option<&str>;
}

impl HeaderLookup for Vec<(&str, &str)> {
    fn header(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

/// What a request needs, and whence it comes.
#[derive(Clone, Copy)]
pub struct Need<'a> {
    pub abilities: Abilities,
    /// What it bears beside text, and what it wants to be answered in beside text.
    pub input: Modalities,
    pub output: Modalities,
    /// Roughly.
    pub input_tokens: u64,
    /// The most that may be answered, where the request says.
    pub output_tokens: Option<u64>,
    pub team: Option<TeamId>,
    /// With commas in between, as the request bears them.
    pub tags: &'a str,
    pub headers: Option<&'a dyn HeaderLookup>,
}

/// Tokens an answer has, where the request does not say.
pub const OUTPUT_TOKENS: u64 = 512;

impl Need<'_> {
    /// What it will use of everything that is limited by tokens, roughly: the prompt, and the most that may be
    /// answered.
    pub fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens.unwrap_or(OUTPUT_TOKENS))
    }

    /// A request that needs nothing and comes from nowhere.
    pub const NOTHING: Need<'static> = Need {
        abilities: Abilities(0),
        input: Modalities::NONE,
        output: Modalities::NONE,
        input_tokens: 0,
        output_tokens: None,
        team: None,
        tags: "",
        headers: None,
    };
}

impl fmt::Debug for Need<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Need").field("input_tokens", &self.input_tokens).finish_non_exhaustive()
    }
}

/// What a target can do, and which requests it is there for. `None` and empty set no bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fit {
    pub abilities: Option<Abilities>,
    /// Prompt and answer together.
    pub context_tokens: Option<u64>,
    pub min_input_tokens: Option<u64>,
    pub max_input_tokens: Option<u64>,
    pub teams: Vec<TeamId>,
    /// One of these must be among the request's.
    pub tags: Vec<Box<str>>,
    /// Each must be there with this value; names are in lower case.
    pub headers: Vec<(Box<str>, Box<str>)>,
}

/// Why a target is not for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    Lacks(Ability),
    /// It does not take this in.
    TakesNo(Modality),
    /// It does not give this out.
    GivesNo(Modality),
    ContextTooShort,
    InputTooSmall,
    InputTooLarge,
    OtherTeams,
    OtherTags,
    OtherHeaders,
}

impl Unfit {
    /// The word in explanations.
    pub fn as_str(self) -> &'static str {
        match self {
            Unfit::Lacks(Ability::Tools) => "lacks_tools",
            Unfit::Lacks(Ability::Vision) => "lacks_vision",
            Unfit::Lacks(Ability::Audio) => "lacks_audio",
            Unfit::Lacks(Ability::JsonSchema) => "lacks_json_schema",
            Unfit::TakesNo(Modality::Text) => "takes_no_text",
            Unfit::TakesNo(Modality::Image) => "takes_no_image",
            Unfit::TakesNo(Modality::Audio) => "takes_no_audio",
            Unfit::TakesNo(Modality::Video) => "takes_no_video",
            Unfit::TakesNo(Modality::File) => "takes_no_file",
            Unfit::GivesNo(Modality::Text) => "gives_no_text",
            Unfit::GivesNo(Modality::Image) => "gives_no_image",
            Unfit::GivesNo(Modality::Audio) => "gives_no_audio",
            Unfit::GivesNo(Modality::Video) => "gives_no_video",
            Unfit::GivesNo(Modality::File) => "gives_no_file",
            Unfit::ContextTooShort => "context_too_short",
            Unfit::InputTooSmall => "input_too_small",
            Unfit::InputTooLarge => "input_too_large",
            Unfit::OtherTeams => "other_teams",
            Unfit::OtherTags => "other_tags",
            Unfit::OtherHeaders => "other_headers",
        }
    }
}

impl Capabilities {
    /// Whether what a request bears is taken in, and what it wants is given out.
    pub fn take(&self, need: &Need<'_>) -> Result<(), Unfit> {
        if let Some(lacking) = self.input.and_then(|input| need.input.lacking_in(input)) {
            return Err(Unfit::TakesNo(lacking));
        }
        match self.output.and_then(|output| need.output.lacking_in(output)) {
            Some(lacking) => Err(Unfit::GivesNo(lacking)),
            None => Ok(()),
        }
    }
}

impl Fit {
    /// Whether a request is for this target.
    pub fn take(&self, need: &Need<'_>) -> Result<(), Unfit> {
        if let Some(lacking) = self.abilities.and_then(|abilities| need.abilities.lacking_in(abilities)) {
            return Err(Unfit::Lacks(lacking));
        }
        let whole = need.input_tokens.saturating_add(need.output_tokens.unwrap_or_default());
        if self.context_tokens.is_some_and(|most| whole > most) {
            return Err(Unfit::ContextTooShort);
        }
        if self.min_input_tokens.is_some_and(|least| need.input_tokens < least) {
            return Err(Unfit::InputTooSmall);
        }
        if self.max_input_tokens.is_some_and(|most| need.input_tokens > most) {
            return Err(Unfit::InputTooLarge);
        }
        if !self.teams.is_empty() && !need.team.is_some_and(|team| self.teams.contains(&team)) {
            return Err(Unfit::OtherTeams);
        }
        let mut tags = need.tags.split(',').map(str::trim);
        if !self.tags.is_empty() && !tags.any(|tag| self.tags.iter().any(|own| **own == *tag)) {
            return Err(Unfit::OtherTags);
        }
        let shows = |(name, value): &(Box<str>, Box<str>)| {
            need.headers.and_then(|headers| headers.header(name)) == Some(&**value)
        };
        if self.headers.iter().all(shows) { Ok(()) } else { Err(Unfit::OtherHeaders) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Uuid;

    const TEAM: TeamId = TeamId(Uuid::from_u128(1));

    #[test]
    fn a_target_takes_what_it_can_do_and_is_there_for() {
        let headers = vec![("x-other", "1"), ("x-plan", "gold")];
        let need = Need {
            abilities: [Ability::Tools, Ability::Vision].into_iter().collect(),
            input: Modalities::NONE,
            output: Modalities::NONE,
            input_tokens: 1000,
            output_tokens: Some(500),
            team: Some(TEAM),
            tags: "batch, night",
            headers: Some(&headers),
        };
        let can = |abilities: &[Ability]| Some(abilities.iter().copied().collect());
        let fit = Fit::default;
        let header = |value: &str| vec![("x-plan".into(), value.into())];
        for (fit, expected) in [
            (fit(), Ok(())),
            (Fit { abilities: can(&[Ability::Vision, Ability::Tools]), ..fit() }, Ok(())),
            (Fit { abilities: can(&[Ability::Tools]), ..fit() }, Err(Unfit::Lacks(Ability::Vision))),
            (Fit { abilities: can(&[]), ..fit() }, Err(Unfit::Lacks(Ability::Tools))),
            (Fit { context_tokens: Some(1500), ..fit() }, Ok(())),
            (Fit { context_tokens: Some(1499), ..fit() }, Err(Unfit::ContextTooShort)),
            (Fit { min_input_tokens: Some(1001), ..fit() }, Err(Unfit::InputTooSmall)),
            (Fit { max_input_tokens: Some(999), ..fit() }, Err(Unfit::InputTooLarge)),
            (Fit { teams: vec![TEAM], ..fit() }, Ok(())),
            (Fit { teams: vec![TeamId(Uuid::from_u128(2))], ..fit() }, Err(Unfit::OtherTeams)),
            (Fit { tags: vec!["night".into()], ..fit() }, Ok(())),
            (Fit { tags: vec!["day".into()], ..fit() }, Err(Unfit::OtherTags)),
            (Fit { headers: header("gold"), ..fit() }, Ok(())),
            (Fit { headers: header("tin"), ..fit() }, Err(Unfit::OtherHeaders)),
        ] {
            assert_eq!(fit.take(&need), expected, "{fit:?}");
        }
    }

    #[test]
    fn a_model_takes_what_is_known_of_it_and_everything_where_nothing_is_known() {
        let of = |modalities: &[Modality]| modalities.iter().copied().collect::<Modalities>();
        let need = Need {
            input: of(&[Modality::Image, Modality::File]),
            output: of(&[Modality::Audio]),
            ..Need::NOTHING
        };
        let all = of(&Modality::ALL);
        let said = |input, output| Capabilities { input, output, ..Capabilities::default() };
        for (said, expected) in [
            (said(None, None), Ok(())),
            (said(Some(all), Some(all)), Ok(())),
            (said(Some(of(&[Modality::Text])), None), Err(Unfit::TakesNo(Modality::Image))),
            (said(Some(of(&[Modality::Image])), None), Err(Unfit::TakesNo(Modality::File))),
            (said(Some(all), Some(of(&[Modality::Text]))), Err(Unfit::GivesNo(Modality::Audio))),
        ] {
            assert_eq!(said.take(&need), expected, "{said:?}");
            assert_eq!(said.take(&Need::NOTHING), Ok(()));
        }
        for modality in Modality::ALL {
            let word = modality.as_str();
            assert_eq!(Unfit::TakesNo(modality).as_str(), format!("takes_no_{word}"));
            assert_eq!(Unfit::GivesNo(modality).as_str(), format!("gives_no_{word}"));
        }
    }

    #[test]
    fn every_ability_has_a_word_and_a_bit_of_its_own() {
        let mut seen = Abilities::default();
        for ability in Ability::ALL {
            assert_eq!(Ability::from_word(ability.as_str()), Some(ability));
            assert!(!seen.has(ability));
            seen = seen.with(ability);
            assert!(Unfit::Lacks(ability).as_str().ends_with(ability.as_str()));
        }
        assert_eq!(seen.iter().count(), Ability::ALL.len());
    }
}
