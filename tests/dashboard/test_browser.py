"""Real Chromium drives the site from its files: every view, filter, link, key, theme and width."""

from __future__ import annotations

import io
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from builder_contracts.dashboard.analysis.history_report import analyze_history
from builder_contracts.dashboard.history import junit_reader, series
from builder_contracts.dashboard.history.store import ImportBatch
from builder_contracts.dashboard.site import build
from tests.dashboard import web
from tests.dashboard.browser import SCREENSHOTS, Browser, chromium
from tests.dashboard.reports import case, suite
from tests.dashboard.test_site import EVIL
from tests.dashboard.test_store import memory

# One browser a worker: they share it, and each test begins with a page of its own.
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

VIEWS = {
    "morning": "index.html",
    "grid": "grid.html",
    "clause": "clauses/simulated/tinyland-nix/toolchain.xz.html",
    "clause-broken": "clauses/simulated/tinyland-docker/canaries.linux-xr-build.html",
    "canaries": "canaries.html",
    "flakes": "flakes.html",
}
WIDTHS = {"phone": 360, "tablet": 800, "desk": 1400, "wide": 2560}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    shots = Path(os.environ.get(SCREENSHOTS) or tmp_path_factory.mktemp("screenshots"))
    shots.mkdir(parents=True, exist_ok=True)
    with chromium(shots) as started:
        yield started


@pytest.fixture
def browser(session: Browser) -> Browser:
    session.look()
    session.complaints()
    return session


@pytest.fixture(scope="module")
def axe() -> str:
    return (web.modules() / "node_modules/axe-core/axe.min.js").read_text("utf-8")


# --- every view ------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_serious(browser: Browser, demo: Path, axe: str, view: str, scheme: str) -> None:
    for width in (360, 1400):
        browser.look(width=width, scheme=scheme)
        browser.open(demo / VIEWS[view])
        assert browser.violations(axe) == [], f"{view}, {scheme}, {width}"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("view", VIEWS)
def test_no_view_is_wider_than_its_window_and_none_complains(
    browser: Browser, demo: Path, view: str, width: str
) -> None:
    for scheme in ("light", "dark"):
        browser.look(width=WIDTHS[width], scheme=scheme)
        browser.open(demo / VIEWS[view])
        overflow = browser.script("return document.documentElement.scrollWidth - innerWidth")
        browser.shot(f"{view}-{width}-{scheme}")
        assert overflow <= 0
        assert browser.complaints() == []


def test_every_view_is_reached_by_a_link_from_the_first(browser: Browser, demo: Path) -> None:
    browser.open(demo / "index.html")
    for label, heading in (
        ("Grid", "Grid"),
        ("Canaries", "Canaries"),
        ("Flakes", "Flakes"),
        ("Overview", "Night of"),
    ):
        browser.element(f"nav a[href$='{ {'Overview': 'index'}.get(label, label.lower()) }.html']").click()
        assert browser.element("h1").text.startswith(heading)
        assert browser.element("nav a[aria-current=page]").text == label
    browser.element(".incident .reasons a").click()
    assert browser.element("h1").text == "tinyland-dind/daemon/endpoint"
    browser.element(".crumbs a:nth-of-type(2)").click()
    browser.settle()
    assert Select(browser.element("select[name=class]")).first_selected_option.text == "tinyland-dind"


def test_first_screen_shows_class_time_image_and_cause(browser: Browser, demo: Path) -> None:
    browser.open(demo / "index.html")

    height = browser.script("return innerHeight")
    incident = browser.element(".incident")
    assert incident.rect["y"] + 120 < height, "the first incident begins below the first screen"
    text = incident.text
    assert "tinyland-dind: 2 clauses broke in the run of 12 Mar 2026, 02:10 UTC" in text
    assert "Suspect the image" in text
    assert browser.element(".incident .digest.changed").text in text
    (card,) = [element for element in browser.all(".card") if "tinyland-dind" in element.text]
    assert "broken" in card.text
    assert "2 newly broken" in card.text


