"""What every suite here shares: where the gateway is, a client for it, and its counters."""

import functools
import os
import urllib.request

from openai import BadRequestError, OpenAI

URL = os.environ["NEXUS_URL"]
KEY = os.environ["NEXUS_KEY"]
ADMIN_KEY = os.environ["NEXUS_ADMIN_KEY"]
ALIAS = "nexus-gpt4"
EMBEDDER = "embedder"
LACKS = set(filter(None, os.environ.get("NEXUS_LACKS", "").split(",")))
HELLO = [{"role": "user", "content": "hello"}]


def client(**options):
    """A client that does not retry, so that each failure is seen once."""
    return OpenAI(**{"base_url": f"{URL}/v1", "api_key": KEY, "max_retries": 0, "timeout": 30, **options})


def needs(feature, param):
    """A test of what not every dialect can say; where one cannot, the request is refused by the member's name."""

    def wrap(test):
        @functools.wraps(test)
        def run(self):
            if feature not in LACKS:
                return test(self)
            with self.assertRaises(BadRequestError) as caught:
                test(self)
            self.assertEqual(caught.exception.param, param)

        return run

    return wrap


def counted(name, **labels):
    """The sum of a metric's samples that have these labels."""
    with urllib.request.urlopen(os.environ["NEXUS_METRICS_URL"], timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    samples = [line for line in lines if line.startswith((name + "{", name + " ")) and all(w in line for w in wanted)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in samples)
