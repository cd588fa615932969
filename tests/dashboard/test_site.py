"""The site as files: whole, linked, safe, the same twice; feed and badges are what their formats say."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import feedparser  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.dashboard.analysis.history_report import HistoryReport, analyze_history
from builder_contracts.dashboard.history import junit_reader, series
from builder_contracts.dashboard.history.import_files import ImportDefaults, add_files
from builder_contracts.dashboard.history.store import History, ImportBatch
from builder_contracts.dashboard.site import build, urls
from builder_contracts.dashboard.site.atom_feed import format_feed
from builder_contracts.dashboard.site.badge import draw_badge
from builder_contracts.errors import InputError
from tests.dashboard import web
from tests.dashboard.conftest import NOW
from tests.dashboard.reports import case, suite
from tests.dashboard.test_report import series as story
from tests.dashboard.test_report import tell

Told = tuple[HistoryReport, series.HistorySnapshot]

EVIL = "</script><script>window.pwned=1</script><img src=x onerror=window.pwned=1>\"'`{{7*7}}"


class Page(HTMLParser):
    """The elements of a page, and where it points."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def links(self) -> Iterator[str]:
        for _, attributes in self.tags:
            for name in ("href", "src", "data-src"):
                if value := attributes.get(name):
                    yield value

    def ids(self) -> set[str]:
        return {value for _, attributes in self.tags if (value := attributes.get("id"))}


def pages(folder: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text("utf-8")) for path in sorted(folder.rglob("*.html"))}


def test_a_secret_in_a_report_reaches_neither_history_nor_site(tmp_path: Path) -> None:
    """As a release that hid fewer secrets wrote it: found in one text, it is hidden in the others too."""
    token = "aB3dE5gH7jK9mN2pQ4rS"
    report_file = tmp_path / "night.xml"
    verdicts = [
        case(
            "dind/daemon/endpoint", verdict="broken", rung="C1", seen=f"DOCKER_HOST='tcp://u:{token}@h:2375'"
        ),
        case(
            "dind/daemon/ready",
            verdict="broken",
            rung="C1",
            seen=f"the client says {token}",
            look=f"jq {token}",
        ),
        case(
            "dind/network/proxy", verdict="broken", rung="C1", seen="kept", witness=f"proxy log: {token[:-2]}"
        ),
    ]
    report_file.write_bytes(suite(*verdicts))
    with History(tmp_path / "history.db") as history:
        assert not add_files(history, [report_file], ImportDefaults()).problems
        book = series.load_snapshot(history)
        report = analyze_history(book, NOW)
        build.write_site(report, book, tmp_path / "site", base="https://example.org/")
        files = [path for path in tmp_path.rglob("*") if path.is_file() and path != report_file]
    assert len(files) > 5
    assert [path.name for path in files if token[:12].encode() in path.read_bytes()] == []
    assert "(redacted)" in "".join(path.read_text("utf-8") for path in (tmp_path / "site").rglob("*.html"))


@pytest.fixture(scope="module")
def all_pages(demo: Path) -> dict[Path, Page]:
    return pages(demo)


def history(*cases: str, now: int = NOW) -> Told:
    """What a history of one report means."""
    results = junit_reader.read(io.BytesIO(suite(*cases)), "report.xml")
    from tests.dashboard.test_store import memory

    store = memory()
    store.add([ImportBatch(b"1", "report.xml", results)], now=now / 1000)
    book = series.load_snapshot(store)
    return analyze_history(book, now), book


# --- files -----------------------------------------------------------------------------------------


def test_every_view_is_a_page_with_its_json_beside_it(demo: Path, all_pages: dict[Path, Page]) -> None:
    names = {str(path.relative_to(demo)) for path in all_pages if "clauses" not in path.parts}

    assert names == {"index.html", "grid.html", "canaries.html", "flakes.html"}
    assert len(all_pages) == 4 + 112
    for path, page in all_pages.items():
        beside = json.loads(path.with_suffix(".json").read_text("utf-8"))
        assert beside["simulated"] is True
        assert f"{path.stem}.json" in set(page.links())