@pytest.mark.parametrize(
    ("builder", "says", "leads_to"),
    [
        ("tinyland-dind", "2 newly broken", "broke in the run of 12 Mar 2026"),
        ("tinyland-docker", "broken for 19 nights", "broke in the run of 22 Feb 2026"),
    ],
)
def test_a_card_leads_to_what_broke_its_class(
    browser: Browser, demo: Path, builder: str, says: str, leads_to: str
) -> None:
    browser.look(width=360)
    browser.open(demo / "index.html")
    (card,) = [element for element in browser.all(".card") if builder in element.text]
    link = card.find_element("css selector", ".status a")
    assert link.text == says
    link.send_keys(Keys.ENTER)
    target = browser.script("return document.querySelector(':target').textContent")
    assert leads_to in target
    assert builder in target


def test_clause_history_marks_digests_that_changed(browser: Browser, demo: Path) -> None:
    """Image and contract changed while it was kept, and had nothing to do with the break."""
    browser.open(demo / VIEWS["clause-broken"])
    broken, kept = browser.all(".segments tbody tr")
    assert "unchanged" in browser.element(".suspicion").text
    assert broken.find_elements("css selector", ".digest.changed") == []
    assert re.search(r"[0-9a-f]{12} to [0-9a-f]{12}", kept.text)

    browser.open(demo / "clauses/simulated/tinyland-dind/daemon.endpoint.html")
    assert browser.all(".segments tbody tr:first-child .digest.changed")


def test_a_canary_s_clause_leads_to_its_measurements(browser: Browser, demo: Path) -> None:
    browser.open(demo / VIEWS["clause-broken"])
    browser.element("a[href*='canaries.html#']").send_keys(Keys.ENTER)
    shown = browser.script("return document.querySelector(':target').textContent")
    assert "linux-xr on tinyland-docker" in " ".join(shown.split())
    assert "over budget" in shown


def test_the_skip_link_is_first_and_leads_to_the_content(browser: Browser, demo: Path) -> None:
    browser.open(demo / "index.html")
    browser.element("body").send_keys(Keys.TAB)
    assert browser.driver.switch_to.active_element.text == "Skip to the content"
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.script("return document.activeElement.id") == "main"


# --- themes, print, decay ----------------------------------------------------------------------------


def background(browser: Browser) -> int:
    colour = browser.script("return getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3]))


def test_theme_follows_system_until_chosen_and_is_remembered(browser: Browser, demo: Path) -> None:
    browser.look(scheme="dark")
    browser.open(demo / "index.html")
    assert background(browser) < 150
    button = browser.element("#theme")
    assert button.text == "Theme: system"
    button.click()
    assert button.text == "Theme: light"
    assert background(browser) > 600
    browser.open(demo / "flakes.html")
    assert browser.element("#theme").text == "Theme: light"
    assert background(browser) > 600
    browser.element("#theme").click()
    assert browser.element("#theme").text == "Theme: dark"
    browser.look(scheme="light")
    assert background(browser) < 150
    browser.element("#theme").click()
    assert background(browser) > 600


def test_a_printed_page_is_light_and_without_controls(browser: Browser, demo: Path) -> None:
    browser.look(scheme="dark", media="print", width=800)
    for view in ("index.html", "grid.html"):
        browser.open(demo / view)
        assert background(browser) == 3 * 255
        assert browser.shown(".tools, .top nav, .filters, .keys") == []
        assert browser.shown("h1")
        browser.shot(f"print-{view.partition('.')[0]}")


def days_ago(days: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * 86_400))


