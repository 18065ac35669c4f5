"""Pydantic AI: an agent with a tool, in each tongue that it speaks."""

import unittest

from gateway import ALIAS, KEY, URL
from pydantic_ai import Agent
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider


def models():
    openai = OpenAIProvider(base_url=f"{URL}/v1", api_key=KEY)
    yield OpenAIChatModel(ALIAS, provider=openai)
    yield OpenAIResponsesModel(ALIAS, provider=openai)
    yield GoogleModel(ALIAS, provider=GoogleProvider(base_url=URL, api_key=KEY))


class PydanticAi(unittest.TestCase):
    def test_an_agent_calls_its_tool_and_answers(self):
        for model in models():
            with self.subTest(type(model).__name__):
                called = []
                agent = Agent(model)

                @agent.tool_plain
                def weather(city: str) -> str:
                    """The weather of a city."""
                    called.append(city)
                    return "sunny"

                answer = agent.run_sync("weather in Lisbon?")
                self.assertEqual(len(called), 1)
                self.assertTrue(answer.output)