def test_every_link_of_every_page_leads_somewhere_in_the_site(
    demo: Path, all_pages: dict[Path, Page]
) -> None:
    checked = 0
    for path, page in all_pages.items():
        for link in page.links():
            parts = urlsplit(link)
            assert not parts.scheme, f"{path}: {link} needs a network"
            assert not parts.netloc, f"{path}: {link} needs a network"
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.is_relative_to(demo.resolve()), f"{path}: {link} leads out of the site"
            assert target.is_file(), f"{path}: {link} leads nowhere"
            if (
                parts.fragment
                and target.suffix == ".html"
                and target.name != "grid.html"
                and "=" not in parts.fragment
            ):
                anchors = all_pages[demo / target.relative_to(demo.resolve())].ids() | {
                    f"s-{name}" for name in ("kept", "broken", "unproven", "waived", "unknown")
                }
                assert parts.fragment in anchors, f"{path}: {link} has no such place"
            checked += 1
    assert checked > 2000


def test_every_page_says_that_its_data_is_simulated(all_pages: dict[Path, Page]) -> None:
    for path, page in all_pages.items():
        assert "Simulated data." in page.text, path


def test_real_data_is_not_said_to_be_simulated(tmp_path: Path) -> None:
    build.write_site(*history(case()), tmp_path / "site")

    for path, page in pages(tmp_path / "site").items():
        assert "imulated" not in page.text, path


def test_pages_run_no_script_but_the_site_s_own_files(all_pages: dict[Path, Page]) -> None:
    for path, page in all_pages.items():
        scripts = [attributes for tag, attributes in page.tags if tag == "script"]
        assert all(
            (attributes.get("src") or "").endswith(("assets/site.js", "assets/grid.js"))
            for attributes in scripts
        )
        assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes), path
        assert not any("style" in attributes for _, attributes in page.tags), path
        (policy,) = [
            a.get("content") for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"
        ]
        assert policy is not None
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_the_first_page_is_small(demo: Path) -> None:
    files = ["index.html", "assets/style.css", "assets/site.js"]

    assert sum((demo / name).stat().st_size for name in files) < 300_000


def test_the_same_history_gives_the_same_site(analyzed: Told, demo: Path, tmp_path: Path) -> None:
    build.write_site(*analyzed, tmp_path / "site", base="https://example.org/contracts/", frozen=True)

    first = {path.relative_to(demo): path.read_bytes() for path in demo.rglob("*") if path.is_file()}
    second = {
        path.relative_to(tmp_path / "site"): path.read_bytes()
        for path in (tmp_path / "site").rglob("*")
        if path.is_file()
    }
    assert first == second