def site_as_of(out: Path, built: float, *cases: str, frozen: bool = False) -> Path:
    """A site that was built some days ago; of a run an hour before where nothing else is given."""
    results = junit_reader.read(
        io.BytesIO(suite(*(cases or [case(started=days_ago(built + 1 / 24))]))), "report.xml"
    )
    store = memory()
    store.add([ImportBatch(b"1", "report.xml", results)])
    book = series.load_snapshot(store)
    now = round((time.time() - built * 86_400) * 1000)
    build.write_site(analyze_history(book, now), book, out, frozen=frozen)
    return out


@pytest.mark.parametrize(
    "page", ["index.html", "grid.html", "clauses/embedded/tinyland-nix/toolchain.xz.html"]
)
def test_evidence_goes_stale_on_a_site_not_rebuilt(browser: Browser, tmp_path: Path, page: str) -> None:
    old = site_as_of(tmp_path / "site", 4)
    assert ">kept<" in (old / "index.html").read_text("utf-8"), "it was fresh when it was built"

    browser.open(old / page)

    assert {element.text for element in browser.shown("main .state[data-expires]")} == {"unknown"}
    assert "not been rebuilt recently" in browser.element("#stale").text


@pytest.mark.parametrize(("days", "frozen"), [(1, False), (4, True)])
def test_fresh_and_frozen_evidence_stays_as_it_is(
    browser: Browser, tmp_path: Path, days: float, frozen: bool
) -> None:
    browser.open(site_as_of(tmp_path / "site", days, frozen=frozen) / "index.html")

    assert {element.text for element in browser.shown("main .state[data-expires]")} == {"kept"}
    assert not browser.shown("#stale")
    assert ("As of" in browser.element("footer").text) is frozen


SHOWN = """
const said = (place) => place?.innerText.replace(/\\s+/g, " ");
const found = {headline: said(document.querySelector(".headline")), status: said(document.querySelector("h1 + .status"))};
for (const one of document.querySelectorAll(".card")) {
  const parts = [".status .state", ".counts", ".reached"].map((part) => said(one.querySelector(part)));
  found[one.querySelector("h3").innerText] = [one.classList[1], ...parts];
}
for (const one of document.querySelectorAll(".gridclass")) {
  const rows = [...one.querySelectorAll("tbody tr:not(.kind)")].map(said).sort();
  found[one.dataset.class] = [one.querySelector(".fold use").getAttribute("href"), said(one.querySelector(".fold")), rows];
}
return found;
"""
"""What a page says of classes and clauses now, wherever on it that stands."""


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("index.html", "1 class unproven"),
        ("grid.html", "4 clauses, 2 not kept"),
        ("grid.html#state=unknown", "3 clauses of 2 classes shown"),
        ("clauses/embedded/tinyland-nix/toolchain.xz.html", "C3 live"),
        ("clauses/embedded/tinyland-nix/caches.nix.html", "unknown"),
    ],
)
def test_aged_site_says_what_a_new_build_says(browser: Browser, tmp_path: Path, page: str, says: str) -> None:
    nights = [
        case(rung="C3", runner="local", image_digest="", started=days_ago(2.2 + night)) for night in range(8)
    ]
    cases = [
        *nights,
        case("tinyland-nix/caches/nix", rung="C2", started=days_ago(3.2)),
        case("tinyland-nix/toolchain/git", verdict="waived", ending="<skipped/>", started=days_ago(2.2)),
        case("tinyland-nix/toolchain/jq", started=days_ago(9)),
        case("tinyland-dind/daemon/ready", verdict="broken", ending="<failure/>", started=days_ago(3.5)),
        case("tinyland-docker/toolchain/xz", started=days_ago(2.2)),
    ]
    file, _, place = page.partition("#")
    texts = []
    for built in (2.1, 0):
        out = site_as_of(tmp_path / str(built), built, *cases)
        browser.open(out / file, f"#{place}" if place else "")
        texts.append(browser.script(SHOWN))
        assert says in browser.element("body").text
        assert browser.element("#stale").is_displayed() is (built > 0)
        assert browser.complaints() == []

    assert texts[0] == texts[1]


