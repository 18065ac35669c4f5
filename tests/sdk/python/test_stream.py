"""Streamed answers: chunks, usage, tools, and streams that end early on either side."""

import time
import unittest

import openai

from gateway import ALIAS, HELLO, client, counted
from test_chat import WEATHER, City


def stream(model=ALIAS, **options):
    return client().chat.completions.create(**{"model": model, "messages": HELLO, "stream": True, **options})


def text(chunks):
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


class Stream(unittest.TestCase):
    def test_the_chunks_say_what_the_whole_answer_says_under_the_alias(self):
        for model in [ALIAS, "long", "commented", "crlf", "no-usage"]:
            with self.subTest(model=model):
                chunks = list(stream(model))
                whole = client().chat.completions.create(model=model, messages=HELLO)
                self.assertEqual(text(chunks), whole.choices[0].message.content)
                self.assertEqual({chunk.model for chunk in chunks}, {model})
                self.assertEqual({chunk.object for chunk in chunks}, {"chat.completion.chunk"})
                self.assertEqual(chunks[-1].choices[0].finish_reason, "stop")

    def test_a_chinese_prompt_streams_unharmed(self):
        chunks = list(stream(messages=[{"role": "user", "content": "你好，世界"}]))
        self.assertIn("你好，世界", text(chunks))

    def test_usage_is_shown_to_those_who_asked_and_to_no_one_else(self):
        silent = list(stream())
        self.assertTrue(all(chunk.usage is None and chunk.choices for chunk in silent))
        asked = list(stream(stream_options={"include_usage": True}))
        self.assertEqual(asked[-1].choices, [])
        self.assertGreater(asked[-1].usage.completion_tokens, 0)
        self.assertTrue(all(chunk.usage is None for chunk in asked[:-1]))

    def test_a_tool_call_streams_in_pieces(self):
        chunks = list(stream(tools=[WEATHER]))
        calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
        self.assertEqual(calls[0].function.name, "weather")
        self.assertIn("city", "".join(call.function.arguments or "" for call in calls))
        self.assertEqual(chunks[-1].choices[0].finish_reason, "tool_calls")

    def test_a_structured_answer_streams_and_is_parsed(self):
        with client().chat.completions.stream(model=ALIAS, messages=HELLO, response_format=City) as events:
            answer = events.get_final_completion()
        self.assertIsInstance(answer.choices[0].message.parsed, City)

    def test_an_answer_that_breaks_off_is_an_error_and_never_passes_for_whole(self):
        for model in ["dies", "cut"]:
            with self.subTest(model=model):
                seen = []
                with self.assertRaises(openai.APIError) as caught:
                    seen.extend(stream(model))
                self.assertNotIsInstance(caught.exception, openai.APIStatusError)
                self.assertTrue(caught.exception.message)
                self.assertFalse(any(choice.finish_reason for chunk in seen for choice in chunk.choices))

    def test_an_abandoned_stream_is_let_go(self):
        chunks = stream("endless")
        next(chunks)
        self.assertGreaterEqual(counted("nexus_requests_in_flight"), 1)
        chunks.close()
        deadline = time.monotonic() + 10
        while counted("nexus_requests_in_flight") > 0:
            self.assertLess(time.monotonic(), deadline, "the request is still in flight")
            time.sleep(0.05)