def test_an_earlier_site_is_replaced_as_a_whole(tmp_path: Path) -> None:
    out = tmp_path / "site"
    build.write_site(*history(case()), out)
    build.write_site(*history(case("tinyland-dind/daemon/ready")), out)

    assert [path.parent.name for path in out.glob("clauses/*/*/*.html")] == ["tinyland-dind"]
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_folder_that_is_no_site_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")

    with pytest.raises(InputError, match="not a site built by builder-contracts"):
        build.write_site(*history(case()), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_nothing_is_left_of_a_site_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(build.SiteError, match="cannot write"):
        build.write_site(*history(case()), tmp_path / "file" / "site")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_site_build_removes_only_abandoned_partials(tmp_path: Path) -> None:
    script = (
        "import os, sys, pathlib\n"
        "from builder_contracts.dashboard.site import build\n"
        "with build._partial_folder(pathlib.Path(sys.argv[1])) as folder:\n"
        "    (folder / 'new').mkdir()\n"
        "    print(folder, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, tmp_path / "site"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        folder = Path(other.stdout.readline().strip())
        build.write_site(*history(case()), tmp_path / "site")
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([folder.name, "site"])
        other.kill()
    assert folder.is_dir(), "nothing was left: this shows nothing"

    build.write_site(*history(case()), tmp_path / "site")
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize("out", [".", "..", "here/..", "../here"])
def test_the_current_folder_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    with pytest.raises(InputError, match="contains the current directory"):
        build.write_site(*history(case()), Path(out))

    build.write_site(*history(case()), Path("../here/site"))
    assert (tmp_path / "here" / "site" / "index.html").is_file()


def test_an_empty_history_is_a_page_that_says_what_to_do(tmp_path: Path) -> None:
    with History(tmp_path / "h.db") as store:
        book = series.load_snapshot(store)
        build.write_site(analyze_history(book, NOW), book, tmp_path / "site")

    assert "builder-contracts history add" in pages(tmp_path / "site")[tmp_path / "site" / "index.html"].text


def test_pages_are_valid_html(demo: Path, tmp_path: Path) -> None:
    modules = web.modules()
    build.write_site(
        *history(case(f"c/k/{EVIL}", verdict="broken", seen=EVIL, ending="<failure/>")), tmp_path / "evil"
    )
    some = [
        *demo.glob("*.html"),
        *list(demo.rglob("clauses/**/*.html"))[::9],
        *(tmp_path / "evil").rglob("*.html"),
    ]

    done = web.node(
        "node_modules/html-validate/bin/html-validate.mjs",
        *("--config", str(web.HERE / "htmlvalidate.json"), "--formatter", "json"),
        *map(str, some),
        cwd=modules,
    )

    problems = [
        (Path(page["filePath"]).name, message["line"], message["ruleId"], message["message"])
        for page in json.loads(done.stdout)
        for message in page["messages"]
    ]
    assert problems == []


def test_scripts_type_check() -> None:
    modules = web.modules()
    assets = Path(build.__file__).parent / "assets"

    done = web.node(
        "node_modules/typescript/bin/tsc",
        *(
            "--allowJs",
            "--checkJs",
            "--noEmit",
            "--strict",
            "--target",
            "es2023",
            "--lib",
            "es2023,dom,dom.iterable",
        ),
        *(str(assets / "site.js"), str(assets / "grid.js")),
        cwd=modules,
    )

    assert done.stdout == ""


# --- what it says ----------------------------------------------------------------------------------


def test_overview_names_class_time_image_and_suspect(demo: Path, all_pages: dict[Path, Page]) -> None:
    text = re.sub(r"\s+", " ", all_pages[demo / "index.html"].text)

    assert "Night of Thu 12 Mar 2026" in text
    assert "tinyland-dind: 2 clauses broke in the run of 12 Mar 2026, 02:10 UTC" in text
    assert re.search(r"Suspect the image \([0-9a-f]{12} → [0-9a-f]{12}\): it changed in this run", text)
    assert "connection refused; the daemon listens on /run/docker.sock only" in text
    assert "start it with -H tcp://127.0.0.1:2375" in text
    assert "tinyland-docker: 1 clause broke in the run of" in text
    assert "linux-xr-docker" in text
    assert "no report last night" in text


def test_missing_results_show_on_card_and_in_list(tmp_path: Path) -> None:
    proofs = case("tinyland-nix/caches/nix-hit", started="2026-03-11T02:00:11Z")
    build.write_site(*history(proofs, case()), tmp_path / "site", frozen=True)

    text = re.sub(r"\s+", " ", pages(tmp_path / "site")[tmp_path / "site" / "index.html"].text)

    assert "1 without a result last night" in text
    assert "tinyland-nix caches/nix-hit last result 11 Mar 2026, 02:00 UTC" in text


def test_real_runners_come_before_images(tmp_path: Path) -> None:
    images = case(environment="embedded", runner="docker")
    pool = case(environment="tinyland", runner="local", rung="C3")
    build.write_site(*history(images, pool), tmp_path / "site", frozen=True)

    page = json.loads((tmp_path / "site" / "index.json").read_text("utf-8"))

    assert [environment["environment"] for environment in page["environments"]] == ["tinyland", "embedded"]


def test_the_clause_page_shows_both_sides_of_the_change(demo: Path) -> None:
    view = json.loads((demo / "clauses/simulated/tinyland-nix/toolchain.xz.json").read_text("utf-8"))

    broke = view["broke"]
    assert broke["before"]["verdict"] == "kept"
    assert broke["after"]["verdict"] == "broken"
    assert broke["mended"]["verdict"] == "kept"
    assert broke["before"]["run"]["image_digest"] != broke["after"]["run"]["image_digest"]
    assert broke["before"]["run"]["contract_digest"] == broke["after"]["run"]["contract_digest"]
    assert broke["suspects"] == ["image"]
    assert view["answers"] == 60
    assert len(view["seconds"]) == 60
    commands = [command["command"] for command in view["repeat"]]
    assert commands[0].startswith("builder-contracts check --builder tinyland-nix -k toolchain/xz")
    assert commands[-1] == "builder-contracts explain tinyland-nix/toolchain/xz"


def test_rerun_command_is_quoted_for_the_shell(analyzed: Told) -> None:
    from builder_contracts.dashboard.site.pages.clause import build_commands

    mean = history(case("c;rm -rf ~/toolchain/$(reboot) `x`", environment="e' 'f"))
    (clause,) = mean[0].classes[0].clauses

    command = build_commands(clause, mean[1])[0]["command"]
    import shlex

    assert shlex.split(command) == [
        *("builder-contracts", "check", "--builder", "c;rm -rf ~", "-k", "toolchain/$(reboot) `x`"),
        *("--image", "c;rm -rf ~=tinyland-nix", "--environment", "e' 'f"),
    ]


def test_unknown_clause_shows_last_result_not_since(demo: Path) -> None:
    def status(clause: str) -> str:
        text = pages(demo)[demo / "clauses" / "simulated" / f"{clause}.html"].text
        return re.sub(r"\s+", " ", text).partition("promised")[0]

    silent = status("linux-xr-docker/identity.shell")
    assert "since" not in silent
    assert re.search(r"unknown last result \d+ \w+ \d+, 02:13 UTC", silent)
    assert "kept C4 sustained since" in status("tinyland-nix/identity.shell")


def test_simulated_sizes_are_those_of_their_plots(demo: Path) -> None:
    for canary in json.loads((demo / "canaries.json").read_text("utf-8"))["groups"]:
        for clause in canary["clauses"]:
            if clause["local_id"] == "canaries/linux-xr-package":
                assert [clause["seen"]] == [measurement["last_words"] for measurement in clause["measured"]]


def test_the_drift_is_plotted_with_its_budget_and_told(demo: Path) -> None:
    view = json.loads((demo / "canaries.json").read_text("utf-8"))

    (kernel,) = [group for group in view["groups"] if group["name"] == "linux-xr"]
    (build,) = [clause for clause in kernel["clauses"] if clause["local_id"] == "canaries/linux-xr-build"]
    (cold,) = [measurement for measurement in build["measured"] if measurement["quantity"] == "cold_seconds"]
    assert cold["over"] is True
    assert cold["budget"] == 600
    assert cold["trend_words"].startswith("risen from")
    html = (demo / "canaries.html").read_text("utf-8")
    measured = sum(len(clause["measured"]) for group in view["groups"] for clause in group["clauses"])
    assert html.count('class="budget"') == html.count('class="plot"') == measured


def test_flakes_are_ranked_with_the_real_flakes_first(demo: Path) -> None:
    view = json.loads((demo / "flakes.json").read_text("utf-8"))

    ids = [flake["id"] for flake in view["flakes"]]
    assert set(ids[:2]) == {"tinyland-dind/daemon/ready", "tinyland-nix/caches/nix-substituted"}
    assert [flake["changes"] for flake in view["flakes"]] == sorted(
        (flake["changes"] for flake in view["flakes"]), reverse=True
    )
    assert "tinyland-nix/toolchain/xz" not in ids, "its image changed with it"


# --- hostile reports ---------------------------------------------------------------------------------


def test_markup_in_any_field_is_shown_inert(tmp_path: Path) -> None:
    fields: tuple[str, ...] = (
        "promised",
        "seen",
        "source",
        "likely",
        "look",
        "why",
        "image",
        "image_digest",
        "contract_digest",
    )
    fields += ("engine", "host", "runner", "environment", "witness", "identity")
    evil = dict.fromkeys(fields, EVIL)
    analyzed = history(
        case(f"{EVIL.replace('/', '')}/kind{EVIL}/name{EVIL}", verdict="broken", ending="<failure/>", **evil),
        case(f"c/canaries/{EVIL}", measured__cold_seconds="3", **{f"measured__{EVIL}": "3"}, **evil),
    )
    out = tmp_path / "site"
    build.write_site(*analyzed, out, base=f"https://x/{EVIL}")

    for path in out.rglob("*"):
        assert path.resolve().is_relative_to(out.resolve())
        if path.suffix == ".html":
            page = Page(path.read_text("utf-8"))
            assert [tag for tag, _ in page.tags if tag in ("img", "iframe", "object", "base")] == []
            scripts = [attributes.get("src") or "" for tag, attributes in page.tags if tag == "script"]
            assert all(source.startswith(("../" * 3, "assets")) for source in scripts)
            assert "49" not in re.findall(r"\{\{7\*7\}\}|\b49\b", page.text)
        elif path.suffix == ".js" and path.parent.name != "assets":
            text = path.read_text("utf-8")
            assert "<" not in text.removeprefix("builderContractsGrid(")
            json.loads(text.removeprefix("builderContractsGrid(").removesuffix(");\n"))
        elif path.suffix in (".svg", ".atom"):
            root = ElementTree.fromstring(path.read_text("utf-8"))  # noqa: S314 - written by this test
            assert not [element for element in root.iter() if element.tag.endswith(("script", "img"))]


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "..", ".", "/", "a/../b", "con", "x" * 500, "Ä", "\u202e", "A"]
)
def test_no_name_leads_a_page_out_of_the_site(name: str, tmp_path: Path) -> None:
    analyzed = history(case(f"{name.replace('/', '') or 'c'}/k/{name}", environment=name))
    build.write_site(*analyzed, tmp_path / "deep" / "site")

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(path.is_relative_to(tmp_path / "deep" / "site") for path in files)
    assert len([path for path in files if path.suffix == ".html"]) == 5


