"""Aider, asked once."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

URL, KEY = os.environ["NEXUS_URL"], os.environ["NEXUS_KEY"]
QUIET = ["--no-git", "--yes-always", "--no-check-update", "--analytics-disable", "--no-show-model-warnings"]
PLAIN = ["--no-pretty", "--no-fancy-input", "--no-detect-urls", "--no-show-release-notes"]


class Aider(unittest.TestCase):
    def test_words_come_whole_and_streamed(self):
        for streams in ["--stream", "--no-stream"]:
            with self.subTest(streams), tempfile.TemporaryDirectory() as home:
                command = [pathlib.Path(sys.executable).with_name("aider"), *QUIET, *PLAIN, streams]
                command += ["--model", "openai/nexus-gpt4", "--message", "say hello"]
                env = {**os.environ, "HOME": home, "OPENAI_API_BASE": f"{URL}/v1", "OPENAI_API_KEY": KEY}
                # prices are asked for at a place outside, which there is none of here
                env |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
                run = subprocess.run(command, env=env, cwd=home, capture_output=True, text=True, timeout=300, check=False)
                self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
                self.assertIn("You said", run.stdout)