def test_a_page_that_stays_open_grows_old_too(browser: Browser, tmp_path: Path) -> None:
    hurried = "const every = setInterval; window.setInterval = (work, pause) => every(work, pause / 1000);"
    added = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": hurried})
    try:
        browser.open(site_as_of(tmp_path / "site", 0) / "index.html")
    finally:
        browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    assert browser.element(".headline").text == "1 class kept"

    browser.script("const now = Date.now; Date.now = () => now() + 4 * 864e5")

    browser.wait(lambda: browser.element(".headline").text == "1 class unknown")
    assert browser.element(".card .reached").text == "no rung"


# --- the grid --------------------------------------------------------------------------------------


def rows(browser: Browser) -> list[str]:
    return browser.script(  # type: ignore[no-any-return]
        "return [...document.querySelectorAll('.gridclass:not([hidden]) .rows:not([hidden]) tbody tr:not(.kind) th')]"
        ".map(one => one.closest('.gridclass').dataset.class + '/' + one.textContent)"
    )


def choose(browser: Browser, name: str, value: str) -> None:
    turn = browser.turn()
    Select(browser.element(f"select[name={name}]")).select_by_visible_text(value)
    browser.settle(turn + 1)


def search(browser: Browser, text: str) -> None:
    turn = browser.turn()
    field = browser.element("#search")
    field.clear()
    field.send_keys(text)
    browser.settle(turn + 1)
    browser.wait(lambda: browser.script("return location.hash").find("q=") >= 0 or not text)


def test_grid_shows_every_clause_worst_class_first(browser: Browser, demo: Path) -> None:
    browser.open(demo / "grid.html")

    shown = rows(browser)
    assert len(shown) == 112
    assert shown[0].startswith("tinyland-dind/")
    assert "112 clauses of 4 classes shown" in browser.element("#shown").text


def test_the_grid_can_be_read_without_colour(browser: Browser, demo: Path) -> None:
    """Each verdict has a symbol of its own in the cells, and a height of its own where they are too narrow."""
    browser.open(demo / "grid.html")
    marks = browser.script(
        "return [...document.querySelectorAll('#patterns pattern')].map(one => one.querySelector('use').getAttribute('href'))"
    )
    assert sorted(marks) == ["#s-broken", "#s-kept", "#s-unproven", "#s-waived"]
    browser.look(width=360)
    browser.open(demo / "grid.html", "#nights=all")
    tops = browser.script(
        "const found = {};"
        "for (const one of document.querySelectorAll('.gridtable rect.cell')) found[one.className.baseVal] = one.getAttribute('y');"
        "return found"
    )
    assert len(set(tops.values())) == len(tops) == 4


def test_phone_shows_kinds_and_as_many_nights_as_fit(browser: Browser, demo: Path) -> None:
    browser.look(width=360)
    browser.open(demo / "grid.html")

    assert len(browser.all("#patterns pattern use")) == 4
    boxes = [element.rect for element in browser.all("tr.kind th")]
    assert len(boxes) > 20
    assert all(0 <= box["x"] < 100 and box["width"] > 50 for box in boxes)
    assert browser.element(".gridtable tbody a").text == "image-builds"
    assert browser.driver.current_url.endswith("grid.html")


def test_filters_narrow_and_live_in_the_address(browser: Browser, demo: Path) -> None:
    browser.open(demo / "grid.html")

    choose(browser, "class", "tinyland-nix")
    assert len(rows(browser)) == 34
    choose(browser, "kind", "caches")
    assert rows(browser) == [
        "tinyland-nix/caches/nix-unsigned",
        "tinyland-nix/caches/bazel-grpc-upload",
        "tinyland-nix/caches/nix-substituted",
    ]
    address = browser.driver.current_url
    assert address.endswith("#class=tinyland-nix&kind=caches")

    browser.open(demo / "grid.html", "#" + address.partition("#")[2])
    assert len(rows(browser)) == 3
    assert Select(browser.element("select[name=kind]")).first_selected_option.text == "caches"


