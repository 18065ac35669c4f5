//! The dialects that the mock provider speaks, and what cannot be said in each: the suites run once behind each.
//! What a dialect lacks must end in the documented 400, and the suites assert that too.

/// One way to put the mock provider behind the suites' aliases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    /// The kind of the provider.
    pub(crate) kind: &'static str,
    /// The path of its endpoint at the mock.
    pub(crate) base: &'static str,
    /// What the mock is shown, as it stands in the configuration.
    pub(crate) key: &'static str,
    /// The provider's options, as they stand in the configuration; `{mock}` is the mock's host and port.
    pub(crate) options: &'static str,
    /// The model that makes embeddings.
    pub(crate) embedder: &'static str,
    /// Features of the suites that cannot be said in it, or that the mock does not have; the suites know them by these
    /// words.
    pub(crate) lacks: &'static [&'static str],
}

/// OpenAI's own, which lacks nothing.
pub(crate) const OPENAI: Dialect = Dialect {
    kind: "custom",
    base: "/v1",
    key: "mock-provider-key",
    options: "{}",
    embedder: "mock-gpt",
    lacks: &[],
};

/// The access key whose signatures the mock verifies.
const AWS_KEY: &str =
    r#"{"access_key_id":"AKIAMOCKMOCKMOCKMOCK","secret_access_key":"mock/secret+of/an/access+key"}"#;

/// The service account whose assertions the mock verifies.
const GOOGLE_ACCOUNT: &str = include_str!("../../../crates/testkit/src/mock/token/service_account.json");

pub(crate) const DIALECTS: &[Dialect] = &[
    OPENAI,
    // responses go to its own, which the mock does not have
    Dialect { kind: "azure", base: "", lacks: &["responses"], ..OPENAI },
    Dialect { kind: "anthropic", lacks: &["choices", "embeddings"], ..OPENAI },
    Dialect { kind: "gemini", base: "/v1beta", ..OPENAI },
    Dialect {
        kind: "vertex",
        key: GOOGLE_ACCOUNT,
        options: "{ project: mock-project, region: europe-west4, token_endpoint: \"http://{mock}/token\" }",
        ..OPENAI
    },
    Dialect {
        kind: "bedrock",
        base: "",
        key: AWS_KEY,
        options: "{ region: eu-west-1 }",
        // by its name it is known in which words it is asked
        embedder: "amazon.titan-embed-text-v2:0",
        lacks: &["choices"],
    },
    Dialect { kind: "cohere", base: "/v2", lacks: &["choices"], ..OPENAI },
    Dialect { kind: "ollama-native", base: "", lacks: &["choices", "forced_tools"], ..OPENAI },
];
