//! What an application says of a call, to find it in the ledger again: whom it was for, and tags.
//!
//! Everything is bounded: what is too long or no plain text is left out, never cut into something else.

/// The longest user and the longest tag, in characters.
pub const CHARS_MAX: usize = 64;
/// Tags of one call.
pub const TAGS_MAX: usize = 16;

/// The labels of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// The application's own name of its user.
    pub user: Option<Box<str>>,
    /// Each once, in the order they were said.
    pub tags: Vec<Box<str>>,
}

impl Labels {
    /// For this user, where the name can be kept.
    #[must_use]
    pub fn for_user(self, user: Option<&str>) -> Self {
        Self { user: user.and_then(plain).map(Into::into), ..self }
    }

    /// With another tag; one that cannot be kept changes nothing.
    pub fn tag(&mut self, tag: &str) {
        let Some(tag) = plain(tag).filter(|tag| !tag.contains(',')) else { return };
        if self.tags.len() < TAGS_MAX && self.tags.iter().all(|known| **known != *tag) {
            self.tags.push(tag.into());
        }
    }

    /// With the tags of a list with commas in between.
    pub fn tag_each(&mut self, list: &str) {
        // more than this are not looked at
        list.split(',').take(TAGS_MAX.saturating_mul(2)).for_each(|tag| self.tag(tag));
    }
}

/// The text without spaces around it, if it can be a label.
fn plain(text: &str) -> Option<&str> {
    let text = text.trim();
    let fits =
        !text.is_empty() && text.chars().nth(CHARS_MAX).is_none() && !text.chars().any(char::is_control);
    fits.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_kept_whole_and_once_or_not_at_all() {
        let long = "x".repeat(CHARS_MAX + 1);
        let mut labels = Labels::default().for_user(Some(" ada "));
        labels.tag_each(&format!("cost:7, red ,,red,a\tb,{long}"));
        labels.tag("one, two");
        assert_eq!(labels.user.as_deref(), Some("ada"));
        assert_eq!(labels.tags, ["cost:7".into(), "red".into()] as [Box<str>; 2]);
        assert_eq!(Labels::default().for_user(Some(&long)).user, None);
        assert_eq!(Labels::default().for_user(Some("\n")).user, None);
        let many: Vec<String> = (0..99).map(|number| number.to_string()).collect();
        labels.tag_each(&many.join(","));
        assert_eq!(labels.tags.len(), TAGS_MAX);
    }
}
