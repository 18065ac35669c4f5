"""Whole answers: text, tools, structured output, models."""

import json
import unittest

from openai import AsyncOpenAI
from pydantic import BaseModel

from gateway import ALIAS, HELLO, KEY, URL, client, needs

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


class City(BaseModel):
    name: str
    population: int


class Chat(unittest.TestCase):
    def test_the_answer_says_what_was_asked_under_the_alias(self):
        for prompt in ["hello", "你好，世界", "🙂 \u0000 \"quoted\" \\ \n line"]:
            with self.subTest(prompt=prompt):
                messages = [{"role": "user", "content": prompt}]
                answer = client().chat.completions.create(model=ALIAS, messages=messages)
                self.assertEqual(answer.model, ALIAS)
                self.assertEqual(answer.object, "chat.completion")
                self.assertIn(prompt, answer.choices[0].message.content)
                self.assertEqual(answer.choices[0].finish_reason, "stop")
                usage = answer.usage
                self.assertGreater(usage.prompt_tokens, 0)
                self.assertEqual(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)

    @needs("choices", "n")
    def test_several_choices_and_a_limit_are_honoured(self):
        answer = client().chat.completions.create(model=ALIAS, messages=HELLO, n=2, max_completion_tokens=2)
        self.assertEqual([choice.index for choice in answer.choices], [0, 1])
        self.assertEqual({choice.finish_reason for choice in answer.choices}, {"length"})

    def test_a_tool_is_called_and_its_result_taken(self):
        messages = [{"role": "user", "content": "weather in Lisbon?"}]
        asked = client().chat.completions.create(model=ALIAS, messages=messages, tools=[WEATHER])
        self.assertEqual(asked.choices[0].finish_reason, "tool_calls")
        call = asked.choices[0].message.tool_calls[0]
        self.assertEqual(call.function.name, "weather")
        self.assertIn("city", json.loads(call.function.arguments))
        messages.append(asked.choices[0].message)
        messages.append({"role": "tool", "tool_call_id": call.id, "content": "sunny"})
        answer = client().chat.completions.create(model=ALIAS, messages=messages, tools=[WEATHER])
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertTrue(answer.choices[0].message.content)

    def test_a_structured_answer_is_parsed(self):
        answer = client().chat.completions.parse(model=ALIAS, messages=HELLO, response_format=City)
        self.assertIsInstance(answer.choices[0].message.parsed, City)
        self.assertEqual(answer.model, ALIAS)

    def test_a_raw_answer_carries_a_request_id(self):
        raw = client().chat.completions.with_raw_response.create(model=ALIAS, messages=HELLO)
        self.assertTrue(raw.headers["x-request-id"])
        self.assertEqual(raw.parse()._request_id, raw.headers["x-request-id"])

    def test_an_answer_without_usage_is_still_an_answer(self):
        answer = client().chat.completions.create(model="no-usage", messages=HELLO)
        self.assertIn("hello", answer.choices[0].message.content)


class Models(unittest.TestCase):
    def test_the_aliases_are_listed_and_found_one_by_one(self):
        listed = {model.id for model in client().models.list()}
        self.assertIn(ALIAS, listed)
        found = client().models.retrieve(ALIAS)
        self.assertEqual((found.id, found.object), (ALIAS, "model"))


class Async(unittest.IsolatedAsyncioTestCase):
    async def test_the_async_client_is_answered_whole_and_streamed(self):
        async with AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=30) as client:
            answer = await client.chat.completions.create(model=ALIAS, messages=HELLO)
            stream = await client.chat.completions.create(model=ALIAS, messages=HELLO, stream=True)
            pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
        self.assertEqual("".join(pieces), answer.choices[0].message.content)