@given(st.lists(st.text(min_size=1, max_size=30), unique=True, min_size=2, max_size=8))
def test_names_never_share_a_file_ignoring_case(names: list[str]) -> None:
    slugs = [urls.slug(name) for name in names]

    assert len({slug.casefold() for slug in slugs}) == len(names)
    for slug in slugs:
        assert re.fullmatch(r"[a-z0-9._-]{1,80}", slug) or "/" not in slug
        assert slug not in (".", "..")
        assert not set(slug) & set('/\\:*?"<>|%#&\0')


def test_names_of_ours_stay_readable() -> None:
    assert urls.slug("toolchain/xz") == "toolchain.xz"
    assert urls.slug("filesystem/nix/store") == "filesystem.nix.store"
    assert urls.slug("environment/HTTP_PROXY") != urls.slug("environment/http_proxy")


# --- badges and feed ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nights", "words"),
    [
        ("kkkkkkkk", "c: kept 1/1 · C4 · 11 Oct"),
        ("kkkb", "c: broken 1/1 · 7 Oct"),
        ("kkkkkkkk kkkkkkkb", "c: broken 1/2 · 11 Oct"),
        ("kkkkkkkk kkkkkk", "c: kept 2/2 · C3 · 9 Oct"),
        ("kkkkkkkk kkkkkkkk", "c: kept 2/2 · C4 · 11 Oct"),
        ("kkkkkkkk kkkkkkkh", "c: kept 1/2, 1 host limit · C4 · 11 Oct"),
        ("kkkkkkkh", "c: kept 0/1, 1 host limit · 11 Oct"),
        ("kkku k", "c: unproven 1/2, unknown 1/2 · 7 Oct"),
        ("kkkkkkkk k", "c: unknown 1/2 · 11 Oct"),
        ("kkku", "c: unproven 1/1 · 7 Oct"),
        ("kkkw", "c: kept 0/1, 1 waived · 7 Oct"),
    ],
)
def test_badge_shows_state_rung_and_evidence_date(nights: str, words: str) -> None:
    (builder,) = tell(*(story(letters, name=str(at)) for at, letters in enumerate(nights.split()))).classes

    root = ElementTree.fromstring(draw_badge(builder))  # noqa: S314 - written by this test

    assert root.attrib["aria-label"] == words
    assert root.find("{http://www.w3.org/2000/svg}title") is not None


