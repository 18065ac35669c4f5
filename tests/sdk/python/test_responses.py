"""Responses that are kept, by whoever keeps them: asked for again, gone on from, deleted."""

import unittest

from openai import NotFoundError

from gateway import ALIAS, LACKS, client


@unittest.skipIf("responses" in LACKS, "they go to the vendor's own, which the mock does not have")
class Responses(unittest.TestCase):
    def test_a_response_is_gone_on_from_shown_and_deleted(self):
        openai = client()
        first = openai.responses.create(model=ALIAS, input="the word is birch")
        self.assertTrue(first.output_text)
        second = openai.responses.create(model=ALIAS, input="which?", previous_response_id=first.id)
        self.assertEqual(openai.responses.retrieve(second.id).id, second.id)
        openai.responses.delete(second.id)
        with self.assertRaises(NotFoundError):
            openai.responses.retrieve(second.id)

    def test_what_was_streamed_is_kept_too(self):
        openai = client()
        with openai.responses.stream(model=ALIAS, input="hello") as stream:
            streamed = stream.get_final_response()
        self.assertEqual(openai.responses.retrieve(streamed.id).id, streamed.id)