@pytest.mark.parametrize(
    ("state", "expected"),
    [("broken", 4), ("unproven", 1), ("waived", 1), ("unknown", 12), ("needs attention", 17)],
)
def test_the_verdict_filter_shows_what_stands_so_now(
    browser: Browser, demo: Path, state: str, expected: int
) -> None:
    browser.open(demo / "grid.html")
    choose(browser, "state", state)

    assert len(rows(browser)) == expected


def test_changed_in_view_depends_on_the_nights_in_view(browser: Browser, demo: Path) -> None:
    browser.open(demo / "grid.html", "#state=changed&class=tinyland-nix")
    assert "tinyland-nix/toolchain/xz" not in rows(browser)
    choose(browser, "nights", "all")
    assert "tinyland-nix/toolchain/xz" in rows(browser)


def test_search_looks_into_names_promises_and_what_was_seen(browser: Browser, demo: Path) -> None:
    browser.open(demo / "grid.html")

    search(browser, "xz tinyland-nix")
    assert rows(browser) == ["tinyland-nix/toolchain/xz"]
    search(browser, "nobody promised this")
    assert rows(browser) == []
    assert "0 clauses" in browser.element("#shown").text
    search(browser, "connection refused")
    assert rows(browser) == ["tinyland-dind/daemon/endpoint", "tinyland-dind/environment/DOCKER_HOST"]
    assert [element.get_attribute("data-class") for element in browser.shown(".gridclass")] == [
        "tinyland-dind"
    ]


def test_grid_groups_by_kind_or_keeps_contract_order(browser: Browser, demo: Path) -> None:
    browser.open(demo / "grid.html", "#class=tinyland-nix")
    kinds = [element.text for element in browser.shown("tr.kind")]
    assert kinds == sorted(kinds)
    assert len(kinds) == 11
    turn = browser.turn()
    browser.element("input[name=group]").click()
    browser.settle(turn + 1)
    assert browser.shown("tr.kind") == []
    assert "group=no" in browser.driver.current_url
    assert rows(browser)[0] == "tinyland-nix/image/platform"


def test_arrow_key_leads_from_search_to_its_results(browser: Browser, demo: Path) -> None:
    browser.open(demo / "grid.html")
    search(browser, "connection refused")
    turn = browser.turn()

    browser.driver.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    # Longer than the pause after which a change of the search would have drawn the grid anew.
    time.sleep(0.4)

    assert browser.turn() == turn
    assert browser.driver.switch_to.active_element.text == "daemon/endpoint"
    assert "connection refused" in browser.element("#tip").text


def test_a_class_folds_and_unfolds(browser: Browser, demo: Path) -> None:
    browser.open(demo / "grid.html")
    before = len(rows(browser))
    turn = browser.turn()
    browser.element(".gridclass .fold").click()
    browser.settle(turn + 1)
    assert len(rows(browser)) == before - 31
    assert browser.element(".gridclass .fold").get_attribute("aria-expanded") == "false"


def test_hover_shows_promise_and_observation_click_opens(browser: Browser, demo: Path) -> None:
    browser.open(demo / "grid.html", "#q=DOCKER_HOST&state=broken")
    picture = browser.element(".gridtable .nights svg:not([aria-label^=dates])")
    ActionChains(browser.driver).move_to_element_with_offset(
        picture, round(picture.rect["width"] / 2) - 4, 0
    ).perform()
    browser.wait(lambda: browser.element("#tip").is_displayed())
    text = browser.element("#tip").text
    assert "2026-03-12: broken" in text
    assert "promised DOCKER_HOST names the class's own daemon" in text
    assert "observed tcp://localhost:2375: connection refused" in text
    assert "image changed to" in text
    picture.click()
    browser.wait(lambda: browser.element("h1").text == "tinyland-dind/environment/DOCKER_HOST")


