"""LlamaIndex, by its class for whatever is like OpenAI."""

import os
import unittest

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike

URL, KEY, ALIAS = os.environ["NEXUS_URL"], os.environ["NEXUS_KEY"], "nexus-gpt4"


def weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


def model():
    return OpenAILike(
        model=ALIAS,
        api_base=f"{URL}/v1",
        api_key=KEY,
        is_chat_model=True,
        is_function_calling_model=True,
        max_retries=0,
    )


class LlamaIndex(unittest.TestCase):
    def test_words_come_whole_and_streamed(self):
        asked = [ChatMessage(role="user", content="hello")]
        self.assertIn("hello", model().chat(asked).message.content)
        pieces = [piece.delta or "" for piece in model().stream_chat(asked)]
        self.assertIn("hello", "".join(pieces))

    def test_a_tool_is_called(self):
        made = model().predict_and_call([FunctionTool.from_defaults(weather)], "weather in Lisbon?")
        self.assertIn("sunny", str(made))
