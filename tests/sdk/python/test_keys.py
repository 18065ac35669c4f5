"""Every way in which a tool sends its key."""

import unittest

from openai import Omit

from gateway import ALIAS, HELLO, KEY, client


class Keys(unittest.TestCase):
    CASES = [
        ("bearer", {"Authorization": f"Bearer {KEY}"}),
        ("bearer in other letters", {"Authorization": f"bearer {KEY}"}),
        ("bearer with the usual prefix", {"Authorization": f"Bearer sk-{KEY}"}),
        ("api-key", {"Authorization": Omit(), "api-key": KEY}),
        ("api-key with the usual prefix", {"Authorization": Omit(), "api-key": f"sk-{KEY}"}),
        ("x-api-key", {"Authorization": Omit(), "x-api-key": KEY}),
    ]

    def test_a_key_is_taken_wherever_a_tool_puts_it(self):
        for name, headers in self.CASES:
            with self.subTest(name):
                caller = client(api_key="unused").chat.completions
                answer = caller.create(model=ALIAS, messages=HELLO, extra_headers=headers)
                self.assertEqual(answer.model, ALIAS)
