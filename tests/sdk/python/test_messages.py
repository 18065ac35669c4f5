"""Anthropic's own SDK behind the same aliases: whole and streamed messages, tools, failures, counted tokens."""

import unittest

import anthropic

from gateway import ADMIN_KEY, ALIAS, KEY, LACKS, URL

HELLO = [{"role": "user", "content": "hello"}]
WEATHER = {
    "name": "weather",
    "description": "The weather of a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


def client(**options):
    """A client that does not retry, so that each failure is seen once."""
    return anthropic.Anthropic(**{"base_url": URL, "api_key": KEY, "max_retries": 0, "timeout": 30, **options})


def ask(model=ALIAS, messages=HELLO, with_client=None, **options):
    return (with_client or client()).messages.create(model=model, messages=messages, **{"max_tokens": 100, **options})


def stream(model=ALIAS, messages=HELLO, **options):
    return client().messages.stream(model=model, messages=messages, max_tokens=100, **options)


def called(message):
    """The call in a message; thoughts may stand before it."""
    return next(block for block in message.content if block.type == "tool_use")


class Whole(unittest.TestCase):
    def test_the_message_says_what_was_asked_under_the_alias(self):
        for prompt in ["hello", "你好，世界", "🙂 \u0000 \"quoted\" \\ \n line"]:
            with self.subTest(prompt=prompt):
                message = ask(messages=[{"role": "user", "content": [{"type": "text", "text": prompt}]}])
                self.assertEqual((message.model, message.type, message.role), (ALIAS, "message", "assistant"))
                self.assertIn(prompt, message.content[0].text)
                self.assertEqual(message.stop_reason, "end_turn")
                self.assertTrue(message.id.startswith("msg_"))
                self.assertTrue(message._request_id)
                self.assertGreater(message.usage.input_tokens, 0)
                self.assertGreater(message.usage.output_tokens, 0)

    def test_a_limit_is_honoured(self):
        message = ask(max_tokens=2)
        self.assertEqual((message.stop_reason, message.usage.output_tokens), ("max_tokens", 2))

    def test_a_tool_is_called_and_its_result_taken(self):
        messages = [{"role": "user", "content": "weather in Lisbon?"}]
        asked = ask(messages=messages, tools=[WEATHER])
        self.assertEqual(asked.stop_reason, "tool_use")
        call = called(asked)
        self.assertEqual(call.name, "weather")
        self.assertIn("city", call.input)
        messages.append({"role": "assistant", "content": asked.content})
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
        messages.append({"role": "user", "content": [result]})
        answer = ask(messages=messages, tools=[WEATHER])
        self.assertEqual(answer.stop_reason, "end_turn")
        self.assertTrue(answer.content[0].text)

    def test_a_bearer_is_as_good_as_a_key(self):
        message = ask(with_client=client(api_key=None, auth_token=KEY))
        self.assertEqual(message.model, ALIAS)

    def test_tokens_are_counted(self):
        short = client().messages.count_tokens(model=ALIAS, messages=HELLO)
        long = client().messages.count_tokens(
            model=ALIAS, messages=HELLO, system="be brief and say what you mean", tools=[WEATHER]
        )
        self.assertGreater(short.input_tokens, 0)
        self.assertGreater(long.input_tokens, short.input_tokens)


class Stream(unittest.TestCase):
    def test_the_events_say_what_the_whole_message_says(self):
        for model in [ALIAS, "long", "commented", "crlf"]:
            with self.subTest(model=model), stream(model) as events:
                text = "".join(events.text_stream)
                message = events.get_final_message()
                whole = ask(model)
                self.assertEqual(text, whole.content[0].text)
                self.assertEqual((message.model, message.content[0].text), (model, text))
                self.assertEqual(message.stop_reason, whole.stop_reason)
                self.assertEqual(message.usage.output_tokens, whole.usage.output_tokens)

    def test_the_events_come_in_their_order(self):
        kinds = []
        for event in client().messages.create(model=ALIAS, messages=HELLO, max_tokens=100, stream=True):
            if not kinds or kinds[-1] != event.type:
                kinds.append(event.type)
        blocks = ["content_block_start", "content_block_delta", "content_block_stop"]
        self.assertEqual(kinds, ["message_start", *blocks, "message_delta", "message_stop"])

    def test_a_tool_call_streams_in_pieces(self):
        with stream(tools=[WEATHER]) as events:
            message = events.get_final_message()
        self.assertEqual(message.stop_reason, "tool_use")
        self.assertIn("city", called(message).input)

    def test_a_tool_is_called_that_must_be_or_it_is_said_that_it_cannot(self):
        for choice in [{"type": "any"}, {"type": "tool", "name": "weather"}]:
            with self.subTest(choice=choice):
                if "forced_tools" in LACKS:
                    with self.assertRaises(anthropic.BadRequestError) as caught:
                        ask(tools=[WEATHER], tool_choice=choice)
                    self.assertIn("tool_choice", str(caught.exception))
                    continue
                self.assertEqual(called(ask(tools=[WEATHER], tool_choice=choice)).name, "weather")
                with stream(tools=[WEATHER], tool_choice=choice) as events:
                    self.assertEqual(called(events.get_final_message()).name, "weather")

    def test_an_answer_that_breaks_off_is_an_error_and_never_passes_for_whole(self):
        for model in ["dies", "cut"]:
            with self.subTest(model=model), self.assertRaises(anthropic.APIError) as caught:
                with stream(model) as events:
                    events.get_final_message()
            self.assertTrue(caught.exception.message)


class Refusals(unittest.TestCase):
    CASES = [
        ("an unknown model", {"model": "no-such-model"}, anthropic.NotFoundError, "not_found_error", "model"),
        ("messages that are no list", {"messages": "x"}, anthropic.BadRequestError, "invalid_request_error", "messages"),
        ("no answer at all", {"max_tokens": 0}, anthropic.BadRequestError, "invalid_request_error", "max_tokens"),
    ]

    def test_a_request_that_cannot_be_served_names_its_member(self):
        for name, request, kind, word, member in self.CASES:
            with self.subTest(name):
                with self.assertRaises(kind) as caught:
                    ask(**request)
                error = caught.exception
                self.assertEqual((error.body["type"], error.body["error"]["type"]), ("error", word))
                self.assertIn(member, error.body["error"]["message"])
                self.assertTrue(error.request_id)

    def test_a_bad_key_is_an_authentication_error(self):
        with self.assertRaises(anthropic.AuthenticationError) as caught:
            ask(with_client=client(api_key="nonsense"))
        self.assertEqual(caught.exception.body["error"]["type"], "authentication_error")

    def test_an_admin_key_calls_no_model(self):
        for call in [ask, lambda with_client: with_client.messages.count_tokens(model=ALIAS, messages=HELLO)]:
            with self.assertRaises(anthropic.PermissionDeniedError):
                call(with_client=client(api_key=ADMIN_KEY))

    def test_a_limit_says_when_to_come_back(self):
        with self.assertRaises(anthropic.RateLimitError) as caught:
            ask("limited")
        self.assertGreaterEqual(int(caught.exception.response.headers["retry-after"]), 1)

    def test_a_broken_provider_is_a_server_error(self):
        for options in [{}, {"stream": True}]:
            with self.subTest(options), self.assertRaises(anthropic.InternalServerError):
                ask("broken", **options)


class Async(unittest.IsolatedAsyncioTestCase):
    async def test_the_async_client_is_answered_whole_and_streamed(self):
        async with anthropic.AsyncAnthropic(base_url=URL, api_key=KEY, max_retries=0, timeout=30) as client:
            answer = await client.messages.create(model=ALIAS, messages=HELLO, max_tokens=100)
            async with client.messages.stream(model=ALIAS, messages=HELLO, max_tokens=100) as events:
                pieces = [piece async for piece in events.text_stream]
        self.assertEqual("".join(pieces), answer.content[0].text)
