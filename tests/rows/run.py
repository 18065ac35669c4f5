"""A ledger of millions of attempts: made here, then asked for totals through the administration.

The rows and their sums are made with SQL of its own, as the gateway would have written them; `nexus ledger verify` can
judge them. Everything it needs stands in the environment: GATEWAY, ADMIN_KEY, DATABASE, ROWS and DAYS.
"""

import http.client
import json
import os
import sqlite3
import statistics
import sys
import time
import urllib.parse

ROWS, DAYS = int(os.environ["ROWS"]), int(os.environ["DAYS"])
DAY = 86_400
TEAMS, KEYS, MODELS = 20, 5, 4
CONTEXTS = TEAMS * KEYS * MODELS
END = int(time.time()) // DAY * DAY
BEGIN = END - DAYS * DAY
BEGUN = time.time()
#: The newest rows, of which the request log knows more.
LOGGED = 2_000_000
#: Rows written in one transaction.
BATCH = 200_000


def uuid(kind, number):
    return f"{kind:08x}-0000-7000-8000-{number:012x}"


def contexts(database):
    rows = []
    for number in range(CONTEXTS):
        team, key, model = number % TEAMS, number % (TEAMS * KEYS), number // (TEAMS * KEYS)
        rows.append((f"{number:032x}", uuid(1, key), uuid(2, team), "chat.completions", f"alias-{model}", uuid(3, model % 2),
                     f"provider-{model % 2}", f"model-{model}", number % 2, 200))
    database.executemany("INSERT INTO usage_contexts VALUES (?,?,?,?,?,?,?,?,?,?)", rows)


ATTEMPTS = """
WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2),
row AS (
    SELECT i, ?3 + i * ?4 / ?5 AS at, (i * 7919) % ?6 AS context, 50 + (i * 31) % 900 AS input,
        10 + (i * 17) % 400 AS output, (i * 13) % 7 AS pace
    FROM n
)
INSERT INTO usage_attempts (attempt_id, request_id, attempt_number, context_id, outcome, status, quantities, source,
    raw_usage, provider_request_id, started_at, first_token_us, duration_us, cost_nano_usd, pricing, price_rule, trace)
SELECT printf('%08x-%04x-7000-8000-%012x', at >> 16, at & 65535, i), printf('00000000-0000-7000-8000-%012x', i), 1,
    printf('%032x', context), 'answered', 200, '{"input":' || input || ',"output":' || output || '}', 'provider',
    NULL, printf('req_%012x', i), at, 1000 << pace, 1500 << pace, input * 2500 + output * 10000, 'known', 'catalogue',
    CASE WHEN i >= ?7 THEN '{"policy":"weighted","before_us":90}' END
FROM row
"""

SUMS = """
CREATE TEMP TABLE sums AS
SELECT started_at / 3600000 AS hour, context_id, count(*) AS attempts, sum(cost_nano_usd) AS cost,
    sum(json_extract(quantities, '$.input')) AS input, sum(json_extract(quantities, '$.output')) AS output
FROM usage_attempts GROUP BY 1, 2
"""

STEPS = """
INSERT INTO usage_hours SELECT started_at / 3600000, context_id, printf('{word}_%02d', {step}), count(*)
FROM usage_attempts GROUP BY 1, 2, 3
"""


def step_of(ms):
    octave = ms.bit_length() - 1
    return 0 if ms == 0 else 2 * octave + 1 + (ms * ms >= 1 << (2 * octave + 1))


def tell(what):
    print(f"... {what}, {time.time() - BEGUN:.0f} s", file=sys.stderr)