def test_the_keyboard_reaches_every_night(browser: Browser, demo: Path) -> None:
    browser.open(demo / "grid.html", "#class=tinyland-dind&kind=daemon")
    body = browser.element("body")
    body.send_keys("/")
    assert browser.script("return document.activeElement.id") == "search"
    browser.driver.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    assert browser.driver.switch_to.active_element.text == "daemon/endpoint"
    assert "2026-03-12: broken" in browser.element("#tip").text
    browser.driver.switch_to.active_element.send_keys(Keys.ARROW_LEFT)
    assert "2026-03-11: kept" in browser.element("#tip").text
    browser.driver.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    assert browser.driver.switch_to.active_element.text == "daemon/own"
    tip, window = browser.element("#tip").rect, browser.script("return [innerWidth, innerHeight]")
    assert tip["x"] >= 0
    assert tip["x"] + tip["width"] <= window[0]
    browser.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not browser.element("#tip").is_displayed()
    browser.driver.switch_to.active_element.send_keys(Keys.ARROW_UP, Keys.ENTER)
    browser.wait(lambda: browser.element("h1").text == "tinyland-dind/daemon/endpoint")
    browser.driver.back()
    browser.settle()
    assert rows(browser) == [
        "tinyland-dind/daemon/endpoint",
        "tinyland-dind/daemon/own",
        "tinyland-dind/daemon/ready",
    ]


def test_on_a_phone_the_latest_nights_are_in_view(browser: Browser, demo: Path) -> None:
    browser.look(width=360)
    browser.open(demo / "grid.html", "#class=tinyland-dind")
    right, window = browser.script(
        "const svg = document.querySelector('.gridtable tbody .nights svg').getBoundingClientRect();"
        "return [svg.right, innerWidth]"
    )
    assert right <= window


LONG_NAMES = [
    "tinyland-nix/filesystem/home/runner/actions-runner/cached/_work/_tool/node_modules/a-package-of-a-long-name",
    "gpu-builder-with-a-name-that-is-longer-than-anybody-would-like-2xlarge-arm64/environment/"
    "BUILDER_CONTRACTS_VARIABLE_WITH_A_NAME_THAT_HAS_NO_END_IN_SIGHT_FOR_A_WHOLE_LINE",
]


