"""A catalogue of one's own: what is refused, and where the error points."""

from pathlib import Path

import pytest

from cardarena.simulator.bank.catalogue import load_channels, load_offers
from cardarena.simulator.bank.economics import load_economics
from cardarena.simulator.errors import ScenarioError

GOOD = """\
references:
  size: "assumed: small"
offers:
  tea_coupon:
    title: Tea
    description: A cup of tea.
    category: daily
    service: offer_push
    dimension: care
    reach: public
    incentive_cny: {value: 3, source: size}
    appeal: {value: 0.1, source: "assumed: people like tea"}
    relevance_off: {value: 0.5, source: size}
    eligibility:
      source: "assumed: everybody"
"""


def write(folder: Path, old: str = "", new: str = "") -> Path:
    assert old in GOOD
    path = folder / "offers.yaml"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    return path


def test_a_small_catalogue(tmp_path: Path) -> None:
    catalogue = load_offers(write(tmp_path))
    assert catalogue.names == ("tea_coupon",)
    assert catalogue.records["incentive_fen"][0] == 300
    assert catalogue.records["contexts"][0] == 255
    assert catalogue.records["min_income_band"][0] == -1
    assert catalogue.offers[0].incentive_cny.source == "assumed: small"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("category: daily", "category: dayly", ":7: key 'offers.tea_coupon.category': expected a category, found "
         "'dayly'; did you mean 'daily'?"),
        ("    reach: public\n", "", ":4: key 'offers.tea_coupon.reach': expected a value, found nothing"),
        ("reach: public", "reech: public", "did you mean 'reach'?"),
        ("{value: 3, source: size}", "{value: 3}", ":11: key 'offers.tea_coupon.incentive_cny.source': expected a"),
        ("{value: 3, source: size}", "{value: -3, source: size}", ":11: key 'offers.tea_coupon.incentive_cny.value': "
         "expected 0 to 100000, found -3"),
        ("{value: 3, source: size}", "{value: 3, source: sizes}", ":11: key 'offers.tea_coupon.incentive_cny.source': "
         "expected a reference, found 'sizes'; did you mean 'size'?"),
        ("{value: 3, source: size}", "3", ":11: key 'offers.tea_coupon.incentive_cny': expected"),
        ('  size: "assumed: small"', '  size: "assumed: small"\n  unused: "assumed: never"', ":3: key"),
        ("reach: public", "reach: public\n    is_credit: true", ":4: key 'offers.tea_coupon.credit_loss_share'"),
        ("    eligibility:\n", "    eligibility:\n      min_age: 40\n      max_age: 30\n", ":16: key "
         "'offers.tea_coupon.eligibility.max_age': expected at least min_age 40, found 30"),
        ("    eligibility:\n", "    eligibility:\n      contexts: [daly]\n", ":15: key "
         "'offers.tea_coupon.eligibility.contexts[0]': expected a spending context, found 'daly'; did you mean"),
        ("tea_coupon:", "Tea Coupon:", ":4: key 'offers.Tea Coupon'"),
    ],
)  # fmt: skip
def test_a_wrong_catalogue_is_refused_at_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_offers(write(tmp_path, old, new))
    assert f"offers.yaml{message}" in str(caught.value) or message in str(caught.value)


def test_too_many_offers(tmp_path: Path) -> None:
    head, _, body = GOOD.partition("offers:\n")
    path = tmp_path / "offers.yaml"
    path.write_text(
        head + "offers:\n" + "".join(body.replace("tea_coupon", f"tea_{k}") for k in range(64)),
        encoding="utf-8",
    )
    with pytest.raises(ScenarioError, match="at most 63"):
        load_offers(path)


def test_missing_channel_and_missing_entry(tmp_path: Path) -> None:
    path = tmp_path / "channels.yaml"
    path.write_text("channels: {}\n", encoding="utf-8")
    with pytest.raises(
        ScenarioError, match=r"channels.yaml:1: key 'channels.app_push': expected an entry, found nothing"
    ):
        load_channels(path)
    path = tmp_path / "economics.yaml"
    path.write_text("economics: {}\n", encoding="utf-8")
    with pytest.raises(
        ScenarioError, match=r"economics.yaml:1: key 'economics.interchange_share': expected a value"
    ):
        load_economics(path)
