"""Failures: each is the SDK's own class, with the words and numbers a program can act on."""

import socket
import unittest

import openai

from gateway import ADMIN_KEY, ALIAS, HELLO, client, counted


def ask(model=ALIAS, messages=HELLO, with_client=None, **options):
    return (with_client or client()).chat.completions.create(model=model, messages=messages, **options)


class Refusals(unittest.TestCase):
    # what is asked, the SDK's class, its code, the member that is named
    CASES = [
        ("an unknown model", {"model": "no-such-model"}, openai.NotFoundError, "model_not_found", "model"),
        ("messages that are no list", {"messages": "hello"}, openai.BadRequestError, None, "messages"),
        ("no model", {"model": ""}, openai.BadRequestError, None, "model"),
        ("a stream that is no boolean", {"extra_body": {"stream": "yes"}}, openai.BadRequestError, None, "stream"),
    ]

    def test_a_request_that_cannot_be_served_names_its_member(self):
        for name, request, kind, code, param in self.CASES:
            with self.subTest(name):
                with self.assertRaises(kind) as caught:
                    ask(**request)
                error = caught.exception
                self.assertEqual((error.type, error.param), ("invalid_request_error", param))
                self.assertTrue(error.body["message"])
                self.assertTrue(error.request_id)
                if code:
                    self.assertEqual(error.code, code)

    def test_a_model_that_is_not_there_is_not_found(self):
        with self.assertRaises(openai.NotFoundError):
            client().models.retrieve("no-such-model")

    def test_a_bad_key_is_an_authentication_error_that_does_not_repeat_it(self):
        for key in ["nonsense", "sk-nonsense", "a.b.c"]:
            with self.subTest(key), self.assertRaises(openai.AuthenticationError) as caught:
                ask(with_client=client(api_key=key))
            self.assertEqual(caught.exception.code, "invalid_api_key")
            self.assertNotIn(key, str(caught.exception.body))

    def test_an_admin_key_calls_no_model(self):
        with self.assertRaises(openai.PermissionDeniedError):
            ask(with_client=client(api_key=ADMIN_KEY))


class Upstream(unittest.TestCase):
    def test_a_limit_says_when_to_come_back(self):
        with self.assertRaises(openai.RateLimitError) as caught:
            ask("limited")
        self.assertGreaterEqual(int(caught.exception.response.headers["retry-after"]), 1)

    def test_a_broken_provider_is_a_server_error(self):
        for options in [{}, {"stream": True}]:
            with self.subTest(options), self.assertRaises(openai.InternalServerError) as caught:
                ask("broken", **options)
            self.assertGreaterEqual(caught.exception.status_code, 500)

    def test_a_whole_answer_that_is_cut_is_a_server_error(self):
        with self.assertRaises(openai.InternalServerError):
            ask("cut")


class Client(unittest.TestCase):
    def test_each_retry_reaches_the_gateway(self):
        def seen():
            return counted("nexus_requests_total", model="limited", status="429")

        before = seen()
        with self.assertRaises(openai.RateLimitError):
            ask("limited", with_client=client(max_retries=1))
        self.assertEqual(seen() - before, 2)

    def test_a_client_that_will_not_wait_times_out(self):
        with self.assertRaises(openai.APITimeoutError):
            ask("slow", with_client=client(timeout=0.3))

    def test_a_gateway_that_is_not_there_is_a_connection_error(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
            with self.assertRaises(openai.APIConnectionError):
                ask(with_client=client(base_url=url))