def test_badge_of_a_class_that_never_reported() -> None:
    report = tell(story("kkk"), contracts={"c": ["toolchain/n"], "new": ["toolchain/n"]})
    badges = {builder.builder: draw_badge(builder) for builder in report.classes}

    assert "new: unknown · never reported" in badges["new"]


@pytest.mark.parametrize("prefix", ["kernel claim: ", "claim of this kernel: "])
def test_kernel_claim_is_read_in_both_forms(tmp_path: Path, prefix: str) -> None:
    results = case("tinyland-docker/canaries/linux-xr-boot", witness=f"{prefix}K3 boots")
    build.write_site(*history(results), tmp_path / "site")

    (canary,) = json.loads((tmp_path / "site" / "canaries.json").read_text())["groups"]
    assert canary["claim"] == "K3 boots"


def test_a_badge_of_old_evidence_says_unknown() -> None:
    (builder,) = tell(story("kkkk"), hours=24 * 5).classes

    assert "unknown · 7 Oct" in draw_badge(builder)


def test_there_is_a_badge_for_every_class(demo: Path) -> None:
    names = {path.stem for path in (demo / "badges").rglob("*.svg")}

    assert names == {"tinyland-nix", "tinyland-docker", "tinyland-dind", "linux-xr-docker"}


def test_a_feed_reader_reads_the_feed(demo: Path) -> None:
    parsed = feedparser.parse((demo / "feed.atom").read_bytes())

    assert not parsed.bozo, parsed.get("bozo_exception")
    assert parsed.version == "atom10"
    assert parsed.feed.title == "Builder contracts: changes (simulated data)"
    assert len({entry.id for entry in parsed.entries}) == len(parsed.entries) > 20
    updated = [entry.updated for entry in parsed.entries]
    assert updated == sorted(updated, reverse=True)
    assert parsed.entries[0].title == "tinyland-dind (simulated): 2 broke, 1 newly unproven"
    assert "Suspect the image" in parsed.entries[0].summary
    for entry in parsed.entries:
        assert entry.link.startswith("https://example.org/contracts/")
        assert (demo / entry.link.removeprefix("https://example.org/contracts/")).is_file()


