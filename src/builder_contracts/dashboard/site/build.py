"""Write the static site: pages that need no server, and the same data as JSON next to each."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import importlib.resources
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from builder_contracts.dashboard.analysis.history_report import HistoryReport
from builder_contracts.dashboard.history.series import HistorySnapshot
from builder_contracts.dashboard.site import night_strip, urls, wording
from builder_contracts.dashboard.site.atom_feed import format_feed
from builder_contracts.dashboard.site.badge import draw_badge
from builder_contracts.dashboard.site.line_plot import PlotLine, draw_plot
from builder_contracts.dashboard.site.pages.canaries import build_canaries_page
from builder_contracts.dashboard.site.pages.clause import build_clause_page
from builder_contracts.dashboard.site.pages.flakes import build_flakes_page
from builder_contracts.dashboard.site.pages.grid import build_grid_page, build_grid_rows
from builder_contracts.dashboard.site.pages.overview import build_overview_page
from builder_contracts.dashboard.site.pages.parts import View
from builder_contracts.errors import BuilderContractsError, InputError, Location, Problem

MARK = ".builder-contracts-site"
"""A file in every site built here: a directory without it is never replaced."""


class SiteError(BuilderContractsError):
    """The site cannot be written."""


def write_site(
    report: HistoryReport,
    book: HistorySnapshot,
    out: Path,
    *,
    base: str = "",
    frozen: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Write the site to ``out`` atomically, and return the number of pages.

    ``base`` is the address that it will have, for the feed. ``frozen``: the report is of a stated time, so
    the pages do not grow older while they are looked at. Raises InputError when ``out`` is something else,
    SiteError when it cannot be written.
    """
    # A directory is replaced by renaming it, which fails for a dot or a link.
    out = out.resolve()
    if Path.cwd().is_relative_to(out):
        mend = "choose a new subdirectory, such as site"
        what = "contains the current directory, which would be deleted"
        raise InputError([Problem(Location(str(out), 1), what, mend)])
    if out.exists() and not (out.is_dir() and (not any(out.iterdir()) or (out / MARK).exists())):
        mend = "choose a new directory, an empty one, or an earlier site"
        raise InputError(
            [
                Problem(
                    Location(str(out), 1),
                    "not a site built by builder-contracts; refusing to replace it",
                    mend,
                )
            ]
        )
    try:
        with _partial_folder(out) as folder:
            new, pages = folder / "new", 0
            for path, text in render_site(report, book, base=base, frozen=frozen):
                file = new / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, "utf-8", "surrogatepass")
                if path.endswith(".html"):
                    pages += 1
                    progress(pages)
            with contextlib.suppress(FileNotFoundError):
                out.rename(folder / "old")
            new.rename(out)
    except OSError as error:
        raise SiteError(f"cannot write {out}: {error.strerror}") from None
    return pages


@contextlib.contextmanager
def _partial_folder(out: Path) -> Iterator[Path]:
    """A directory next to the site, removed at the end; those of killed builds are removed first.

    Its lock ends with its process, so a locked one belongs to a running build.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    for left in out.parent.glob(f".{glob.escape(out.name)}.*.partial"):
        with contextlib.suppress(OSError), _hold_lock(left):
            shutil.rmtree(left)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    with _hold_lock(folder):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _hold_lock(folder: Path) -> Iterator[None]:
    """Hold a folder's lock. Raises BlockingIOError when another process does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def count_pages(report: HistoryReport) -> int:
    """The number of pages of the site."""
    return 4 + sum(len(builder.clauses) for builder in report.classes)


def render_site(
    report: HistoryReport, book: HistorySnapshot, *, base: str = "", frozen: bool = False
) -> Iterator[tuple[str, str]]:
    """Every file of the site with its text, in the order of writing."""
    yield MARK, "Site built by builder-contracts dashboard build.\n"
    yield ".nojekyll", ""
    for name in ("style.css", "site.js", "grid.js"):
        yield (
            f"assets/{name}",
            importlib.resources.files(__package__).joinpath("assets", name).read_text("utf-8"),
        )
    page = _Pages(report, frozen=frozen).page
    yield from page("index", build_overview_page(report, book))
    yield from page("grid", build_grid_page(report))
    yield from page("canaries", build_canaries_page(report, book))
    yield from page("flakes", build_flakes_page(report, book))
    flaky = {id(flake.report): flake for flake in report.flakes}
    for builder in report.classes:
        rows = build_grid_rows(builder, report, book)
        file = urls.class_file("grid", builder.environment, builder.builder)
        yield f"{file}.json", _json(rows)
        # A script, because a page opened from a file may not fetch another file.
        yield f"{file}.js", f"builderContractsGrid({_script(rows)});\n"
        yield f"{urls.class_file('badges', builder.environment, builder.builder)}.svg", draw_badge(builder)
        for clause in builder.clauses:
            view = build_clause_page(clause, report, book, flaky.get(id(clause)))
            yield from page(urls.clause_page(clause.clause), view, template="clause")
    yield "feed.atom", format_feed(report, book, base)


class _Pages:
    def __init__(self, report: HistoryReport, *, frozen: bool) -> None:
        environment = Environment(
            loader=PackageLoader(__package__, "templates"),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.filters |= {
            "anchor": urls.anchor,
            "json": lambda value: json.dumps(value, separators=(",", ":")),
            "short": wording.shorten_digest,
            "quantity": lambda value, name: wording.format_quantity(name, value),
        }
        environment.globals |= {
            "seconds_plot": seconds_plot,
            "measured_plot": measured_plot,
            "strip": night_strip.draw_strip,
            "timeline": night_strip.draw_timeline,
            "frozen": frozen,
            "simulated": report.simulated,
        }
        self._environment = environment

    def page(self, path: str, view: View, template: str = "") -> Iterator[tuple[str, str]]:
        """A page and its JSON."""
        root = "../" * path.count("/")
        name = path.rpartition("/")[2]
        html = self._environment.get_template(f"{template or path}.html")
        yield f"{path}.html", html.render(view=view, root=root, page=template or path, beside=f"{name}.json")
        yield f"{path}.json", _json(view)


def seconds_plot(view: View) -> str:
    """The durations of a clause's results."""
    times, values = zip(*view["seconds"], strict=True)
    return draw_plot(
        PlotLine(times, values),
        f"Duration of {view['id']} over time",
        partial(wording.format_tick, "_seconds"),
    )


def measured_plot(measured: View, title: str) -> str:
    """A measured quantity and its budget."""
    times, values, budgets = zip(*measured["readings"], strict=True)
    quantity = measured["quantity"]
    top = 1.0 if quantity.endswith("_ratio") else None
    line = PlotLine(times, values, budgets)
    return draw_plot(
        line, title, partial(wording.format_tick, quantity), unit=quantity.rpartition("_")[2], top=top
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"


def _script(value: Any) -> str:
    """JSON that is safe in a separate script and inside a page."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
