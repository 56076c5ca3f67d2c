"""The site that `make docs` builds, in headless Chromium. Runs in the environment .venvs/docs.

Without Chromium and its driver the tests in a browser are skipped. If CHROMIUM names one, they fail instead.
"""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="tests/run.py runs this folder with .venvs/docs")
from selenium.webdriver.common.by import By  # noqa: E402  # after the skip
from selenium.webdriver.support.wait import WebDriverWait  # noqa: E402  # after the skip

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
PATIENCE = 120
PAGES = ["", *(f"{page.relative_to(ROOT / 'docs').with_suffix('')}/" for page in sorted(ROOT.glob("docs/**/[!R]*.md")))]


def build(site: Path, config: str = "sandbox/site/mkdocs.yml") -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--config-file",
        config,
        "--site-dir",
        site,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if not (CHROMIUM and DRIVER):
        assert not os.environ.get("CHROMIUM"), "CHROMIUM is set, and there is no chromedriver on the PATH"
        pytest.skip("no chromium and chromedriver on the PATH")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (
        *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"),
        *("disable-component-update", "disable-sync", "disable-dev-shm-usage", "window-size=1280,900"),
        f"user-data-dir={tmp_path_factory.mktemp('profile')}",
        "host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_page_load_timeout(PATIENCE)
    yield driver
    driver.quit()


def hosts(browser: Any) -> set[str]:
    """Returns the hosts that requests went to since the last call."""
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [each["params"]["request"]["url"] for each in sent if each["method"] == "Network.requestWillBeSent"]
    return {str(urlsplit(url).hostname) for url in urls if url.startswith("http")}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_without_an_error_or_another_host_and_draws_its_diagrams(
    browser: Any, address: str, site: Path, page: str
) -> None:
    diagrams = (site / page / "index.html").read_text(encoding="utf-8").count('class="mermaid"')

    browser.get(address + page)

    if diagrams:  # each in a closed shadow root, in place of its source
        WebDriverWait(browser, PATIENCE).until(
            lambda _: (
                browser.execute_script(
                    "return [...document.querySelectorAll('div.mermaid')].filter(e => e.offsetHeight > 100).length"
                )
                == diagrams
            )
        )
    assert browser.get_log("browser") == []
    assert hosts(browser) == {"127.0.0.1"}


def test_the_search_finds_the_error_that_ecs_reports(browser: Any, address: str) -> None:
    browser.get(address)
    browser.execute_script("document.querySelector('#__search').click()")
    browser.find_element(By.CSS_SELECTOR, "input.md-search__input").send_keys("CannotPullContainerError")

    result = WebDriverWait(browser, PATIENCE).until(
        lambda _: browser.find_elements(By.CSS_SELECTOR, ".md-search-result__item a")
    )

    assert urlsplit(result[0].get_attribute("href")).path == "/troubleshooting/"
    assert hosts(browser) == {"127.0.0.1"}


@pytest.mark.parametrize("width", [1280, 390])
def test_the_start_page_fits_its_window(browser: Any, address: str, tmp_path: Path, width: int) -> None:
    output = Path(os.environ.get("TEST_OUTPUT", tmp_path))
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    browser.get(address)
    browser.save_screenshot(str(output / f"start-{width}.png"))

    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_no_page_shows_markdown_that_was_not_understood(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = re.sub(r"<(pre|code|script)\b.*?</\1>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        shown = re.sub(r"<[^>]+>", "", text)
        assert not re.search(r"```|\]\(|\*\*|^\|", shown, re.MULTILINE), page


def test_a_link_out_of_the_folder_leads_to_the_repository_and_one_to_the_readme_to_the_start_page(site: Path) -> None:
    contents = (site / "contents/index.html").read_text(encoding="utf-8")
    start = (site / "index.html").read_text(encoding="utf-8")
    cdk = (site / "cdk/index.html").read_text(encoding="utf-8")

    assert 'href="https://github.com/example/ecr-image-waiter/blob/main/template.yaml"' in cdk
    assert 'href="../#install"' in cdk
    assert 'href="troubleshooting/#permissions"' in start
    assert 'href="../decisions/0001-crhelper/"' in contents


@pytest.mark.parametrize("line", ["[x](nowhere.md)", "[x](cost.md#nowhere)", "[x](../nowhere.md)"])
def test_a_broken_link_fails_the_build(tmp_path: Path, line: str) -> None:
    docs = tmp_path / "docs"
    shutil.copytree(ROOT / "docs", docs)
    with (docs / "cost.md").open("a") as file:
        file.write(f"\n{line}\n")
    config = tmp_path / "mkdocs.yml"
    config.write_text(
        (ROOT / "sandbox/site/mkdocs.yml")
        .read_text()
        .replace("../../docs", str(docs))
        .replace("hooks.py", str(ROOT / "sandbox/site/hooks.py"))
    )

    done = build(tmp_path / "site", str(config))

    assert done.returncode != 0
    assert "nowhere" in done.stderr
