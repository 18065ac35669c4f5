//! The dialects that the mock provider speaks, and what cannot be said in each: the suites run once behind each.
//! What a dialect lacks must end in the documented 400, and the suites assert that too.

/// One way to put the mock provider behind the suites' aliases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    /// The kind of the provider.
    pub(crate) kind: &'static str,
    /// The path of its endpoint at the mock.
    pub(crate) base: &'static str,
    /// Features of the suites that cannot be said in it; the suites know them by these words.
    pub(crate) lacks: &'static [&'static str],
}

/// OpenAI's own, which lacks nothing.
pub(crate) const OPENAI: Dialect = Dialect { kind: "custom", base: "/v1", lacks: &[] };

pub(crate) const DIALECTS: &[Dialect] = &[
    OPENAI,
    Dialect { kind: "azure", base: "", lacks: &[] },
    Dialect { kind: "anthropic", base: "/v1", lacks: &["choices", "embeddings"] },
    Dialect { kind: "gemini", base: "/v1beta", lacks: &[] },
    Dialect { kind: "cohere", base: "/v2", lacks: &["choices"] },
    Dialect { kind: "ollama-native", base: "", lacks: &["choices"] },
];
