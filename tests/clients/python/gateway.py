"""What every client here shares: where the gateway is, and what it is asked."""

import os

URL = os.environ["NEXUS_URL"]
KEY = os.environ["NEXUS_KEY"]
ALIAS = "nexus-gpt4"
EMBEDDER = "embedder"

# nobody is told of these runs
os.environ.update(
    OPENAI_AGENTS_DISABLE_TRACING="1",
    LANGCHAIN_TRACING_V2="false",
    LANGSMITH_TRACING="false",
    OTEL_SDK_DISABLED="true",
)
