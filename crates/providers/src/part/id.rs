//! The id of an answer in OpenAI's form: the vendor's own inside, else one made of the request's, which no two
//! answers share.

use std::fmt;

use nexus_core::id::RequestId;

const BEGINS: &str = "chatcmpl-";

/// The id of an answer that its vendor calls so; empty where it gives it no name.
pub(crate) fn of_answer(said: &str, request: RequestId) -> String {
    if said.is_empty() { Made(request).to_string() } else { format!("{BEGINS}{said}") }
}

/// The id of an answer that its vendor gave none; of letters, digits and hyphens.
#[derive(Clone, Copy)]
pub(crate) struct Made(pub(crate) RequestId);

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{BEGINS}{}", self.0.0.simple())
    }
}

#[cfg(test)]
mod tests {
    use nexus_core::id::Uuid;

    use super::*;

    #[test]
    fn an_answer_keeps_its_vendor_s_id_and_else_gets_one_of_its_request() {
        let request = RequestId(Uuid::from_u128(7));
        assert_eq!(of_answer("msg_1", request), "chatcmpl-msg_1");
        assert_eq!(of_answer("", request), "chatcmpl-00000000000000000000000000000007");
    }
}