def fill(database):
    database.execute("PRAGMA synchronous = OFF")
    database.execute("PRAGMA cache_size = -200000")
    contexts(database)
    span = DAYS * DAY * 1000
    for first in range(0, ROWS, BATCH):
        last = min(first + BATCH, ROWS)
        database.execute(ATTEMPTS, (first, last, BEGIN * 1000, span, ROWS, CONTEXTS, ROWS - LOGGED))
        database.commit()
        if last % (ROWS // 10 or 1) < BATCH:
            tell(f"{last} of {ROWS} rows")
    tell("sums of hours")
    database.execute(SUMS)
    for measure, column in [("attempts", "attempts"), ("requests", "attempts"), ("charged_nano_usd", "cost"),
                            ("input", "input"), ("output", "output")]:
        database.execute(f"INSERT INTO usage_hours SELECT hour, context_id, '{measure}', {column} FROM sums")
    for word, least in [("latency", 1500), ("first_token", 1000)]:
        steps = " ".join(f"WHEN {least << pace} THEN {step_of((least << pace) // 1000)}" for pace in range(7))
        column = "duration_us" if word == "latency" else "first_token_us"
        tell(f"sums of {word}")
        database.execute(STEPS.format(word=word, step=f"CASE {column} {steps} END"))
    tell("sums of days")
    database.execute("INSERT INTO usage_days SELECT hour / 24, context_id, measure, sum(amount)"
                     " FROM usage_hours GROUP BY 1, 2, 3")
    tell("sums of weeks")
    database.execute("INSERT INTO usage_weeks SELECT day / 7, context_id, measure, sum(amount)"
                     " FROM usage_days GROUP BY 1, 2, 3")
    database.commit()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def ask(path):
    gateway = urllib.parse.urlsplit(os.environ["GATEWAY"])
    connection = http.client.HTTPConnection(gateway.hostname, gateway.port, timeout=120)
    begun = time.perf_counter()
    connection.request("GET", path, headers={"authorization": f"Bearer {os.environ['ADMIN_KEY']}"})
    answer = connection.getresponse()
    body = answer.read()
    took = (time.perf_counter() - begun) * 1000
    assert answer.status == 200, (path, answer.status, body[:200])
    return took, json.loads(body)


def processor_time(pid):
    """Of a process, in milliseconds."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def main():
    begun = time.time()
    database = sqlite3.connect(os.environ["DATABASE"], timeout=60)
    fill(database)
    count = database.execute("SELECT count(*) FROM usage_days").fetchone()[0]
    print(f"{ROWS} rows over {DAYS} days in {CONTEXTS} contexts made in {time.time() - begun:.0f} s,"
          f" {count} sums of days, {os.path.getsize(os.environ['DATABASE']) >> 20} MiB")
    month = END - 30 * DAY
    worst = 0
    pid = os.environ["GATEWAY_PID"]
    for what, query in [
        ("by team, all days whole", f"by=team&from={BEGIN}&until={END}"),
        ("by key, all days whole", f"by=key&from={BEGIN}&until={END}"),
        ("by model, 30 days by the day", f"by=model&interval=day&from={month}&until={END}"),
        ("by team, 30 days by the day", f"by=team&interval=day&from={month}&until={END}"),
        ("of one team by model, all days by the day",
         f"by=model&interval=day&team_id={uuid(2, 3)}&from={BEGIN}&until={END}"),
        ("by provider, a day by the hour", f"by=provider&interval=hour&from={END - DAY}&until={END}"),
        ("by alias, an hour by the minute", f"by=alias&interval=minute&from={END - 3600}&until={END}"),
    ]:
        begun = processor_time(pid)
        times = [ask(f"/admin/v1/usage?{query}")[0] for _ in range(5)]
        used = (processor_time(pid) - begun) / len(times)
        worst = max(worst, statistics.median(times))
        print(f"{what}: {statistics.median(times):.0f} ms, {used:.0f} of a processor")
    _, told = ask(f"/admin/v1/usage?by=operation&from={BEGIN}&until={END}")
    exact = database.execute("SELECT count(*), sum(cost_nano_usd) FROM usage_attempts").fetchone()
    shown = (told["rows"][0]["attempts"], told["rows"][0]["charged_nano_usd"])
    assert shown == exact, (shown, exact)
    print(f"the slowest: {worst:.0f} ms")
    most = float(os.environ["MOST_MS"])
    sys.exit(0 if worst <= most else f"the slowest total takes more than {most:.0f} ms")


main()
