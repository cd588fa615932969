"""How the history and the dashboard bear a year: 365 nights of 10 classes of 150 clauses, 550,000 results.

usage: python benchmarks/dashboard.py [--nights N] [--no-browser]

Wall times are of one run on this machine, and grow with what else it does; CPU times hardly do. What is meant
to hold elsewhere are the ratios, of CPU time: adding against merely parsing the same files with ElementTree
from the standard library, and adding one night to a long history against adding it to a short one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

from builder_contracts.dashboard.demo import story
from builder_contracts.dashboard.demo.report_files import simulate_nights
from builder_contracts.dashboard.history.import_files import ImportDefaults, add_files
from builder_contracts.dashboard.history.store import History

CLASSES, CLAUSES, NIGHTS = 10, 150, 365
LAST = date(2026, 3, 12)
MAIN = "from builder_contracts.cli import main; main()"


def pool(classes: int, clauses: int, nights: int) -> list[story.SimulatedClass]:
    """Classes whose clauses break by chance, with a new image every nine nights."""
    promises = [
        story.SimulatedClause(
            f"toolchain/tool-{number:03}",
            f"tool-{number:03} >=1.{number} in the job's PATH",
            f"tool-{number:03} 1.{number} at /usr/bin/tool-{number:03}",
            flaky=0.004,
            flaky_seen="not found in /usr/local/bin:/usr/bin:/bin",
        )
        for number in range(clauses)
    ]
    return [
        story.SimulatedClass(f"class-{number:02}", promises, tuple(range(0, nights, 9)))
        for number in range(classes)
    ]


def write(folder: Path, nights: Iterator[tuple[str, str]]) -> list[Path]:
    files = []
    for name, text in nights:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        files.append(path)
    return files


def command(*arguments: str | Path) -> tuple[float, float]:
    """Wall and CPU seconds of one command, from the start of its process to its end; CPU of that process alone."""
    before, started = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-c", MAIN, *map(str, arguments)], check=True, capture_output=True)
    took, after = time.perf_counter() - started, os.times()
    return took, after.children_user + after.children_system - before.children_user - before.children_system


SHARE = 10
"""What is measured in this process is measured with every tenth file."""


def parse(files: list[Path]) -> float:
    """CPU seconds that ElementTree takes to parse all files."""
    started = time.process_time()
    for path in files[::SHARE]:
        ElementTree.parse(path)  # noqa: S314 - files of our own
    return (time.process_time() - started) * SHARE


def add_alone(folder: Path, files: list[Path], at_once: int = 30) -> float:
    """CPU seconds of adding all files in one process; so few at once start no others."""
    started = time.process_time()
    with History(folder / "alone.db") as history:
        for at in range(0, len(files[::SHARE]), at_once):
            add_files(history, files[::SHARE][at : at + at_once], ImportDefaults())
    return (time.process_time() - started) * SHARE


def one_night(folder: Path, nights: int = 1000) -> tuple[float, float]:
    """CPU seconds of adding one night of 150 results: the least of nights 5 to 25, and of the last 21.

    CPU and not wall, and the least: what other processes do at the same time only ever adds to it.
    """
    files = write(folder, simulate_nights(pool(1, 150, nights), last=LAST, count=nights))
    took = []
    for path in files:
        started = time.process_time()
        with History(folder / "nights.db") as history:
            add_files(history, [path], ImportDefaults())
        took.append(time.process_time() - started)
    return min(took[4:25]), min(took[-21:])


def program(*names: str) -> str:
    """The first of these programs that is installed."""
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        sys.exit(
            f"{names[0]} is not installed: apt-get install chromium chromium-driver, or use --no-browser"
        )
    return path


def interactive(page: Path, chromium: str, chromedriver: str) -> float:
    """Seconds until the page's scripts have run in a headless Chromium, the median of five loads."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
    flags += " --disable-background-networking --disable-component-update"
    os.environ["SE_OFFLINE"] = "true"
    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (*flags.split(), f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=Service(chromedriver))
        try:
            took = []
            for _ in range(5):
                driver.get("about:blank")
                driver.get(page.as_uri())
                ended = "return performance.getEntriesByType('navigation')[0].loadEventEnd"
                took.append(float(driver.execute_script(ended)) / 1000)
        finally:
            driver.quit()
    return statistics.median(took)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nights", type=int, default=NIGHTS)
    parser.add_argument("--no-browser", action="store_true", help="leave Chromium out")
    chosen = parser.parse_args()
    browser = []
    if not chosen.no_browser:
        browser = [program("chromium", "chromium-browser", "google-chrome"), program("chromedriver")]
    with tempfile.TemporaryDirectory(prefix="builder-contracts-benchmark-") as name:
        folder = Path(name)
        classes = pool(CLASSES, CLAUSES, chosen.nights)
        files = write(folder / "junit", simulate_nights(classes, last=LAST, count=chosen.nights))
        size = sum(path.stat().st_size for path in files)
        load = f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
        print(
            f"{len(files):,} files, {len(files) * CLAUSES:,} results, {size / 2**20:.0f} MiB of JUnit; {load}"
        )
        plain = parse(files)
        used = add_alone(folder, files)
        added, _ = command("history", "add", "--history", folder / "h.db", folder / "junit")
        stored = (folder / "h.db").stat().st_size / 2**20
        print(f"added in {added:.1f} s (aim: under 10 s); {stored:.0f} MiB")
        print(f"adding takes {used:.0f} s of CPU, {used / plain:.2f} times parsing alone")
        site = folder / "site"
        built, spent = command(
            "dashboard", "build", "--history", folder / "h.db", "--out", site, "--as-of", f"{LAST}T08:00:00Z"
        )
        print(f"site built in {built:.1f} s (aim: under 12 s), {spent:.0f} s of CPU")
        first = sum(
            (site / part).stat().st_size for part in ("index.html", "assets/style.css", "assets/site.js")
        )
        print(f"first page {first / 1000:.0f} kB (aim: under 300 kB)")
        if browser:
            for page in ("index.html", "grid.html"):
                took = interactive(site / page, *browser)
                print(f"{page} interactive in {took:.2f} s in headless Chromium (aim: under 1 s)")
        early, late = one_night(folder / "nights")
        print(
            f"one night of 150 results: {early * 1000:.0f} ms of CPU at night 10, {late * 1000:.0f} ms at night 1,000, "
            f"ratio {late / early:.2f}"
        )


if __name__ == "__main__":
    main()
