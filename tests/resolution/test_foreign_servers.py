"""Resolution when the servers are of foreign make: referrals of all kinds, mistakes, and malice.

A test plays the servers: a function that gets an ``Ask`` and says what comes back.
"""

from collections.abc import Callable
from dataclasses import replace
from math import inf

import pytest

from resolver.cache import Route, RouteCache
from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.errors import UpstreamError, UpstreamTimeout
from resolver.model.site import PRIMARY, Interface, Protocol, Purpose, Site
from resolver.resolution import Ask, Done, Limits, Question, Reply, Resolution
from resolver.wire.answer import Answer
from resolver.wire.bodies import Body, ErrorAnswer, RecordAnswer, ReferralAnswer
from resolver.wire.envelope import Envelope
from resolver.wire.message import Message
from resolver.wire.values import ValueList
from tests.support.memory_network import UNIX_NOW, site, site_value, text_value

ROOT, TOP, WORKS = site("root", 1), site("top", 2), site("works", 3)
HANDLE = "10.1/x"
FOUND = [text_value(1, "URL", "https://example.com/x")]

Server = Callable[[Ask], Message | UpstreamError]


def message(code: int, body: Body | None = None, *, authoritative: bool = True) -> Message:
    return Message(
        envelope=Envelope(),
        op_code=OpCode.RESOLVE,
        response_code=code,
        flags=OpFlag.AUTH if authoritative else 0,
        body=body or ErrorAnswer(""),
    )


def record(ask: Ask, values: list) -> Message:
    return message(ResponseCode.SUCCESS, RecordAnswer(ask.request.handle, ValueList.of(values)))


def referral(code: int, handle: str = "", values: list | None = None) -> Message:
    return message(code, ReferralAnswer(handle, None if values is None else ValueList.of(values)))


class Play:
    """Runs a resolution against a function that plays all servers."""

    def __init__(self, server: Server, **limits: float) -> None:
        self.server = server
        self.limits = Limits(**limits)
        self.asked: list[tuple[str, str]] = []
        self.now = 1000.0
        self.routes = RouteCache(
            1 << 20, ttl_cap_s=3600, negative_ttl_s=60, hints=(Route("", delegation=(ROOT,)),)
        )

    def resolve(self, handle: str = HANDLE, **question: bool) -> Answer:
        resolution = Resolution(Question(handle, **question), self.routes, self.limits)
        step = resolution.start(self.now, UNIX_NOW)
        while not isinstance(step, Done):
            self.asked.append((step.site.attribute("name") or "", step.request.handle))
            outcome = self.server(step)
            if isinstance(outcome, UpstreamError):
                self.now += step.timeout
                step = resolution.resume(outcome, self.now)
            else:
                step = resolution.resume(Reply(outcome, "127.0.0.1:1", "tcp", 0.01), self.now)
        return step.answer


def reason(answer: Answer) -> str:
    assert isinstance(answer.body, ErrorAnswer)
    return answer.body.message or ""


def test_a_referral_with_values_is_followed():
    def server(ask: Ask) -> Message:
        if ask.site == ROOT:
            return referral(
                ResponseCode.PREFIX_REFERRAL, "", [site_value(1, "HS_SITE.PREFIX", TOP)]
            )
        if ask.site == TOP:
            return record(ask, [site_value(1, "HS_SITE", WORKS)])
        return record(ask, FOUND)

    play = Play(server)
    answer = play.resolve()
    assert answer.code == ResponseCode.SUCCESS
    assert play.asked == [
        ("root", "0.NA/10"),
        ("top", "0.NA/10"),
        ("root", "0.NA/10.1"),
        ("top", "0.NA/10.1"),
        ("works", HANDLE),
    ]


@pytest.mark.parametrize("type_", ["HS_SERV.PREFIX", ""])
def test_a_referral_to_a_service_handle_is_followed(type_: str):
    """The service handle stands in a value, or in the place of the handle."""

    def server(ask: Ask) -> Message:
        match ask.site.attribute("name"), ask.request.handle:
            case "root", "0.NA/10.2":
                return record(ask, [site_value(1, "HS_SITE", TOP)])
            case "root", "0.NA/10":
                return message(ResponseCode.HANDLE_NOT_FOUND)
            case "root", "0.NA/10.1":
                if type_:
                    values = [text_value(1, type_, "10.2/SERVICE")]
                    return referral(ResponseCode.PREFIX_REFERRAL, "", values)
                return referral(ResponseCode.PREFIX_REFERRAL, "10.2/SERVICE")
            case "top", "10.2/SERVICE":
                return record(ask, [site_value(1, "HS_SITE", WORKS)])
            case "works", "0.NA/10.1":
                return record(ask, [site_value(1, "HS_SITE", WORKS)])
        return record(ask, FOUND)

    play = Play(server)
    assert play.resolve().code == ResponseCode.SUCCESS
    assert ("top", "10.2/SERVICE") in play.asked
    assert play.asked[-1] == ("works", HANDLE)


