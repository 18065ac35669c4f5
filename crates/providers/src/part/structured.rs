//! An answer bound to a form, where a vendor has no word for it.
//!
//! The model must call the tool [`ANSWER_TOOL`] whose arguments are the answer. A dialect remembers
//! nothing, so the name alone tells the answer from a call: no caller may have a tool of that name.

use std::borrow::Cow;

use nexus_wire::conversation::{members::Wrong, tool::Tool};

pub(crate) const ANSWER_TOOL: &str = "nexus_structured_answer";

const ANSWER_TOOL_IS_FOR: &str = "Give the final answer with this tool, and only with it.";

/// For `json_object`.
pub(crate) const JSON_INSTRUCTION: &str = "Answer with one JSON object and nothing before or after it.";

/// Refuses a caller's tool of the name that is kept for the answer.
pub(crate) fn check_names(tools: &[Tool<'_>]) -> Result<(), Wrong> {
    match tools.iter().position(|tool| tool.name == ANSWER_TOOL) {
        Some(at) => {
            Err(Wrong::new(format!("tools[{at}].function.name"), "a name the gateway does not use itself"))
        }
        None => Ok(()),
    }
}

/// The tool's description, with the schema's own where it has one.
pub(crate) fn answer_tool_is_for(own: Option<&str>) -> Cow<'static, str> {
    own.map_or(Cow::Borrowed(ANSWER_TOOL_IS_FOR), |own| Cow::Owned(format!("{ANSWER_TOOL_IS_FOR} {own}")))
}
