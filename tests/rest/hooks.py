"""What no description of requests can say, told to Schemathesis.

The run's own key must outlive the run, nobody but the run's own provider is called, and a change needs the version
that is there. Also, a request may be all that is described and still not fit: an id of nothing, a cursor of another
list, two members that exclude each other. Such answers are told apart by their `code` and by what they say of which
member; any other refusal of a described request is a failure.
"""

import base64
import itertools
import json
import os
import urllib.request
import uuid

import schemathesis

MALFORMED = {400, 406, 411, 413, 414, 415, 422, 428, 431}

# Refusals that are about what is there, not about what was sent.
ABOUT_THE_WORLD = {"bad_cursor", "stale", "conflict", "under_way", "not_found"}

# What is said in words beside the members: what one may be follows from another, or from the path.
ABOUT_ANOTHER_MEMBER = [
    ("endpoint", "is not `https`; only with `allow_private_network`"),
    ("endpoint", "is missing; this kind has no endpoint of its own"),
    ("endpoint", "has the place "),
    ("expires_at", "is one too many beside `expires_in_seconds`"),
    ("expires_at", "is not from "),
    ("role", "is for admin keys"),
    ("name", "stands there twice"),
    ("alias", "stands there twice"),
    ("real_name", "stands there twice"),
    ("value", "is not from "),
    ("api_key", "is missing: the endpoint leads to another server"),
    ("is_free", "must be true for a price of nothing"),
    ("subject_value", "is no id"),
    ("subject_value", "is no pattern"),
    ("subject_value", "there is no "),
    # the JSON of an account is more than a pattern can say
    ("api_key", "is not 1 to "),
    ("rolling_seconds", "must be there for a rolling window"),
    # no schema knows the names of time zones, of teams, or what a table in one string must hold
    ("time_zone", "is no time zone"),
    ("time_zone", "must be absent for a window"),
    ("time_zone", "stands beside `utc_offset_minutes`"),
    ("subject_value", "must be absent for the whole platform"),
    ("team", "there is no team "),
    ("teams", "there is no team "),
    ("provider", "there is no provider "),
    ("rules", "lead an alias back to itself"),
    ("rates", "a relative price has a `multiplier`"),
    ("multiplier", "must be given for a relative price"),
    ("csv", ""),
    ("url", "is no URL"),
    ("url", "must be `https`"),
    ("url", "bears a name or a password"),
    ("rates", "a ceiling must cost something"),
    ("like", "is needed, since"),
    ("until", "is not from "),
    *((limit, "and the other limits are for application keys") for limit in ("rate_limit", "token_limit", "max_concurrent")),
]


def claims(token: str) -> dict:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def first(path: str) -> str:
    key = {"authorization": f"Bearer {os.environ['NEXUS_ADMIN_KEY']}"}
    request = urllib.request.Request(f"{os.environ['NEXUS_URL']}/admin/v1{path}", headers=key)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["data"][0]["id"]


OWN_KEY = claims(os.environ["NEXUS_ADMIN_KEY"])["jti"]
OWN_PROVIDER = first("/providers")
OWN_CREDENTIAL = first(f"/providers/{OWN_PROVIDER}/credentials")
REQUESTS = itertools.count()


def is_positive(case) -> bool:
    return case.meta is not None and case.meta.generation.mode.is_positive


def is_trial(case) -> bool:
    return case.path.endswith("/test")


def ids(case) -> list:
    return [str(value) for value in (case.path_parameters or {}).values()]


def is_id(text: str) -> bool:
    try:
        return bool(uuid.UUID(text))
    except ValueError:
        return False


@schemathesis.hook
def filter_case(context, case):
    """What the run itself stands on may be looked at and tried, no more."""
    return case.method == "GET" or is_trial(case) or not {OWN_KEY, OWN_PROVIDER, OWN_CREDENTIAL} & set(ids(case))


def whole(value):
    """Whole numbers without a fraction: for JSON Schema `1.0` is one, in the description's words it is not."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [whole(item) for item in value]
    if isinstance(value, dict):
        return {name: whole(item) for name, item in value.items()}
    return value


@schemathesis.hook
def map_body(context, body):
    return whole(body)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Each request is one of its own, and a change is for the version a thing begins with."""
    if is_trial(case) and all(map(is_id, ids(case))):
        own = {"id": OWN_PROVIDER, "credential_id": OWN_CREDENTIAL}
        case.path_parameters = {name: own[name] for name in case.path_parameters}
    if not is_positive(case):
        return
    settle(case.query, case.body)
    if case.method == "DELETE" and isinstance(case.query, dict):
        # what was only looked at is not gone, and must not be taken to be
        case.query.pop("dry_run", None)
    for name in list(case.headers or {}):
        if name.lower() == "idempotency-key":
            case.headers[name] = f"request-{next(REQUESTS)}"
        elif name.lower() == "if-match":
            case.headers[name] = '"1"'


def settle(query, body):
    """Less of what cannot be, so that more is made and changed."""
    if isinstance(query, dict):
        query.pop("cursor", None)
    if isinstance(body, dict):
        if body.get("expires_in_seconds") is not None:
            body.pop("expires_at", None)
        if str(body.get("endpoint")).startswith("http:"):
            body["allow_private_network"] = True


# The same of what stands in a query.
ABOUT_ANOTHER_PARAMETER = ("`until` must be after `from`",)


def is_excused(problem: dict) -> bool:
    if problem.get("detail", "").startswith(ABOUT_ANOTHER_PARAMETER):
        return True
    if problem["code"] in ABOUT_THE_WORLD:
        return True
    flaws = problem.get("errors", [])
    return bool(flaws) and all(is_excused_flaw(flaw["pointer"], flaw["detail"]) for flaw in flaws)


def is_excused_flaw(pointer: str, detail: str) -> bool:
    if "/options" in pointer:
        # which there are, and what they may be, follows from the kind
        return True
    # of an entry of a list, the list
    member = pointer.rstrip("0123456789").rstrip("/").rsplit("/", 1)[-1]
    if member.endswith("_id"):
        return detail.startswith(("there is no such", "is missing; an application key belongs to a team"))
    return any(member == known and detail.startswith(said) for known, said in ABOUT_ANOTHER_MEMBER)


@schemathesis.check
def described_request_is_understood(ctx, response, case):
    """What the description allows is not refused for what it is."""
    if is_positive(case) and response.status_code in MALFORMED:
        assert is_excused(response.json()), f"{case.method} {case.path} was refused: {response.text}"
