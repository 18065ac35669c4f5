"""Google's own SDK behind the same aliases: whole and streamed answers, functions, failures, counted tokens."""

import functools
import unittest

from google import genai
from google.genai import errors, types

from gateway import ADMIN_KEY, ALIAS, KEY, LACKS, URL


def weather(city: str) -> str:
    """The weather of a city."""
    return f"it is sunny in {city}"


WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="weather",
            description="The weather of a city.",
            parameters=types.Schema(
                type="OBJECT", properties={"city": types.Schema(type="STRING")}, required=["city"]
            ),
        )
    ]
)


@functools.cache
def client(key=KEY):
    """One for each key: it closes its connections once nobody holds it."""
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=URL, timeout=30_000))


def ask(model=ALIAS, contents="hello", with_client=None, **config):
    config = types.GenerateContentConfig(**{"max_output_tokens": 100, **config})
    return (with_client or client()).models.generate_content(model=model, contents=contents, config=config)


def stream(model=ALIAS, contents="hello", **config):
    config = types.GenerateContentConfig(**{"max_output_tokens": 100, **config})
    return list(client().models.generate_content_stream(model=model, contents=contents, config=config))


class Whole(unittest.TestCase):
    def test_the_answer_says_what_was_asked_under_the_alias(self):
        for prompt in ["hello", "你好，世界", "🙂 \u0000 \"quoted\" \\ \n line"]:
            with self.subTest(prompt=prompt):
                answer = ask(contents=prompt)
                self.assertEqual(answer.model_version, ALIAS)
                self.assertIn(prompt, answer.text)
                self.assertEqual(answer.candidates[0].finish_reason, types.FinishReason.STOP)
                self.assertGreater(answer.usage_metadata.prompt_token_count, 0)
                self.assertGreater(answer.usage_metadata.total_token_count, answer.usage_metadata.prompt_token_count)

    def test_a_limit_is_honoured(self):
        answer = ask(max_output_tokens=2)
        self.assertEqual(answer.candidates[0].finish_reason, types.FinishReason.MAX_TOKENS)
        self.assertEqual(answer.usage_metadata.candidates_token_count, 2)

    def test_a_function_is_called_and_its_result_taken(self):
        said = types.Content(role="user", parts=[types.Part(text="weather in Lisbon?")])
        asked = ask(contents=[said], tools=[WEATHER])
        call = asked.function_calls[0]
        self.assertEqual(call.name, "weather")
        self.assertIn("city", call.args)
        result = types.Part.from_function_response(name=call.name, response={"result": "sunny"})
        turns = [said, asked.candidates[0].content, types.Content(role="user", parts=[result])]
        self.assertTrue(ask(contents=turns, tools=[WEATHER]).text)

    def test_the_sdk_calls_a_python_function_by_itself(self):
        answer = ask(contents="weather in Lisbon?", tools=[weather])
        self.assertTrue(answer.text)
        self.assertEqual(len(answer.automatic_function_calling_history), 3)

    def test_a_chat_remembers_its_turns(self):
        chat = client().chats.create(model=ALIAS)
        self.assertIn("one", chat.send_message("one").text)
        self.assertIn("two", "".join(chunk.text or "" for chunk in chat.send_message_stream("two")))
        self.assertIn("three", chat.send_message("three").text)

    def test_a_schema_is_answered_with(self):
        schema = types.Schema(type="OBJECT", properties={"name": types.Schema(type="STRING")}, required=["name"])
        answer = ask(response_mime_type="application/json", response_schema=schema)
        self.assertIn("name", answer.parsed if isinstance(answer.parsed, dict) else answer.text)

    def test_an_image_goes_along(self):
        if "images" in LACKS:
            self.skipTest("the vendor sees nothing")
        pixel = types.Part.from_bytes(data=b"\x89PNG\r\n\x1a\n\xfb\xff", mime_type="image/png")
        self.assertIn("what is it", ask(contents=[pixel, "what is it"]).text)

    def test_tokens_are_counted_and_models_listed(self):
        short = client().models.count_tokens(model=ALIAS, contents="hello")
        long = client().models.count_tokens(model=ALIAS, contents="hello, and say at some length what you mean")
        self.assertGreater(short.total_tokens, 0)
        self.assertGreater(long.total_tokens, short.total_tokens)
        self.assertIn(f"models/{ALIAS}", [model.name for model in client().models.list()])
        self.assertEqual(client().models.get(model=ALIAS).name, f"models/{ALIAS}")


class Stream(unittest.TestCase):
    def test_the_pieces_say_what_the_whole_answer_says(self):
        for model in [ALIAS, "long", "commented", "crlf"]:
            with self.subTest(model=model):
                pieces, whole = stream(model), ask(model)
                self.assertEqual("".join(piece.text or "" for piece in pieces), whole.text)
                self.assertEqual(pieces[-1].model_version, model)
                last = pieces[-1].usage_metadata
                self.assertEqual(last.candidates_token_count, whole.usage_metadata.candidates_token_count)

    def test_a_function_call_streams(self):
        calls = [call for piece in stream(tools=[WEATHER]) for call in piece.function_calls or []]
        self.assertEqual([call.name for call in calls], ["weather"])
        self.assertIn("city", calls[0].args)

    def test_an_answer_that_breaks_off_is_an_error_and_never_passes_for_whole(self):
        for model in ["dies", "cut"]:
            with self.subTest(model=model), self.assertRaises(errors.APIError) as caught:
                stream(model)
            self.assertTrue(caught.exception.message)


class Refusals(unittest.TestCase):
    def test_a_failure_has_the_sdk_s_own_class_and_google_s_status(self):
        for name, call, code, status in [
            ("an unknown model", lambda: ask("no-such-model"), 404, "NOT_FOUND"),
            ("a bad key", lambda: ask(with_client=client("nonsense")), 401, "UNAUTHENTICATED"),
            ("an admin key", lambda: ask(with_client=client(ADMIN_KEY)), 403, "PERMISSION_DENIED"),
            ("a limit", lambda: ask("limited"), 429, "RESOURCE_EXHAUSTED"),
            ("a broken provider", lambda: ask("broken"), 502, "UNAVAILABLE"),
            ("a broken provider of streams", lambda: stream("broken"), 502, "UNAVAILABLE"),
        ]:
            with self.subTest(name):
                with self.assertRaises(errors.APIError) as caught:
                    call()
                self.assertEqual((caught.exception.code, caught.exception.status), (code, status))
                self.assertTrue(caught.exception.message)


class Async(unittest.IsolatedAsyncioTestCase):
    async def test_the_async_client_is_answered_whole_and_streamed(self):
        models = client().aio.models
        answer = await models.generate_content(model=ALIAS, contents="hello")
        pieces = [piece.text or "" async for piece in await models.generate_content_stream(model=ALIAS, contents="hello")]
        self.assertEqual("".join(pieces), answer.text)
