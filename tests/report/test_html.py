"""``report.html`` in a real browser: it sorts, filters, plots, and asks nobody for anything."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cnnbench import plots
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.probes.memory.settings import MemorySetting
from cnnbench.report import html
from cnnbench.results import csv_files, tables
from cnnbench.results.tables import Run
from cnnbench.text import neutral
from tests.records import FORMULA, HOSTILE, Book, everything
from tests.report.browsing import Seen, chromium

PUBLISHED = Path(__file__).parents[2] / "results" / "published"
ON_FRONT = "#tradeoff [aria-label*='on the Pareto front']"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return everything(tmp_path_factory.mktemp("html") / "suite" / "run")


@pytest.fixture(scope="module")
def file(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(html.page(run), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def seen(browser: Any, file: Path) -> Iterator[Seen]:
    seen = Seen(browser, file)
    yield seen
    assert seen.errors == []
    assert [url for url in seen.requests if url != file.as_uri() and url != "data:,"] == []
    assert seen.page.evaluate("typeof hacked") == "undefined"
    seen.page.close()


def test_it_sorts_both_ways_with_blanks_last(seen: Seen) -> None:
    assert seen.names()[:3] == ["Big", "Small", "Worse"]
    seen.sort("Latency p50")
    assert seen.names() == ["Small", HOSTILE, FORMULA, "Big", "Worse", "Broken"]
    seen.sort("Latency p50")
    assert seen.names() == ["Worse", "Big", FORMULA, HOSTILE, "Small", "Broken"]
    seen.sort("Model")
    assert seen.names()[-1] == "Worse"


def test_it_filters_by_name(seen: Seen) -> None:
    seen.page.fill("#find", "sma")
    assert seen.names() == ["Small"]
    seen.page.fill("#find", "")
    assert len(seen.names()) == 6


def test_the_page_opens_with_the_best_network_of_each_question(seen: Seen) -> None:
    tiles = seen.page.locator("#glance .tile").all_inner_texts()
    assert [tile.split("\n")[:2] for tile in tiles] == [
        ["Most accurate", "Big"],
        ["Fastest", "Small"],
        ["Fewest MACs", "Small"],
        ["Least memory", "Small"],
    ]


def test_which_class_is_taken_for_which(seen: Seen) -> None:
    section = seen.page.locator("#confusion")
    cells = section.locator(".role-mark > [aria-label]")
    labels = [cell.get_attribute("aria-label") for cell in cells.all()]
    assert labels[:2] == [
        "cat predicted as cat: 600 of 666",
        f"cat predicted as {HOSTILE}: 60 of 666",
    ]
    assert len(labels) == 9
    mistakes = section.locator("#mistakes li").all_inner_texts()
    assert mistakes[0] == f"cat predicted as {HOSTILE}: 9.0 % (60 of 666)"
    assert mistakes[-1] == "2 seeds summed"
    seen.choose("Network", "Small")
    seen.expect("#confusion .role-mark > [aria-label]", 9)


def test_columns_and_intervals_can_be_shown_and_hidden(seen: Seen) -> None:
    heads = seen.page.locator("#table thead button")
    before = heads.count()
    seen.page.get_by_text("Columns", exact=True).click()
    seen.page.locator("#columns").get_by_label("MACs", exact=True).uncheck()
    assert heads.count() == before - 1
    seen.page.locator("#columns").get_by_label("Latency p90 cpu/litert/b1", exact=True).check()
    assert heads.count() == before
    seen.page.keyboard.press("Escape")
    assert "±" in seen.page.locator("#table tbody").inner_text()
    seen.page.uncheck("#intervals")
    assert "±" not in seen.page.locator("#table tbody").inner_text()


def test_the_reader_picks_the_axes_and_the_front_follows(seen: Seen) -> None:
    assert "Top-1" in (seen.page.locator("#tradeoff .plot").text_content() or "")
    seen.expect("#tradeoff [tabindex]", 5)
    # What lacks a number is named in words, which the keyboard need not stop at.
    assert seen.page.get_by_label("Not plotted: Broken", exact=True).count() == 1
    # By latency and top-1: Small, the hostile one and Big; the other two are beaten.
    seen.expect(ON_FRONT, 3)
    seen.choose("Across", "MACs")
    seen.page.locator("#tradeoff").get_by_text("MACs →").wait_for()
    seen.choose("Up", "Params")
    # Params are MACs / 100: the smallest is best in both.
    seen.expect(ON_FRONT, 1)
    seen.page.locator("#tradeoff [aria-label^='Big:']").focus()
    tip = seen.page.locator("#tip").inner_text()
    assert tip.startswith("Big")
    assert "500 M" in tip


def test_logarithms_are_the_reader_s_choice(seen: Seen) -> None:
    before = seen.page.locator("#tradeoff svg").inner_html()
    seen.page.locator("#tradeoff").get_by_label("logarithmic").uncheck()
    seen.page.locator("#tradeoff").get_by_text("15 ms", exact=True).wait_for()
    assert seen.page.locator("#tradeoff svg").inner_html() != before


def test_a_redraw_leaves_the_keyboard_where_it_was(seen: Seen) -> None:
    def focused() -> str:
        words = "document.activeElement.ariaLabel || document.activeElement.textContent"
        return str(seen.page.evaluate(words))

    seen.page.locator("#table thead button").nth(2).focus()
    before = focused()
    seen.page.keyboard.press("Enter")
    assert focused() == before != ""
    for place in ("#latency", "#tradeoff"):
        seen.page.locator(f"{place} .controls select").last.focus()
        name = seen.page.evaluate("document.activeElement.name")
        seen.page.keyboard.press("ArrowDown")
        seen.page.evaluate("new Promise((done) => setTimeout(done, 300))")
        assert seen.page.evaluate("document.activeElement.name") == name
    seen.page.locator("#latency .controls input").focus()
    seen.page.keyboard.press("Space")
    assert seen.page.evaluate("document.activeElement.type") == "checkbox"


def test_it_copies_what_is_shown_as_csv(seen: Seen) -> None:
    seen.sort("MACs")
    rows = list(csv.DictReader(io.StringIO(seen.page.evaluate("tableAsCsv()"))))
    assert [row["model"] for row in rows][:3] == ["Small", HOSTILE, "'" + FORMULA]
    assert float(rows[0]["macs"]) == 1e8
    assert float(rows[0]["latency_p50_s_ci_low@cpu/litert/b1"]) < 0.005 * 2
    seen.page.click("#copy")
    seen.page.get_by_text("6 rows copied").wait_for()


def test_a_copied_cell_is_what_the_csv_has(seen: Seen) -> None:
    texts = [
        "=1", "'=1", "''=1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x",
        "1=1", "'", "'x", "", "a,b", 'say "x"',
    ]  # fmt: skip
    for text in texts:
        copied = seen.page.evaluate("text => csvCell(text)", text)
        ((cell,),) = csv.reader(io.StringIO(f"{copied or chr(34) * 2}\n", newline=""))
        assert cell == neutral(text)


def test_what_failed_says_why(seen: Seen) -> None:
    row = seen.page.locator("#table tbody tr").filter(has_text="Broken")
    assert "oom: out of memory at 2 GiB" in row.inner_text()


def test_every_section_is_there_and_enough_to_run_it_again(seen: Seen) -> None:
    heads = seen.page.locator("h2:visible").all_inner_texts()
    assert heads == [
        "Trade-off",
        "Table",
        "Latency by runtime",
        "Memory, measured and predicted",
        "Memory over time",
        "Learning curves",
        "Which class is taken for which",
        "How it was measured",
    ]
    seen.expect("#memory [tabindex]", 10)  # five measured, five predicted
    seen.expect("#learning [tabindex]", 5 * 2 * 2)  # networks, seeds, epochs
    lines = seen.page.locator("#timelines .mark-line path")
    assert lines.count() == 5
    assert lines.first.get_attribute("d").count("L") == 3
    phase = seen.page.locator("#timelines [aria-label*='batch of 1']").first
    assert "peak in this phase 900 MB" in phase.get_attribute("aria-label")
    text = seen.page.locator("#how").inner_text()
    for words in ("Test CPU", "libraries tensorflow", "2.21.0", "multiply-add", "cnnbench run"):
        assert words in text
    assert HOSTILE in (seen.page.locator("details pre").text_content() or "")


def test_a_phone_needs_no_sideways_scrolling_and_the_dark_is_dark(browser: Any, file: Path) -> None:
    options = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
    seen = Seen(browser, file, **options)
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
    ground = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(part) for part in re.findall(r"\d+", ground)) < 60
    bubble = "getComputedStyle(document.querySelector('#tradeoff [tabindex]')).fill"
    dark = seen.page.evaluate(bubble)
    seen.page.emulate_media(media="print")
    assert not seen.page.locator("nav").is_visible()
    assert seen.page.evaluate(bubble) != dark, "paper is light"
    assert seen.errors == []
    seen.page.close()


def test_a_bare_report_has_a_page_too(browser: Any, run: Run, tmp_path: Path) -> None:
    table = tmp_path / "report.csv"
    table.write_text(csv_files.to_csv(run.report))
    page = tmp_path / "page.html"
    page.write_text(html.page(tables.load(table)))
    seen = Seen(browser, page)
    assert len(seen.names()) == 6
    assert not seen.page.locator("#learning").is_visible()
    assert not seen.page.locator("#timelines").is_visible()
    assert seen.errors == []
    seen.page.close()


def test_runtime_and_batch_are_the_reader_s_choice(browser: Any, tmp_path: Path) -> None:
    book = Book()
    graph = LatencySetting(runtime="graph", batch_size=32)
    for place, name in enumerate(["A", "B"], 1):
        book.static(name, macs=1e8 * place, params=1e6)
        book.latency(name, 0.01 * place).latency(name, 0.5 / place, setting=graph)
        memory = {"memory_infer_peak_bytes": 8e6 * place, "memory_ratio": 2.0}
        book.record(name, MemorySetting(batch_size=8), 0, memory)
    page = tmp_path / "page.html"
    page.write_text(html.page(tables.load(book.write(tmp_path / "run"))))
    seen = Seen(browser, page)
    seen.choose("Up", "MACs")
    seen.choose("Across", "Latency p50 cpu/graph/b32")
    seen.page.locator("#tradeoff").get_by_text("Latency p50 cpu/graph/b32 →").wait_for()
    seen.expect(ON_FRONT, 2)  # A has fewer MACs, B is faster
    seen.choose("Across", "Latency p50 cpu/litert/b1")
    seen.expect(ON_FRONT, 1)
    seen.expect("#latency [tabindex]", 4)
    # Nothing was counted at b8: measured ÷ (measured ÷ predicted) is what was predicted.
    seen.page.locator("#memory [aria-label^='A: predicted']").focus()
    assert "4 MB" in seen.page.locator("#tip").inner_text()
    assert seen.errors == []
    seen.page.close()


def test_an_empty_run_says_so(browser: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(html.page(tables.load(Book().write(tmp_path / "run"))))
    seen = Seen(browser, page)
    assert "This run is empty" in seen.page.locator("main").inner_text()
    assert not seen.page.locator("#table").is_visible()
    assert seen.errors == []
    seen.page.close()


def test_published_and_measured_stand_in_the_page_too(browser: Any, tmp_path: Path) -> None:
    book = Book()
    for place, name in enumerate(["VGG16", HOSTILE, "C", "D", "E"], 1):
        facts = {"published_cpu_s": 0.01 * place, "published_size_bytes": 4e6 * place}
        book.static(name, weight_bytes=4e6 * place, macs=1e8, **facts).latency(name, 0.01 * place)
    page = tmp_path / "page.html"
    page.write_text(html.page(tables.load(book.write(tmp_path / "run"))))
    seen = Seen(browser, page)
    text = seen.page.locator("#published").inner_text()
    assert "Spearman" in text
    assert "1.00" in text
    assert HOSTILE in text
    assert seen.page.evaluate("typeof hacked") == "undefined"
    assert seen.errors == []
    seen.page.close()


def test_a_touch_tells_what_a_hover_tells(browser: Any, file: Path) -> None:
    options = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    seen = Seen(browser, file, **options)
    seen.page.locator("#tradeoff [aria-label^='Small,']").tap()
    seen.expect("#tip.visible", 1)
    assert seen.page.locator("#tip").inner_text().startswith("Small")
    seen.page.close()


def test_paper_shows_what_is_folded_away(browser: Any, file: Path) -> None:
    seen = Seen(browser, file)
    suite = seen.page.locator("details pre")
    assert not suite.is_visible()
    seen.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert suite.is_visible()
    seen.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not suite.is_visible()
    assert len(seen.page.pdf()) > 20_000
    seen.page.close()


def test_an_inspection_s_page_draws_its_layers_and_tells_them(browser: Any, tmp_path: Path) -> None:
    layer = {"output_shape": [8, 8, 4], "flops": 20, "receptive_field_px": 3}
    sizes = {"macs": 10, "params": 4, "activation_bytes": 2000, "live_bytes": 4000}
    found = {
        "model": HOSTILE,
        "input_shape": [8, 8, 3],
        "batch_size": 1,
        "notes": [],
        "metrics": {"macs": 20},
        "bounds": {},
        "layers": [{"name": name, "type": "Conv2D", **layer, **sizes} for name in ("a", HOSTILE)],
    }
    page = tmp_path / "inspection.html"
    page.write_text(html.inspection_page(found, "one a multiply-add."))
    seen = Seen(browser, page, color_scheme="dark", viewport={"width": 390, "height": 844})
    for name in ("macs", "params", "activation_bytes", "live_bytes"):
        seen.expect(f"#{name} [tabindex]", 2)
    seen.page.locator("#live_bytes [tabindex]").first.focus()
    assert "4 kB" in seen.page.locator("#tip").inner_text()
    assert seen.page.evaluate("typeof hacked") == "undefined"
    assert seen.errors == []
    assert [url for url in seen.requests if url not in (page.as_uri(), "data:,")] == []
    seen.page.close()


def test_the_page_is_one_file_that_holds_its_data(run: Run) -> None:
    text = html.page(run).replace(plots.library(), "")
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", text)
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert block is not None
    data = json.loads(block[1])
    assert [row["model"] for row in data["rows"]][3] == HOSTILE
    assert text.count("<script") == 3
    policy = re.search(r'Content-Security-Policy"\s+content="(.*?)"', text)
    assert policy is not None
    allowed = {"default-src 'none'", "style-src 'unsafe-inline'", "img-src data:"}
    assert set(policy[1].split("; ")) == allowed | {"script-src 'unsafe-inline'"}


def test_a_page_without_charts_has_no_library(tmp_path: Path) -> None:
    text = html.page(tables.load(Book().write(tmp_path / "run")))
    assert len(text) < 50_000


@pytest.mark.parametrize("name", sorted(path.name for path in PUBLISHED.glob("[!.]*")))
def test_a_published_run_fits_in_two_megabytes(name: str) -> None:
    assert len(html.page(tables.load(PUBLISHED / name)).encode()) < 2_000_000
