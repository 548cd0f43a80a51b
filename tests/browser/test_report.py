"""The report in a browser: it loads nothing, fits every screen, is legible, and runs no code."""

import json
from pathlib import Path

import msgspec
import pytest

from tests.browser.chromium import Browser, BrowserFailed
from workbench.rounds.iterate import Wanted, iterate
from workbench.rounds.reports import write_report

SMALL = Wanted(
    "arithmetic",
    size=3,
    most_steps=30,
    per_level=20,
    seed=3,
    arms="amplified,supervised_uniform,self_training",
)
TABLE = Wanted("permutation", student="table", size=6, per_level=10)
HOSTILE = "</script></style><script>window.ran=1</script><img src=x onerror=window.ran=1>"
WIDTHS = (1280, 390)

FADED = """(() => {
  const part = each => { each /= 255; return each <= .03928 ? each / 12.92
    : ((each + .055) / 1.055) ** 2.4 };
  const light = ([r, g, b]) => .2126 * part(r) + .7152 * part(g) + .0722 * part(b);
  const parts = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
  const behind = node => { for (; node; node = node.parentElement) {
      const colour = parts(getComputedStyle(node).backgroundColor);
      if (colour.length && colour[3] !== 0) return colour; } return [255, 255, 255] };
  const faded = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode.textContent.trim(), node = walk.currentNode.parentElement;
    if (!text || !node.checkVisibility()) continue;
    const pair = [light(parts(getComputedStyle(node).color)), light(behind(node))];
    const contrast = (Math.max(...pair) + .05) / (Math.min(...pair) + .05);
    if (contrast < 4.5 || node.getBoundingClientRect().width < 1) faded.push([text, contrast]);
  }
  return faded })()"""
"""Texts that stand out from what is behind them less than WCAG asks for, or have no width."""


@pytest.fixture(scope="module", params=[SMALL, TABLE], ids=["transformer", "table"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a small run of its own."""
    folder = tmp_path_factory.mktemp("report") / "run"
    iterate(request.param, folder, resume=False, tell=lambda _: None)
    return write_report(folder)


def address(page: Path) -> str:
    """Of a file."""
    return page.absolute().as_uri()


def settled(browser: Browser, page: Path) -> None:
    """The page loaded itself and its own pictures alone, and nothing went wrong."""
    asked = {each["request"]["url"] for each in browser.told("Network.requestWillBeSent")}
    assert {each for each in asked if not each.startswith("data:image/")} == {address(page)}
    assert not browser.told("Runtime.exceptionThrown")
    assert not browser.told("Runtime.consoleAPICalled")
    assert not browser.told("Log.entryAdded")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_report_is_whole(browser: Browser, report: Path, width: int, dark: bool) -> None:  # noqa: FBT001
    """It loads nothing, shows its pictures, never scrolls sideways and is legible."""
    browser.open(address(report), width=width, dark=dark)
    settled(browser, report)
    sizes = browser.value("[...document.images].map(each => [each.naturalWidth, each.width])")
    assert len(sizes) >= 4
    assert all(natural > 0 and 0 < shown < width for natural, shown in sizes)
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.value(FADED) == []
    background = browser.value("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") != dark


def test_the_headline_comes_first(browser: Browser, report: Path) -> None:
    """What was reached, with n, interval and baseline, then who the overseer was, then scores."""
    browser.open(address(report), width=1280)
    parts = browser.value("[...document.body.children].map(each => each.innerText)")
    assert "of amplification and distillation" in parts[0]
    assert all(word in parts[1] for word in ("95 % interval", "trivial baseline", " of "))
    assert "not a human" in parts[2]
    assert parts[3] == "Scores"
    page = browser.value("document.body.innerText")
    assert "before the first label on it" in page
    assert "not reached" in page or "table" in parts[1]


def hostile(folder: Path, into: Path) -> Path:
    """The report of a run whose every free name is hostile."""
    told = json.loads((folder / "summary.json").read_text())
    told |= dict.fromkeys(("task", "preset", "regime", "overseer_kind", "recipe_hash"), HOSTILE)
    told["environment"][HOSTILE] = HOSTILE
    top = list(told["accuracy"]["student"]["by_depth"])[-1]
    told["accuracy"][HOSTILE] = told["accuracy"]["trivial"]
    told["spent"][HOSTILE] = told["spent"]["amplified"]
    into.mkdir()
    for name, text in (
        ("summary.json", msgspec.json.encode(told).decode()),
        ("rounds.jsonl", (folder / "rounds.jsonl").read_text()),
    ):
        (into / name).write_text(text.replace(f'"{top}":', f"{json.dumps(HOSTILE)}:"))
    return write_report(into)


def test_hostile_names_are_text(browser: Browser, report: Path, tmp_path: Path) -> None:
    """Names that are markup are shown as they are: nothing runs, nothing is loaded."""
    page = hostile(report.parent, tmp_path / "hostile")
    for width in WIDTHS:
        browser.open(address(page), width=width)
        settled(browser, page)
        assert browser.value("window.ran") is None
        assert browser.value("document.scripts.length") == 0
        assert browser.value("document.querySelectorAll('img[src=x]').length") == 0
        assert HOSTILE in browser.value("document.querySelector('h1').innerText")
        assert browser.value("document.documentElement.scrollWidth") <= width


BAD = """<!doctype html><title>bad</title><body style="background:#fff">
<p style="color:#ddd">faint</p><div style="width:3000px">wide</div>
<img src="http://example.org/a.png"><script>console.error("trouble"); undefined.x</script>"""


def test_a_bad_page_is_found_out(browser: Browser, tmp_path: Path) -> None:
    """What these tests look for is seen where it is: loads, errors, faint text, width."""
    page = tmp_path / "bad.html"
    page.write_text(BAD)
    with pytest.raises(BrowserFailed, match="decode"):
        browser.open(address(page), width=390)
    asked = [each["request"]["url"] for each in browser.told("Network.requestWillBeSent")]
    assert "http://example.org/a.png" in asked
    assert browser.told("Runtime.exceptionThrown")
    assert browser.told("Runtime.consoleAPICalled")
    assert browser.told("Log.entryAdded")
    assert [text for text, _ in browser.value(FADED)] == ["faint"]
    assert browser.value("document.documentElement.scrollWidth") > 390
