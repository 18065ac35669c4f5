"""OpenAI's Agents SDK: a loop with a tool, by responses and by chats."""

import unittest

from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
from gateway import ALIAS, KEY, URL
from openai import AsyncOpenAI


class Agents(unittest.IsolatedAsyncioTestCase):
    async def test_an_agent_calls_its_tool_and_answers(self):
        set_tracing_disabled(True)
        for kind in [OpenAIResponsesModel, OpenAIChatCompletionsModel]:
            with self.subTest(kind.__name__):
                called = []

                @function_tool
                def weather(city: str) -> str:
                    """The weather of a city."""
                    called.append(city)
                    return "sunny"

                client = AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
                agent = Agent(name="clerk", tools=[weather], model=kind(model=ALIAS, openai_client=client))
                answer = await Runner.run(agent, "weather in Lisbon?")
                self.assertEqual(len(called), 1)
                self.assertTrue(answer.final_output)
                streamed = Runner.run_streamed(agent, "weather in Lisbon?")
                kinds = [event.type async for event in streamed.stream_events()]
                self.assertIn("raw_response_event", kinds)
                self.assertTrue(streamed.final_output)
