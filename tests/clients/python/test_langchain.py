"""LangChain: words, a tool, a schema, a stream, vectors."""

import unittest

from gateway import ALIAS, EMBEDDER, KEY, URL
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel


class City(BaseModel):
    """A city."""

    name: str


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


def model(**options):
    return ChatOpenAI(base_url=f"{URL}/v1", api_key=KEY, model=ALIAS, max_retries=0, timeout=30, **options)


class LangChain(unittest.TestCase):
    def test_words_come_whole_and_streamed(self):
        self.assertIn("hello", model().invoke("hello").content)
        self.assertIn("hello", "".join(chunk.content for chunk in model().stream("hello")))

    def test_words_come_as_a_response(self):
        self.assertIn("hello", model(use_responses_api=True).invoke("hello").text)

    def test_a_tool_is_called_and_its_result_taken(self):
        messages = [HumanMessage("weather in Lisbon?")]
        bound = model().bind_tools([weather])
        asked = bound.invoke(messages)
        call = asked.tool_calls[0]
        self.assertEqual(call["name"], "weather")
        messages += [asked, ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"])]
        self.assertTrue(bound.invoke(messages).content)

    def test_a_schema_is_answered_with(self):
        self.assertIsInstance(model().with_structured_output(City).invoke("a city"), City)

    def test_vectors_come(self):
        made = OpenAIEmbeddings(
            base_url=f"{URL}/v1", api_key=KEY, model=EMBEDDER, check_embedding_ctx_length=False
        ).embed_documents(["a", "b"])
        self.assertEqual(len(made), 2)
