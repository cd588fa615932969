"""The documentation as a site: every link leads somewhere, nothing comes from other hosts, and the search finds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import website
from tests.dashboard.browser import chromium

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("website")]

LOADED = re.compile(r"""<(?:script|img|iframe)\b[^>]*\bsrc="([^"]+)"|<link\b[^>]*\bhref="([^"]+)""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All pages as a site; the build is strict about links and anchors."""
    out = tmp_path_factory.mktemp("site")
    assert website.build(out) == 0
    return out


def test_every_page_is_in_the_site(site: Path) -> None:
    pages = [path.relative_to(website.ROOT) for path in (website.ROOT / "docs").rglob("*.md")]
    assert all((site / page.with_suffix(".html")).is_file() for page in pages)
    assert "url=README.html" in (site / "index.html").read_text("utf-8")


def test_nothing_is_loaded_from_other_hosts(site: Path) -> None:
    loaded = {
        "".join(match) for page in site.rglob("*.html") for match in LOADED.findall(page.read_text("utf-8"))
    }
    assert loaded
    assert [link for link in loaded if re.match(r"\w+:|//", link)] == []
    styles = "".join(style.read_text("utf-8") for style in site.rglob("*.css"))
    assert re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:|//)[^)\"']*", styles) == []


@pytest.mark.browser
def test_a_reader_finds_a_page_by_a_word(site: Path, tmp_path: Path) -> None:
    with chromium(tmp_path) as browser:
        browser.open(site / "README.html")
        field = browser.element("input[name=q]")
        field.send_keys("attestation")
        field.submit()
        browser.wait(lambda: browser.all("ul.search li a"))
        links = [link.get_attribute("href") or "" for link in browser.all("ul.search li a")]
    assert any("docs/how-to/deploy-on-evidence.html" in link for link in links), links


def test_links_that_lead_nowhere_fail_the_build(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# Documentation\n")
    links = ["absent.md", "docs/index.md#no-such-anchor", "docs/"]
    (tmp_path / "README.md").write_text("# Title\n\n" + " ".join(f"[text]({link})" for link in links))
    assert website.build(tmp_path / "out", tmp_path) != 0
    complaints = capfd.readouterr().err
    assert [name for name in ("'absent.md'", "'no-such-anchor'", "'docs/'") if name not in complaints] == []
    assert not (tmp_path / "out" / "index.html").exists()
