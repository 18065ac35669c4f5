//! What other vendors gave out to be sent back unchanged, in the place that Google has for such: the `thoughtSignature` of
//! a part that is a thought. Clients take it for base64.

use nexus_wire::base64;

use crate::part::object::Object;

/// What stands before such a block, as JSON; Google's own signatures do not begin so.
const SEALED_THOUGHT: &[u8] = b"nexus.thought.";

/// A thought's seal, without its words.
pub(super) fn of_thought(signature: &str) -> String {
    sealed(&Object::of("thinking").text("signature", signature).done())
}

/// A thought that only its vendor can read.
pub(super) fn of_redacted(data: &str) -> String {
    sealed(&Object::of("redacted_thinking").text("data", data).done())
}

fn sealed(block: &str) -> String {
    base64::encode(&[SEALED_THOUGHT, block.as_bytes()].concat())
}

/// The block that was sealed; `None` where Google sealed it, or nobody.
pub(super) fn block(signature: &str) -> Option<String> {
    let bytes = base64::decode(signature)?;
    String::from_utf8(bytes.strip_prefix(SEALED_THOUGHT)?.to_vec()).ok()
}