def test_referrals_in_a_circle_end():
    def server(ask: Ask) -> Message:
        other = TOP if ask.site == ROOT else ROOT
        return referral(ResponseCode.PREFIX_REFERRAL, "", [site_value(1, "HS_SITE.PREFIX", other)])

    play = Play(server)
    answer = play.resolve()
    assert answer.code == ResponseCode.RECURSION_TOO_HIGH
    assert "circle" in reason(answer)
    assert len(play.asked) == 2


def test_referrals_that_lead_on_and_on_end():
    def server(ask: Ask) -> Message:
        number = int((ask.site.attribute("name") or "root0")[4:] or 0) + 1
        further = site(f"root{number}", number)
        return referral(
            ResponseCode.PREFIX_REFERRAL, "", [site_value(1, "HS_SITE.PREFIX", further)]
        )

    play = Play(server)
    answer = play.resolve()
    assert answer.code == ResponseCode.ERROR
    assert "16 requests" in reason(answer)
    assert len(play.asked) == 16


def test_service_handles_that_lead_on_and_on_end():
    def server(ask: Ask) -> Message:
        handle = ask.request.handle
        if handle == "0.NA/10":
            return message(ResponseCode.HANDLE_NOT_FOUND)
        number = int(handle.rpartition(".")[2]) + 1
        return record(ask, [text_value(1, "HS_SERV", f"10.{number}/S")])

    play = Play(server, max_asks=100)
    answer = play.resolve()
    assert answer.code == ResponseCode.RECURSION_TOO_HIGH
    assert "more than 10 times" in reason(answer)


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (referral(ResponseCode.PREFIX_REFERRAL), "leads nowhere"),
        (referral(ResponseCode.SERVICE_REFERRAL, "", []), "leads nowhere"),
        (message(ResponseCode.PREFIX_REFERRAL), "leads nowhere"),
        (
            referral(
                ResponseCode.PREFIX_REFERRAL,
                "",
                [text_value(1, "HS_SITE.PREFIX", "this is no site record")],
            ),
            "leads nowhere",
        ),
    ],
)
def test_a_referral_that_leads_nowhere(reply: Message, text: str):
    answer = Play(lambda ask: reply).resolve()
    assert answer.code == ResponseCode.ERROR
    assert text in reason(answer)


def test_a_prefix_referral_for_an_identifier_is_refused():
    """Only 0.NA/ handles have prefixes below them; following it could lead anywhere."""

    def server(ask: Ask) -> Message:
        if ask.request.handle == HANDLE:
            return referral(
                ResponseCode.PREFIX_REFERRAL, "", [site_value(1, "HS_SITE.PREFIX", TOP)]
            )
        return record(ask, [site_value(1, "HS_SITE", WORKS)])

    answer = Play(server).resolve()
    assert answer.code == ResponseCode.ERROR
    assert "not a prefix handle" in reason(answer)


def test_the_next_site_is_asked_primaries_first():
    mirror = Site(site("mirror", 9).servers, flags=0, attributes=(("name", "mirror"),))
    assert not mirror.flags & PRIMARY

    def server(ask: Ask) -> Message | UpstreamError:
        if ask.request.handle != HANDLE:
            return record(ask, [site_value(1, "HS_SITE", mirror), site_value(2, "HS_SITE", WORKS)])
        return UpstreamTimeout("works is silent") if ask.site == WORKS else record(ask, FOUND)

    play = Play(server)
    answer = play.resolve()
    assert answer.code == ResponseCode.SUCCESS
    assert [name for name, handle in play.asked if handle == HANDLE] == ["works", "mirror"]
    assert [hop.kind for hop in answer.hops][-2:] == ["timeout", "answer"]


def test_what_all_sites_refuse_is_refused():
    def server(ask: Ask) -> Message:
        if ask.request.handle == HANDLE:
            return message(ResponseCode.SERVER_BUSY)
        return record(ask, [site_value(1, "HS_SITE", WORKS)])

    assert Play(server).resolve().code == ResponseCode.SERVER_BUSY


def test_the_deadline_ends_a_resolution():
    play = Play(lambda ask: UpstreamTimeout("silent"), deadline_s=5, ask_timeout_s=2)
    began = play.now
    answer = play.resolve()
    assert answer.code == ResponseCode.ERROR
    assert play.now - began <= 5


def test_restricted_values_cannot_be_relayed():
    def server(ask: Ask) -> Message:
        if ask.request.handle == HANDLE:
            return message(ResponseCode.AUTHENTICATION_NEEDED)
        return record(ask, [site_value(1, "HS_SITE", WORKS)])

    answer = Play(server).resolve(public_only=False)
    assert answer.code == ResponseCode.UNABLE_TO_AUTHENTICATE
    assert "authentication" in reason(answer)


