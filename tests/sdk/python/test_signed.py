"""Signed requests, with the very code of the page that explains them."""

import json
import os
import unittest
import urllib.request
import uuid
from unittest import mock

import httpx2
import openai

import page
from gateway import ADMIN_KEY, ALIAS, HELLO, KEY, URL, client

PRINTED_URL = "http://127.0.0.1:8080"


def make(what, **body):
    """Makes something over the administration and gives what it answers."""
    headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{URL}/admin/v1/{what}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def code_of(answer):
    return answer.json()["error"]["code"]


class Signed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        team = make("teams", name=f"signed {uuid.uuid4()}")
        cls.key = make("keys", level="app", team_id=team["id"], signing="required")
        cls.page = {}
        page.run(page.code("helper"), cls.page)

    def signed(self, **other):
        own = {"key_id": self.key["id"], "signing_secret": self.key["signing_secret"], **other}
        return self.page["Signed"](**own)

    def client(self, auth=None, **options):
        return client(api_key=self.key["key"], http_client=httpx2.Client(auth=auth), **options)

    def request(self, path="/v1/chat/completions", method="POST", **body):
        """A request of our own, not signed yet."""
        headers = {"Authorization": f"Bearer {self.key['key']}"}
        return httpx2.Request(method, f"{URL}{path}", headers=headers, json=body or None)

    def ask(self, request):
        with httpx2.Client(timeout=30) as plain:
            return plain.send(request)

    def sign(self, request, **other):
        return next(self.signed(**other).auth_flow(request))

    def test_the_pages_client_is_answered_whole_and_streamed(self):
        environment = {
            "NEXUS_KEY": self.key["key"],
            "NEXUS_KEY_ID": self.key["id"],
            "NEXUS_SIGNING_SECRET": self.key["signing_secret"],
        }
        use = page.code("use")
        self.assertIn(PRINTED_URL, use)
        with mock.patch.dict(os.environ, environment):
            page.run(use.replace(PRINTED_URL, URL), self.page)
        caller = self.page["client"]
        answer = caller.chat.completions.create(model=ALIAS, messages=HELLO)
        chunks = caller.chat.completions.create(model=ALIAS, messages=HELLO, stream=True)
        self.assertEqual("".join(c.choices[0].delta.content or "" for c in chunks), answer.choices[0].message.content)
        self.assertIn(ALIAS, {model.id for model in caller.models.list()})

    def test_a_query_and_an_escaped_path_are_signed_as_they_are_sent(self):
        for path in ["/v1/models", "/v1/models?", "/v1/models?limit=1&a=%20b", f"/v1/models/{ALIAS}", "/v1/models/nexus%2Dgpt4"]:
            with self.subTest(path):
                answer = self.ask(self.sign(self.request(path, "GET")))
                self.assertEqual(answer.status_code, 200, answer.text)

    def test_an_unsigned_request_is_refused(self):
        with self.assertRaises(openai.AuthenticationError) as caught:
            self.client().chat.completions.create(model=ALIAS, messages=HELLO)
        self.assertEqual(caught.exception.code, "signature_missing")

    def test_a_signature_is_good_once(self):
        request = self.sign(self.request(model=ALIAS, messages=HELLO))
        self.assertEqual(self.ask(request).status_code, 200)
        again = self.ask(request)
        self.assertEqual((again.status_code, code_of(again)), (401, "nonce_replayed"))

    def test_what_is_changed_after_it_was_signed_is_refused(self):
        signed = self.sign(self.request(model=ALIAS, messages=HELLO))
        other = {"role": "user", "content": "something else"}
        cases = [
            ("the body", self.request(model=ALIAS, messages=[other]), "digest_mismatch"),
            ("the query", self.request("/v1/chat/completions?a=1", model=ALIAS, messages=HELLO), "signature_mismatch"),
            ("the path", self.request("/v1/session-keys", model=ALIAS, messages=HELLO), "signature_mismatch"),
        ]
        for name, request, code in cases:
            with self.subTest(name):
                for header in ["content-digest", "signature-input", "signature"]:
                    request.headers[header] = signed.headers[header]
                answer = self.ask(request)
                self.assertEqual((answer.status_code, code_of(answer)), (401, code))
        self.assertEqual(self.ask(signed).status_code, 200, "what was refused has used nothing up")

    def test_another_secret_or_the_id_of_another_key_is_refused(self):
        cases = [
            ({"signing_secret": self.key["signing_secret"][::-1]}, "signature_mismatch"),
            ({"key_id": str(uuid.uuid4())}, "signature_keyid"),
        ]
        for other, code in cases:
            with self.subTest(code):
                answer = self.ask(self.sign(self.request(model=ALIAS, messages=HELLO), **other))
                self.assertEqual((answer.status_code, code_of(answer)), (401, code))

    def test_each_try_is_signed_anew(self):
        with self.assertRaises(openai.RateLimitError):
            self.client(self.signed(), max_retries=1).chat.completions.create(model="limited", messages=HELLO)

    def test_a_session_key_is_signed_as_its_parent(self):
        minted = self.ask(self.sign(self.request("/v1/session-keys", expires_in_seconds=60)))
        self.assertEqual(minted.status_code, 200, minted.text)
        session = minted.json()["key"]
        for auth, code in [(self.signed(), None), (None, "signature_missing")]:
            caller = client(api_key=session, http_client=httpx2.Client(auth=auth))
            with self.subTest(code):
                if code is None:
                    self.assertEqual(caller.chat.completions.create(model=ALIAS, messages=HELLO).model, ALIAS)
                    continue
                with self.assertRaises(openai.AuthenticationError) as caught:
                    caller.chat.completions.create(model=ALIAS, messages=HELLO)
                self.assertEqual(caught.exception.code, code)

    def test_a_key_that_does_not_sign_is_not_held_up_by_a_signature(self):
        caller = client(api_key=KEY, http_client=httpx2.Client(auth=self.signed()))
        self.assertEqual(caller.chat.completions.create(model=ALIAS, messages=HELLO).model, ALIAS)


class Async(unittest.IsolatedAsyncioTestCase):
    async def test_the_async_client_is_signed_too(self):
        Signed.setUpClass()
        signed = Signed().signed()
        async with openai.AsyncOpenAI(
            base_url=f"{URL}/v1", api_key=Signed.key["key"], max_retries=0, http_client=httpx2.AsyncClient(auth=signed)
        ) as caller:
            answer = await caller.chat.completions.create(model=ALIAS, messages=HELLO)
        self.assertEqual(answer.model, ALIAS)
