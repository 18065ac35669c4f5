//! What nodes share outside the database: names that tell nothing, and texts that nobody else can write.
//!
//! A text is tagged together with its name, so none can be put in the place of another. That an older one is put
//! back is not seen here.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    crypto::Hs256,
    root::{CryptoFailed, Purpose, RootSecret},
};

const TAG_BYTES: usize = 32;
/// A name is as good as unique with so many bytes.
const NAME_BYTES: usize = 16;

/// Names and tags under `NEXUS_SECRET_KEY`; every node of an installation has the same.
pub struct SharedState(Hs256);

impl SharedState {
    pub fn new(root: &RootSecret) -> Result<Self, CryptoFailed> {
        Ok(Self(Hs256::new(&root.derive(Purpose::SharedState, b"")?)))
    }

    /// What a thing is called where others may read it.
    pub fn name(&self, thing: &str) -> String {
        let digest = self.0.digest(&[b"name\0", thing.as_bytes()].concat());
        URL_SAFE_NO_PAD.encode(digest.first_chunk::<NAME_BYTES>().unwrap_or(&[0; NAME_BYTES]))
    }

    /// A text as it is written down under a name.
    pub fn tag(&self, name: &str, text: &str) -> String {
        format!("{}\n{text}", URL_SAFE_NO_PAD.encode(self.0.digest(&tagged(name, text))))
    }

    /// The text that was written down under this name by one of us.
    pub fn open<'a>(&self, name: &str, written: &'a str) -> Option<&'a str> {
        let (tag, text) = written.split_once('\n')?;
        let mut bytes = [0; TAG_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(tag, &mut bytes).ok()?;
        (length == TAG_BYTES && self.0.is_tag(&tagged(name, text), &bytes)).then_some(text)
    }
}

fn tagged(name: &str, text: &str) -> Vec<u8> {
    [b"text\0", name.as_bytes(), b"\0", text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(root: &str) -> SharedState {
        SharedState::new(&RootSecret::from_text(root).unwrap_or_else(|weak| panic!("{weak}"))).ok().unwrap()
    }

    const OURS: &str = "a root for the tests, 32 bytes or more";

    #[test]
    fn a_text_opens_on_every_node_under_its_own_name_only() {
        let written = shared(OURS).tag("a", "text\nof lines");
        assert_eq!(shared(OURS).open("a", &written), Some("text\nof lines"));
        assert_eq!(shared(OURS).open("b", &written), None);
        assert_eq!(shared("another root for the tests, as long").open("a", &written), None);
        for at in 0..written.len() {
            let mut bytes = written.clone().into_bytes();
            bytes[at] ^= 1;
            let other = String::from_utf8(bytes).unwrap();
            assert_eq!(shared(OURS).open("a", &other), None, "{at}");
        }
        assert_eq!(shared(OURS).open("a", ""), None);
    }

    #[test]
    fn a_name_is_the_same_on_every_node_and_tells_nothing() {
        let name = shared(OURS).name("user ann");
        assert_eq!(name, shared(OURS).name("user ann"));
        assert_ne!(name, shared(OURS).name("user bob"));
        assert!(!name.contains("ann") && name.len() == 22);
    }
}
