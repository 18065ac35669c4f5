"""The command `llm`, with a model of its own file."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from gateway import ALIAS, KEY, URL

MODELS = f"""
- model_id: nexus
  model_name: {ALIAS}
  api_base: "{URL}/v1"
  api_key_name: nexus
  supports_tools: true
"""


def ask(*arguments):
    with tempfile.TemporaryDirectory() as home:
        pathlib.Path(home, "extra-openai-models.yaml").write_text(MODELS)
        command = [pathlib.Path(sys.executable).with_name("llm"), "-m", "nexus", "--key", KEY, *arguments]
        env = {**os.environ, "LLM_USER_PATH": home}
        run = subprocess.run(command, env=env, cwd=home, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


class Llm(unittest.TestCase):
    def test_words_come_whole_and_streamed(self):
        self.assertIn("hello", ask("hello"))
        self.assertIn("hello", ask("--no-stream", "hello"))

    def test_a_function_is_called(self):
        function = 'def weather(city: str) -> str:\n    "The weather of a city."\n    return "sunny"\n'
        self.assertTrue(ask("--functions", function, "weather in Lisbon?"))
