"""Files and batches, which the gateway keeps and runs itself: no provider of these is named for them."""

import json
import time
import unittest

from openai import BadRequestError, NotFoundError

from gateway import ALIAS, HELLO, client

DEADLINE_S = 60
OVER = ("completed", "failed", "expired", "cancelled")


def line(custom_id):
    body = {"model": ALIAS, "messages": HELLO}
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body})


def over(openai, batch):
    until = time.monotonic() + DEADLINE_S
    while batch.status not in OVER and time.monotonic() < until:
        time.sleep(0.2)
        batch = openai.batches.retrieve(batch.id)
    return batch


class Batches(unittest.TestCase):
    def test_a_file_is_run_line_by_line_and_answered_in_another(self):
        openai = client()
        wanted = [f"line-{number}" for number in range(5)]
        content = "\n".join(map(line, wanted)).encode()
        file = openai.files.create(file=("lines.jsonl", content), purpose="batch")
        self.assertEqual((file.filename, file.bytes, file.purpose), ("lines.jsonl", len(content), "batch"))
        self.assertEqual(openai.files.content(file.id).read(), content)
        batch = openai.batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"for": "a test"},
        )
        batch = over(openai, batch)
        self.assertEqual((batch.status, batch.metadata), ("completed", {"for": "a test"}))
        self.assertEqual((batch.request_counts.total, batch.request_counts.completed), (5, 5))
        told = [json.loads(line) for line in openai.files.content(batch.output_file_id).text.splitlines()]
        self.assertEqual(sorted(line["custom_id"] for line in told), wanted)
        for line_told in told:
            body = line_told["response"]["body"]
            self.assertEqual((body["object"], body["model"]), ("chat.completion", ALIAS))
        self.assertIn(batch.id, [listed.id for listed in openai.batches.list()])
        self.assertIn(file.id, [listed.id for listed in openai.files.list(purpose="batch")])
        self.assertTrue(openai.files.delete(file.id).deleted)
        with self.assertRaises(NotFoundError):
            openai.files.retrieve(file.id)

    def test_what_is_wrong_is_told(self):
        openai = client()
        file = openai.files.create(file=("lines.jsonl", b"{}"), purpose="batch")
        batch = openai.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        self.assertEqual((batch.status, batch.errors.data[0].line), ("failed", 1))
        with self.assertRaises(BadRequestError) as caught:
            openai.batches.create(input_file_id=file.id, endpoint="/v1/none", completion_window="24h")
        self.assertEqual(caught.exception.param, "endpoint")