@pytest.fixture(scope="module")
def long_names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of 31 nights whose classes, clauses and environments have long names."""
    cases = [
        case(
            name,
            environment=environment,
            started=days_ago(night + 0.1),
            verdict="broken" if night == 3 else "kept",
        )
        for name in LONG_NAMES
        for environment in ("embedded", "honey-pool-with-a-long-name-of-its-own")
        for night in range(31)
    ]
    return site_as_of(tmp_path_factory.mktemp("long") / "site", 0, *cases)


@pytest.mark.parametrize("width", [1280, 1440, 390, 360])
def test_grid_is_whole_with_long_names(browser: Browser, long_names: Path, width: int) -> None:
    browser.look(width=width)
    for page in ("grid.html", "index.html"):
        browser.open(long_names / page)
        browser.shot(f"long-names-{page.partition('.')[0]}-{width}")
        wide, tables, outside = browser.script(
            "const right = (one) => one.getBoundingClientRect().right;"
            "return [document.documentElement.scrollWidth - innerWidth,"
            " [...document.querySelectorAll('.rows')].map((one) => one.scrollWidth - one.clientWidth),"
            " [...document.querySelectorAll('main *:not(th > a, th > a *)')]"
            ".filter((one) => right(one) > innerWidth).map((one) => one.outerHTML.slice(0, 90))]"
        )
        assert wide <= 0
        assert tables == ([0] * 4 if page == "grid.html" else [])
        # A name that does not fit its column ends in an ellipsis, and is whole in its title.
        assert outside == []
    boxes = [element.rect for element in browser.all(".environment")]
    assert boxes[1]["y"] - boxes[0]["y"] - boxes[0]["height"] >= 40
    assert [element.text for element in browser.all(".eyebrow")] == [
        "embedded",
        "honey-pool-with-a-long-name-of-its-own",
    ]


@pytest.mark.parametrize("width", [1280, 390])
def test_date_of_a_single_night_is_not_cut(browser: Browser, tmp_path: Path, width: int) -> None:
    browser.look(width=width)
    browser.open(site_as_of(tmp_path / "site", 0) / "grid.html")

    left, right, edge, overflow = browser.script(
        "const text = document.querySelector('.axis').getBoundingClientRect();"
        "const picture = document.querySelector('thead svg').getBoundingClientRect();"
        "const rows = document.querySelector('.rows');"
        "return [text.left - picture.left, picture.right - text.right, innerWidth - text.right,"
        " rows.scrollWidth - rows.clientWidth]"
    )
    assert min(left, right, edge) >= 0
    assert overflow == 0


def test_question_mark_lists_the_keys(browser: Browser, demo: Path, axe: str) -> None:
    browser.open(demo / "grid.html")
    body = browser.element("body")
    assert not browser.shown("#keys")

    body.send_keys("?")
    assert browser.element("#keys h2").text == "Keys"
    assert len(browser.shown("#keys dt")) == 6
    assert browser.violations(axe) == []
    browser.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not browser.shown("#keys")

    browser.element("#search").send_keys("?")
    assert not browser.shown("#keys")


# --- the other pages ---------------------------------------------------------------------------------


def test_the_pointer_reads_values_off_a_plot(browser: Browser, demo: Path) -> None:
    browser.open(demo / VIEWS["clause-broken"])
    plot = browser.element("svg.plot")
    ActionChains(browser.driver).move_to_element_with_offset(
        plot, round(plot.rect["width"] / 2) - 8, 0
    ).perform()
    browser.wait(lambda: browser.element(".readout").text != "")

    text = browser.element(".readout").text
    view = json.loads((demo / VIEWS["clause-broken"]).with_suffix(".json").read_text("utf-8"))
    assert text.startswith("2026-03-12: ")
    value = float(re.findall(r"([\d.]+) s$", text)[0])
    assert value == pytest.approx(view["seconds"][-1][1], rel=0.02)


def test_the_canaries_page_says_what_is_over_its_budget(browser: Browser, demo: Path) -> None:
    browser.open(demo / "canaries.html")

    (over,) = browser.shown("figure.over")
    assert "over budget" in over.text
    assert "risen from" in over.text
    assert len(browser.shown("svg.plot .budget")) == len(browser.shown("svg.plot"))


# --- hostile ---------------------------------------------------------------------------------------


def test_script_in_a_report_never_runs(browser: Browser, tmp_path: Path) -> None:
    evil = dict.fromkeys(
        ("promised", "seen", "likely", "why", "look", "host", "image", "image_digest", "witness"), EVIL
    )
    clause = f"c<img src=x onerror=window.pwned=1>/k{EVIL.replace('/', '')}/n{EVIL}"
    results = junit_reader.read(
        io.BytesIO(suite(case(clause, verdict="broken", ending="<failure/>", environment=EVIL, **evil))), "r"
    )
    store = memory()
    store.add([ImportBatch(b"1", "r", results)])
    book = series.load_snapshot(store)
    build.write_site(analyze_history(book, results[0].started or 0), book, tmp_path / "site", frozen=True)

    opened = 0
    for page in sorted((tmp_path / "site").rglob("*.html")):
        browser.open(page)
        if page.name == "grid.html":
            browser.element("body").send_keys(Keys.ARROW_DOWN)
            assert EVIL in browser.element("#tip").text
        assert browser.script("return window.pwned") is None
        assert browser.all("main img") == []
        assert browser.complaints() == []
        opened += 1
    assert opened == 5
