//! What the suites of the tongues share: how a request of one is read, and what its client is told.

use std::fmt::Write;

use bytes::{Bytes, BytesMut};
use nexus_providers::tongue::{Address, Kept, Terms, Told, Tongue, Words};
use nexus_wire::chat::{BodyError, ChatRequest};

use crate::drive;

/// What the gateway knows of a request when it tells the answer.
pub fn told(sent: &[u8]) -> Told {
    Told {
        request: drive::REQUEST,
        alias: drive::ALIAS.to_owned(),
        asked_at_s: drive::ASKED_AT_S,
        sent: Bytes::copy_from_slice(sent),
        address: Address::default(),
        kept: Kept::default(),
    }
}

/// What a client is told of the pieces of a stream.
pub fn spoken(tongue: &dyn Tongue, told: &Told, words: Words, pieces: &[&[u8]]) -> String {
    let mut speaker = tongue.speaker(told, words);
    let mut out = BytesMut::new();
    pieces.iter().for_each(|piece| speaker.feed(piece, &mut out));
    String::from_utf8(out.to_vec()).unwrap()
}

/// The chat that a request becomes in plain terms, and where those say more in the others.
pub fn as_chats(tongue: &dyn Tongue, address: &Address, body: &[u8]) -> String {
    let read = |terms| {
        let retold = tongue.read(address, body, terms)?;
        ChatRequest::read(&retold.chat)?;
        Ok(retold)
    };
    let [plain, thoughts, full] = match [Terms::Plain, Terms::Thoughts, Terms::Full].map(read) {
        [Ok(plain), Ok(thoughts), Ok(full)] => [plain, thoughts, full],
        [Err(error), ..] => {
            let error: BodyError = error;
            return format!("refused: {}: {}", error.param.as_deref().unwrap_or("-"), error.message);
        }
        _ => panic!("what is taken in plain terms is taken in full"),
    };
    let mut seen = String::from_utf8(plain.chat.to_vec()).unwrap();
    for (name, other) in [("thoughts", &thoughts), ("full", &full)] {
        if other.chat != plain.chat {
            assert!(plain.has_more, "it is said that there is more");
            write!(seen, "\n== {name}\n{}", str::from_utf8(&other.chat).unwrap()).unwrap();
        }
    }
    if let Some(unsayable) = plain.unsayable {
        write!(seen, "\n== cannot be said: {}: {}", unsayable.param, unsayable.message).unwrap();
    }
    seen
}