def entries(*stories: series.Series) -> list[tuple[str, str]]:
    """Title and text of the entries of a feed, the latest first."""
    book = series.HistorySnapshot((), (), {}, None, {0: "seen"})  # type: ignore[arg-type]
    parsed = feedparser.parse(format_feed(tell(*stories), book, ""))
    return [(entry.title, entry.summary) for entry in parsed.entries]


def test_only_what_broke_is_told_with_a_suspicion() -> None:
    assert entries(story("kbubk")) == [
        ("c (e): 1 kept again", "toolchain/n: kept (seen)"),
        ("c (e): 1 still broken", "toolchain/n: broken (seen)"),
        ("c (e): 1 newly unproven", "toolchain/n: unproven (seen)"),
        (
            "c (e): 1 broke",
            "Image and contract are unchanged. Suspect the runner's surroundings: cluster, node, settings.\n"
            "toolchain/n: broken (seen)",
        ),
    ]


def test_feed_tells_what_never_reported_and_what_fell_silent() -> None:
    promised = {"c": ["toolchain/n", "caches/hit"], "new": ["image/platform"], "d": ["toolchain/n"]}
    book = series.HistorySnapshot((), (), {}, None, {0: "seen"})  # type: ignore[arg-type]

    def told(nights: str) -> list[tuple[str, str, str]]:
        report = tell(story(nights), story("kk", builder="d"), contracts=promised)
        parsed = feedparser.parse(format_feed(report, book, ""))
        return [(entry.title, entry.summary, entry.id) for entry in parsed.entries]

    assert [entry[:2] for entry in told("kkkk")] == [
        ("new (e): unknown, never reported", "image/platform"),
        ("d (e): no report since 5 Oct 2024, 02:00 UTC", ""),
        ("c (e): 1 unknown, never reported", "caches/hit"),
    ]
    assert told("kkkk") == told("kkkkk")


def test_a_clause_that_begins_broken_is_news() -> None:
    (entry,) = entries(story("kkk"), story("--b", name="m"))

    assert entry == (
        "c (e): 1 broke",
        "New clause: broken at its first check.\ntoolchain/m: broken (seen)",
    )


@pytest.mark.parametrize("address", ["https://example.org/contracts", "https://example.org/contracts/"])
def test_feed_base_works_without_trailing_slash(address: str) -> None:
    book = series.HistorySnapshot((), (), {}, None, {0: ""})  # type: ignore[arg-type]

    parsed = feedparser.parse(format_feed(tell(story("kb")), book, address))

    assert parsed.entries[0].link.startswith("https://example.org/contracts/clauses/")


def test_feed_entries_keep_their_ids() -> None:
    def ids(nights: str) -> list[str]:
        analyzed = tell(story(nights))
        book = series.HistorySnapshot((), (), {}, None, {0: ""})  # type: ignore[arg-type]
        return re.findall(r"<entry>.*?<id>(.*?)</id>", format_feed(analyzed, book, ""), re.DOTALL)

    assert ids("kkbbk")[-1:] == ids("kkb") != []
    assert ids("kkkkk") == []
