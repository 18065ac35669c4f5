//! What a model takes in and gives out.

/// A form of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Modality {
    Text,
    Image,
    Audio,
    Video,
    /// A document, such as a PDF.
    File,
}

impl Modality {
    pub const ALL: [Modality; 5] =
        [Modality::Text, Modality::Image, Modality::Audio, Modality::Video, Modality::File];

    /// The word in rows, requests and settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Modality::Text => "text",
            Modality::Image => "image",
            Modality::Audio => "audio",
            Modality::Video => "video",
            Modality::File => "file",
        }
    }

    /// The inverse of [`Modality::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        Modality::ALL.into_iter().find(|modality| modality.as_str() == word)
    }

    fn bit(self) -> u8 {
        match self {
            Modality::Text => 1,
            Modality::Image => 2,
            Modality::Audio => 4,
            Modality::Video => 8,
            Modality::File => 16,
        }
    }
}

/// A set of modalities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modalities(u8);

impl Modalities {
    pub const NONE: Modalities = Modalities(0);

    pub fn has(self, modality: Modality) -> bool {
        self.0 & modality.bit() != 0
    }

    pub fn with(self, modality: Modality) -> Self {
        Self(self.0 | modality.bit())
    }

    /// With this one where that holds.
    pub fn with_if(self, holds: bool, modality: Modality) -> Self {
        if holds { self.with(modality) } else { self }
    }

    pub fn iter(self) -> impl Iterator<Item = Modality> {
        Modality::ALL.into_iter().filter(move |modality| self.has(*modality))
    }

    /// The first of these that `others` lack.
    pub fn lacking_in(self, others: Self) -> Option<Modality> {
        Modality::ALL.into_iter().find(|modality| self.has(*modality) && !others.has(*modality))
    }
}

impl FromIterator<Modality> for Modalities {
    fn from_iter<I: IntoIterator<Item = Modality>>(modalities: I) -> Self {
        modalities.into_iter().fold(Self::NONE, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_modality_has_a_word_and_a_bit_of_its_own() {
        let mut seen = Modalities::NONE;
        for modality in Modality::ALL {
            assert_eq!(Modality::from_word(modality.as_str()), Some(modality));
            assert!(!seen.has(modality));
            seen = seen.with(modality);
        }
        assert_eq!(seen.iter().count(), Modality::ALL.len());
        assert_eq!(Modality::from_word("smell"), None);
        let text = Modalities::NONE.with(Modality::Text);
        assert_eq!((seen.lacking_in(text), text.lacking_in(seen)), (Some(Modality::Image), None));
    }
}
