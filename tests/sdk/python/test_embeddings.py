"""Embeddings: the SDK asks for base64 unasked and gives floats."""

import base64
import struct
import unittest

from openai import BadRequestError

from gateway import EMBEDDER, client, needs


class Embeddings(unittest.TestCase):
    @needs("embeddings", "model")
    def test_vectors_come_in_the_order_of_their_texts(self):
        answer = client().embeddings.create(model=EMBEDDER, input=["one", "two", "one"])
        self.assertEqual(answer.model, EMBEDDER)
        self.assertEqual([item.index for item in answer.data], [0, 1, 2])
        first, second, third = (item.embedding for item in answer.data)
        self.assertEqual(first, third)
        self.assertNotEqual(first, second)
        self.assertTrue(all(isinstance(number, float) for number in first))
        self.assertGreater(answer.usage.prompt_tokens, 0)
        self.assertEqual(answer.usage.prompt_tokens, answer.usage.total_tokens)

    @needs("embeddings", "model")
    def test_both_ways_of_writing_say_the_same(self):
        floats = client().embeddings.create(model=EMBEDDER, input="one", encoding_format="float")
        packed = client().embeddings.create(model=EMBEDDER, input="one", encoding_format="base64")
        raw = base64.b64decode(packed.data[0].embedding)
        numbers = list(struct.unpack(f"<{len(raw) // 4}f", raw))
        self.assertEqual(numbers, floats.data[0].embedding)

    @needs("embeddings", "model")
    def test_dimensions_are_honoured(self):
        answer = client().embeddings.create(model=EMBEDDER, input="one", dimensions=256)
        self.assertEqual(len(answer.data[0].embedding), 256)

    def test_what_cannot_be_embedded_names_the_member(self):
        with self.assertRaises(BadRequestError) as caught:
            client().embeddings.create(model=EMBEDDER, input=[])
        self.assertEqual(caught.exception.param, "input")


