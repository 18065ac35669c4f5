"""Instructor: an answer as an object, by a tool and by a schema."""

import unittest

import instructor
from gateway import ALIAS, KEY, URL
from openai import OpenAI
from pydantic import BaseModel


class City(BaseModel):
    name: str
    population: int


class Instructor(unittest.TestCase):
    def test_an_answer_is_the_object_that_was_asked_for(self):
        for mode in [instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA]:
            with self.subTest(mode=mode):
                client = instructor.from_openai(OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0), mode=mode)
                city = client.chat.completions.create(
                    model=ALIAS, messages=[{"role": "user", "content": "a city"}], response_model=City, max_retries=0
                )
                self.assertIsInstance(city, City)