def test_a_prefix_that_nobody_serves():
    def server(ask: Ask) -> Message:
        return record(ask, [text_value(1, "DESC", "a prefix without a site")])

    answer = Play(server).resolve()
    assert answer.code == ResponseCode.HANDLE_NOT_FOUND
    assert "no site serves" in reason(answer)


def test_a_refusal_of_the_parent_is_passed_on():
    answer = Play(lambda ask: message(ResponseCode.INSUFFICIENT_PERMISSION)).resolve()
    assert answer.code == ResponseCode.INSUFFICIENT_PERMISSION


@pytest.mark.parametrize(
    "handle",
    [
        "/x",
        "0.NA/",
        "",
        ".88.1/x",
        "88..1/x",
        "88./x",
        "0.NA/.88",
        "0.NA/88.",
        ".",
        "1" + ".1" * 32,
    ],
)
def test_a_prefix_that_cannot_be_walked(handle: str):
    play = Play(lambda ask: record(ask, FOUND))
    answer = play.resolve(handle)
    assert answer.code == ResponseCode.INVALID_HANDLE
    assert play.asked == []


def test_nobody_to_ask():
    play = Play(lambda ask: record(ask, FOUND))
    play.routes = RouteCache(1 << 20, ttl_cap_s=1, negative_ttl_s=1, hints=())
    answer = play.resolve()
    assert answer.code == ResponseCode.ERROR
    assert "nobody is known" in reason(answer)


@pytest.mark.parametrize("service", [".88/S", "/S", "10.9/none"])
def test_a_service_that_is_not_there_says_nothing_about_the_name(service: str):
    def server(ask: Ask) -> Message:
        if ask.request.handle == "0.NA/10.1":
            return record(ask, [text_value(1, "HS_SERV", service)])
        return message(ResponseCode.HANDLE_NOT_FOUND)

    answer = Play(server).resolve()
    assert answer.code == ResponseCode.ERROR
    assert f"the service handle {service} is not found" in reason(answer)


def test_a_site_of_thousands_of_interfaces_is_skipped():
    """It would take two hundred megabytes, and 50 ms to read, for each that is sent."""
    interface = Interface(Purpose.BOTH, Protocol.TCP, 1)
    server_ = replace(WORKS.servers[0], interfaces=(interface,) * 2000)
    huge = Site((server_,), attributes=(("name", "huge"),))

    def server(ask: Ask) -> Message:
        return record(ask, [site_value(1, "HS_SITE", huge)])

    answer = Play(server).resolve()
    assert "no site serves" in reason(answer)


def test_an_authoritative_question_to_the_holder_of_the_record():
    """A node that holds the route itself, and knows nobody above."""
    play = Play(lambda ask: record(ask, FOUND))
    play.routes = RouteCache(1 << 20, ttl_cap_s=60, negative_ttl_s=60, hints=())
    play.routes.put(Route("10.1", sites=(WORKS,), ttl=60), play.now)
    assert play.resolve(authoritative=True).code == ResponseCode.SUCCESS


# Several sites


def of_several_sites(nearness: dict[str, float], **question: bool) -> list[str]:
    """Who is asked for the identifier when three sites hold it."""
    sites = tuple(
        replace(site, flags=PRIMARY if name == "b" else 0)
        for name, site in (("a", WORKS), ("b", WORKS), ("c", WORKS))
        for site in [replace(site, attributes=(("name", name),))]
    )
    routes = RouteCache(1 << 20, ttl_cap_s=3600, negative_ttl_s=60)
    routes.put(Route("10.1", sites=sites, ttl=3600), 1000.0)
    asked: list[str] = []
    resolution = Resolution(
        Question(HANDLE, **question),
        routes,
        Limits(),
        lambda site, handle: nearness[site.attribute("name") or ""],
    )
    step = resolution.start(1000.0, UNIX_NOW)
    while not isinstance(step, Done) and len(asked) < 3:
        assert isinstance(step, Ask)
        asked.append(step.site.attribute("name") or "")
        step = resolution.resume(UpstreamError("silent"), 1000.0)
    return asked


def test_the_site_that_answers_soonest_is_asked_first():
    assert of_several_sites({"a": 0.2, "b": 0.1, "c": 0.01}) == ["c", "b", "a"]


def test_a_site_that_nobody_knows_is_asked_once_to_know():
    assert of_several_sites({"a": 0.02, "b": 0.01, "c": 0.0})[0] == "c"


def test_a_site_that_is_left_alone_is_asked_last():
    assert of_several_sites({"a": 0.2, "b": inf, "c": 0.3}) == ["a", "c", "b"]


def test_the_primary_site_is_asked_where_nothing_is_known():
    assert of_several_sites({"a": 0.0, "b": 0.0, "c": 0.0})[0] == "b"


def test_an_authoritative_answer_comes_from_a_primary_site():
    assert of_several_sites({"a": 0.01, "b": 0.5, "c": 0.02}, authoritative=True)[0] == "b"
