"""What mixed requests cost, recomputed from what the provider served, to the nano-dollar.

This is the provider, the client and the judge: it answers with usage of every kind, sets prices with tiers, long
contexts and multipliers, and then computes with fractions what each answer must have cost. Nothing of the gateway's
own arithmetic is used. Everything it needs stands in the environment: GATEWAY, PROVIDER_PORT, ADMIN_KEY, APP_KEY,
DATABASE, REQUESTS and SEED.
"""

import json
import math
import os
import random
import sqlite3
import sys
import threading
import time
import urllib.parse
import http.client
from collections import defaultdict
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REQUESTS = int(os.environ["REQUESTS"])
SEED = int(os.environ.get("SEED", "7"))
THREADS = 16
BEGUN, DONE, PROGRESS = time.time(), [0], threading.Lock()
#: The route's multiplier, as the configuration has it.
ROUTE_MULTIPLIER = Fraction("1.25")

QUANTITIES = ["input", "cache_read", "output", "reasoning", "audio_in", "audio_out"]
#: What costs what another does where it has no rate of its own.
KIN = {"cache_read": "input", "audio_in": "input", "reasoning": "output", "audio_out": "output"}
TIERS = {"default": "standard", "flex": "flex", "priority": "priority", "batch": "batch"}

#: Rates by model: quantity, tier, least tokens sent, nano-dollars for a million.
PRICES = {
    "plain": {"rates": {("input", "standard", 0): 2_500_000_001, ("output", "standard", 0): 10_000_000_003}},
    "whole": {
        "rates": {
            ("input", "standard", 0): 1_234_567_891,
            ("input", "standard", 200_001): 2_469_135_787,
            ("input", "batch", 0): 617_283_946,
            ("input", "priority", 0): 3_333_333_333,
            ("cache_read", "standard", 0): 123_456_789,
            ("output", "standard", 0): 9_876_543_211,
            ("output", "flex", 0): 4_938_271_607,
            ("output", "standard", 200_001): 14_814_814_819,
            ("reasoning", "standard", 0): 9_999_999_999,
            ("audio_in", "standard", 0): 40_000_000_007,
            ("audio_out", "standard", 0): 80_000_000_009,
        },
        "per_request": 12_345,
        "multiplier": "0.873051",
    },
    "fee": {"rates": {}, "per_request": 7, "multiplier": "0.5"},
    "unpriced": None,
}


def usage(chance):
    """Counts as a provider says them, which overlap, and the same taken apart."""
    input_, cached, audio_in = (chance.choice([0, 1, chance.randrange(5_000)]) for _ in range(3))
    if chance.random() < 0.1:
        input_ += 200_000
    output, reasoning, audio_out = (chance.choice([0, 1, chance.randrange(3_000)]) for _ in range(3))
    apart = dict(input=input_, cache_read=cached, audio_in=audio_in, output=output, reasoning=reasoning,
                 audio_out=audio_out)
    prompt, completion = input_ + cached + audio_in, output + reasoning + audio_out
    said = {
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": audio_in},
        "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": audio_out},
    }
    return said, apart


def rate(rates, quantity, tier, prompt_tokens):
    fits = [(of_tier == tier, least, amount) for (of, of_tier, least), amount in rates.items()
            if of == quantity and of_tier in (tier, "standard") and prompt_tokens >= least]
    if fits:
        return max(fits)[2]
    return rate(rates, KIN[quantity], tier, prompt_tokens) if quantity in KIN else None


def cost(model, apart, tier):
    """What an answer must have cost; None where nobody has said a price."""
    price = PRICES[model]
    if price is None:
        return None
    prompt_tokens = apart["input"] + apart["cache_read"] + apart["audio_in"]
    exact = Fraction(price.get("per_request", 0))
    for quantity, count in apart.items():
        of = rate(price["rates"], quantity, tier, prompt_tokens)
        if of is not None:
            exact += Fraction(count * of, 1_000_000)
    exact *= Fraction(price.get("multiplier", "1")) * ROUTE_MULTIPLIER
    return math.floor(exact + Fraction(1, 2))


class Oracle:
    """What was served, by the id the provider gave it."""

    def __init__(self):
        self.lock, self.served, self.count = threading.Lock(), {}, 0

    def serve(self, model):
        with self.lock:
            self.count += 1
            number = self.count
        chance = random.Random(SEED * 1_000_003 + number)
        said, apart = usage(chance)
        tier = chance.choice(list(TIERS))
        name = f"req_{number:08}"
        with self.lock:
            self.served[name] = (model, apart, TIERS[tier])
        return name, said, tier


ORACLE = Oracle()


class Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # a head that waits for its body to be acknowledged is 40 ms late
    wbufsize = 65536
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        name, said, tier = ORACLE.serve(asked["model"])
        head = {"id": f"chatcmpl-{name}", "created": 1, "model": asked["model"], "service_tier": tier}
        if asked.get("stream"):
            chunk = {**head, "object": "chat.completion.chunk"}
            choice = {"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": None}
            end = {"index": 0, "delta": {}, "finish_reason": "stop"}
            events = [{**chunk, "choices": [choice]}, {**chunk, "choices": [end]},
                      {**chunk, "choices": [], "usage": said}]
            body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
            media = "text/event-stream"
        else:
            message = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
            body, media = json.dumps({**head, "object": "chat.completion", "choices": [message], "usage": said}), \
                "application/json"
        body = body.encode()
        self.send_response(200)
        self.send_header("content-type", media)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-request-id", name)
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


GATEWAY = urllib.parse.urlsplit(os.environ["GATEWAY"])


def ask(connection, method, path, key, body=None):
    headers = {"authorization": f"Bearer {key}"}
    if body is not None:
        headers["content-type"] = "application/json"
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def connect():
    return http.client.HTTPConnection(GATEWAY.hostname, GATEWAY.port, timeout=60)


def set_prices():
    connection = connect()
    for model, price in PRICES.items():
        if price is None:
            continue
        rates = [dict(quantity=quantity, tier=tier, from_tokens=least, nano_usd_per_million=amount)
                 for (quantity, tier, least), amount in price["rates"].items()]
        wish = {"real_name": model, "rates": rates, "per_request_nano_usd": price.get("per_request", 0),
                "multiplier": price.get("multiplier", "1")}
        status, body = ask(connection, "POST", "/admin/v1/prices", os.environ["ADMIN_KEY"], wish)
        assert status == 201, (status, body)


def client(number, failures):
    connection, chance = connect(), random.Random(SEED + number)
    for _ in range(number, REQUESTS, THREADS):
        body = {"model": chance.choice(list(PRICES)), "messages": [{"role": "user", "content": "hi"}],
                "stream": chance.random() < 0.5}
        status, answer = ask(connection, "POST", "/v1/chat/completions", os.environ["APP_KEY"], body)
        if status != 200:
            failures.append((status, answer[:200]))
        with PROGRESS:
            DONE[0] += 1
            if DONE[0] % (REQUESTS // 10 or 1) == 0:
                print(f"... {DONE[0]} of {REQUESTS}, {time.time() - BEGUN:.0f} s", file=sys.stderr)


def booked():
    """Waits until the ledger has everything."""
    database = sqlite3.connect(f"file:{os.environ['DATABASE']}?mode=ro", uri=True)
    for _ in range(600):
        count = database.execute("SELECT count(*) FROM usage_attempts").fetchone()[0]
        if count >= REQUESTS:
            return database.execute("SELECT provider_request_id, cost_nano_usd, pricing, service_tier, quantities"
                                    " FROM usage_attempts").fetchall()
        time.sleep(0.2)
    sys.exit(f"only {count} of {REQUESTS} attempts were booked")


def judge(rows):
    wrong, total = [], defaultdict(int)
    for name, nano_usd, pricing, tier, quantities in rows:
        model, apart, served = ORACLE.served[name]
        expected = cost(model, apart, served)
        said = {quantity: count for quantity, count in apart.items() if count}
        is_right = (tier == served and json.loads(quantities) == said
                    and (pricing == "unknown" if expected is None else nano_usd == expected))
        total[model] += expected or 0
        if not is_right:
            wrong.append((name, model, apart, served, expected, nano_usd, pricing, tier, quantities))
    return wrong, total


def sums():
    """What the administration says of every model, by the day."""
    connection, total = connect(), defaultdict(int)
    path = "/admin/v1/usage?by=model&interval=day"
    status, body = ask(connection, "GET", path, os.environ["ADMIN_KEY"])
    assert status == 200, (status, body)
    for row in json.loads(body)["rows"]:
        total[row["of"]] += row["charged_nano_usd"]
    return total


def main():
    provider = Server(("127.0.0.1", int(os.environ["PROVIDER_PORT"])), Provider)
    threading.Thread(target=provider.serve_forever, daemon=True).start()
    set_prices()
    failures = []
    threads = [threading.Thread(target=client, args=(number, failures)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = booked()
    wrong, total = judge(rows)
    shown = sums()
    differing = {model: (total[model], shown[model]) for model in PRICES if total[model] != shown[model]}
    for row in wrong[:10]:
        print("wrong:", row)
    for failure in failures[:10]:
        print("failed:", failure)
    print(f"{len(rows)} attempts, {sum(total.values())} nano-dollars, {len(wrong)} wrong, {len(failures)} failed,"
          f" sums that differ: {differing}")
    is_right = len(rows) == REQUESTS == len(ORACLE.served) and not wrong and not failures and not differing
    print(f"{REQUESTS - len(wrong) if is_right else 0} passed, {0 if is_right else max(1, len(wrong))} failed")
    sys.exit(0 if is_right else 1)


main()
