"""What every suite here shares: where the gateway is, a client for it, and its counters."""

import os
import urllib.request

from openai import OpenAI

URL = os.environ["NEXUS_URL"]
KEY = os.environ["NEXUS_KEY"]
ADMIN_KEY = os.environ["NEXUS_ADMIN_KEY"]
ALIAS = "nexus-gpt4"
HELLO = [{"role": "user", "content": "hello"}]


def client(**options):
    """A client that does not retry, so that each failure is seen once."""
    return OpenAI(**{"base_url": f"{URL}/v1", "api_key": KEY, "max_retries": 0, "timeout": 30, **options})


def counted(name, **labels):
    """The sum of a metric's samples that have these labels."""
    with urllib.request.urlopen(os.environ["NEXUS_METRICS_URL"], timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    samples = [line for line in lines if line.startswith((name + "{", name + " ")) and all(w in line for w in wanted)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in samples)
