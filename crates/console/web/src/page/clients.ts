// How clients are told where the gateway is: a snippet for each, with the viewer's own base URL.

/** Where the gateway is, as the viewer reaches it, and a model to begin with. */
export interface Place {
  origin: string;
  model: string;
}

export interface Client {
  /** In the URL. */
  id: string;
  name: string;
  /** What is to be installed first. */
  install?: string;
  /** The file the snippet belongs in, where it does in one. */
  file?: string;
  snippet: (place: Place) => string;
}

export const CLIENTS: readonly Client[] = [
  {
    id: "curl",
    name: "curl",
    snippet: ({ origin, model }) => `curl ${origin}/v1/chat/completions \\
  -H "Authorization: Bearer $NEXUS_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "hello"}]}'`,
  },
  {
    id: "openai-python",
    name: "OpenAI SDK, Python",
    install: "pip install openai",
    snippet: ({ origin, model }) => `import os
from openai import OpenAI

client = OpenAI(base_url="${origin}/v1", api_key=os.environ["NEXUS_KEY"])
answer = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "hello"}],
)
print(answer.choices[0].message.content)`,
  },
  {
    id: "openai-node",
    name: "OpenAI SDK, Node",
    install: "npm install openai",
    snippet: ({ origin, model }) => `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${origin}/v1", apiKey: process.env.NEXUS_KEY });
const answer = await client.chat.completions.create({
  model: "${model}",
  messages: [{ role: "user", content: "hello" }],
});
console.log(answer.choices[0].message.content);`,
  },
  {
    id: "anthropic-python",
    name: "Anthropic SDK, Python",
    install: "pip install anthropic",
    snippet: ({ origin, model }) => `import os
import anthropic

client = anthropic.Anthropic(base_url="${origin}", api_key=os.environ["NEXUS_KEY"])
answer = client.messages.create(
    model="${model}",
    max_tokens=200,
    messages=[{"role": "user", "content": "hello"}],
)
print(answer.content[0].text)`,
  },
  {
    id: "langchain",
    name: "LangChain",
    install: "pip install langchain-openai",
    snippet: ({ origin, model }) => `import os
from langchain_openai import ChatOpenAI

llm = ChatOpenAI(model="${model}", base_url="${origin}/v1", api_key=os.environ["NEXUS_KEY"])
print(llm.invoke("hello").content)`,
  },
  {
    id: "vercel-ai",
    name: "Vercel AI SDK",
    install: "npm install ai @ai-sdk/openai-compatible",
    snippet: ({ origin, model }) => `import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText } from "ai";

const nexus = createOpenAICompatible({
  name: "nexus",
  baseURL: "${origin}/v1",
  apiKey: process.env.NEXUS_KEY,
});
const { text } = await generateText({ model: nexus("${model}"), prompt: "hello" });
console.log(text);`,
  },
  {
    id: "codex",
    name: "Codex",
    install: "npm install -g @openai/codex",
    file: "~/.codex/config.toml",
    snippet: ({ origin, model }) => `model = "${model}"
model_provider = "nexus"

[model_providers.nexus]
name = "NexusAI"
base_url = "${origin}/v1"
env_key = "NEXUS_KEY"
wire_api = "responses"`,
  },
  {
    id: "claude-code",
    name: "Claude Code",
    install: "npm install -g @anthropic-ai/claude-code",
    snippet: ({ origin, model }) => `export ANTHROPIC_BASE_URL="${origin}"
export ANTHROPIC_AUTH_TOKEN="$NEXUS_KEY"
export ANTHROPIC_MODEL="${model}"
claude`,
  },
  {
    id: "open-webui",
    name: "Open WebUI",
    snippet: ({ origin }) => `docker run -d -p 3000:8080 \\
  -e OPENAI_API_BASE_URL="${origin}/v1" \\
  -e OPENAI_API_KEY="$NEXUS_KEY" \\
  -v open-webui:/app/backend/data \\
  ghcr.io/open-webui/open-webui:main`,
  },
  {
    id: "cherry-studio",
    name: "Cherry Studio",
    snippet: ({ origin, model }) => `Settings → Model Provider → Add
  Provider type  OpenAI
  API key        $NEXUS_KEY
  API host       ${origin}
  Model          ${model}`,
  },
];
