"""Response to one contact: batches, triggered pushes, the feed, instalments (C1, C4-C9, C18, E16).

A batch goes out on day 0 of a world that half a year of `status_quo` has brought to rest, to everybody whom the rules let it
reach, with an offer drawn evenly among those that suit the person. Clicks and sales are expectations given the latent state
at that midnight, over the luck of the day (see `expected`); refusals and complaints are the expectations that the log
keeps. Counts of the same batch agree within chance, and move less smoothly.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from cardarena.agents.market import relevance
from cardarena.agents.reference import StatusQuo
from cardarena.benchmarks.validation.designs import MINUTE, chosen_offer, lots, mixed_channel
from cardarena.benchmarks.validation.estimates import Parts, ratio
from cardarena.benchmarks.validation.expected import ATTRIBUTION_DAYS, expect
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.measures import Measured, measures
from cardarena.benchmarks.validation.probes import Triggered
from cardarena.benchmarks.validation.trial import UNCAPPED, Trial, variant
from cardarena.simulator.behaviour.person import CREDIT_CATEGORY, NEED_ON
from cardarena.simulator.log import RunLog
from cardarena.simulator.names import CHANNELS

PER_CENT: Final = 100.0
PUSH: Final = CHANNELS.index("app_push")
IN_APP: Final = CHANNELS.index("in_app")
#: Days in which triggered pushes are collected.
TRIGGER_DAYS: Final = 14


@dataclass(frozen=True)
class Batch:
    """One batch in one world; a row is a cardholder who was sent something.

    Attributes:
        holders: shape (rows,), true rows of the cardholders.
        offers: shape (rows,).
        channels: shape (rows,).
        reached: shape (rows,), probability that it is delivered at all.
        notice: shape (rows,), probability of notice once delivered.
        click: shape (rows,), probability of a click once delivered.
        sale: shape (rows,), probability of a sale through a click, once delivered.
        opt_out: shape (rows,), probability of a refusal; NaN where it was not delivered.
        complaint: shape (rows,), probability of a complaint; NaN where it was not delivered.
    """

    holders: np.ndarray
    offers: np.ndarray
    channels: np.ndarray
    reached: np.ndarray
    notice: np.ndarray
    click: np.ndarray
    sale: np.ndarray
    opt_out: np.ndarray
    complaint: np.ndarray

    def rows(self, keep: np.ndarray) -> "Batch":
        """Return the batch of the rows that `keep` names."""
        return Batch(**{name: values[keep] for name, values in vars(self).items()})

    def share(self, of: np.ndarray) -> Parts:
        """Return numerator and denominator of a mean of `of` over what was delivered; undelivered rows (NaN) are left out."""
        seen = np.isfinite(of)
        return np.where(seen, of, 0.0) * self.reached, seen * self.reached


def untargeted(
    lab: Lab, seed: int, mix: tuple[tuple[str, float], ...], categories: tuple[int, ...] = ()
) -> Batch:
    """Send a batch on day 0: a channel by the mix among those open to the person, an offer evenly among those that suit.

    Args:
        lab: the laboratory.
        seed: world seed.
        mix: channels and their weights.
        categories: only offers of these categories; all of them if empty.
    """
    return lab.once(("batch", seed, mix, categories), lambda: _send(lab, seed, dict(mix), categories))


def _send(lab: Lab, seed: int, mix: dict[str, float], categories: tuple[int, ...]) -> Batch:
    trial = Trial(variant(lab, seed, UNCAPPED))
    rules = trial.world.rules
    offers = np.arange(rules.offers.size)
    if categories:
        offers = np.flatnonzero(np.isin(rules.offers["category"], categories))
    which, what = lots(1, trial.n, 2)
    channel, is_open = mixed_channel(mix, trial.open_arms, offers, which)
    offer = chosen_offer(is_open, what)
    holders = np.flatnonzero((channel >= 0) & (offer >= 0))
    return _played(trial, holders, offers[offer[holders]], channel[holders])


def _played(trial: Trial, holders: np.ndarray, offers: np.ndarray, channels: np.ndarray) -> Batch:
    """Send the batch, let two days pass, and join what is expected to what the log kept."""
    hopes = expect(trial.world, holders, offers, channels, 0, MINUTE[channels])
    trial.send(holders, offers, channels)
    contacts = trial.play(2)["contacts"]
    opt_out, complaint = np.full((2, trial.n), np.nan)
    arrived = contacts["status"] == 0
    who = contacts["cardholder"][arrived]
    opt_out[who] = contacts["p_opt_out_ppb"][arrived] * 1e-9
    complaint[who] = contacts["p_complaint_ppb"][arrived] * 1e-9
    click = hopes["notice"] * hopes["click"]
    return Batch(
        holders,
        offers,
        channels,
        1.0 - trial.world.rules.channels["p_fail"][channels],
        hopes["notice"],
        click,
        click * hopes["sale"],
        opt_out[holders],
        complaint[holders],
    )


#: What banks send by: the mix of the reference policy `status_quo`.
BANK_MIX: Final = tuple(StatusQuo.mix.items())


@measures("C1")
def response_to_a_batch(lab: Lab) -> Iterable[Measured]:
    """C1: click or better per delivered contact of an untargeted batch, blended over the channels that banks use.

    The blend is `status_quo`'s: SMS 48 %, push 46 %, calls 6 % where they are open; a yes to hearing more is a call's click.
    """
    batches = [untargeted(lab, seed, BANK_MIX) for seed in lab.seeds]
    value, error = ratio([batch.share(batch.click) for batch in batches])
    notes = []
    for name, _ in BANK_MIX:
        own = [batch.rows(batch.channels == CHANNELS.index(name)) for batch in batches]
        notes.append(f"{name} {PER_CENT * ratio([b.share(b.click) for b in own])[0]:.2f}")
    yield Measured("", PER_CENT * value, PER_CENT * error, "by channel, %: " + ", ".join(notes))


def _generic_push(lab: Lab) -> list[Parts]:
    """Return opens and deliveries of a generic push batch by person, one pair a seed."""
    parts = []
    for seed in lab.seeds:
        batch = untargeted(lab, seed, (("app_push", 1.0),))
        parts.append(batch.share(batch.notice))
    return parts


def _triggered_push(lab: Lab, seed: int) -> Parts:
    """Return expected opens and deliveries of each person's first triggered push in a fortnight, both of shape (n,)."""

    def make() -> Parts:
        world = variant(lab, seed, UNCAPPED)
        log: RunLog = world.run(Triggered(PUSH), TRIGGER_DAYS)
        contacts = log.table("contacts")
        arrived = contacts["status"] == 0
        who = contacts["cardholder"][arrived]
        opens = np.bincount(who, contacts["p_notice_ppb"][arrived] * 1e-9, minlength=world.n)
        return opens, np.bincount(who, minlength=world.n).astype(np.float64)

    return lab.once(("triggered push", seed), make)


@measures("C4", "C5")
def push_opens(lab: Lab) -> Iterable[Measured]:
    """C4 and C5: push opens per delivered push, generic and triggered, and one over the other.

    Generic is a batch at noon, an offer by lot. Triggered is sent within the hour after an own event that the bank may use (a
    visit of the app, a large purchase, spending abroad) in a matching category, to each person once in a fortnight: the
    category of the spending, or that of the strongest trace of a need; who has neither is not sent one. The two are compared
    as the source compares campaigns: each over those who got it.
    """
    generic = _generic_push(lab)
    triggered = [_triggered_push(lab, seed) for seed in lab.seeds]
    value, error = ratio(generic)
    yield Measured("C4:generic", PER_CENT * value, PER_CENT * error)
    high, high_error = ratio(triggered)
    yield Measured("C4:triggered", PER_CENT * high, PER_CENT * high_error)
    # The people overlap, yet what is by chance in them does not: the errors are added as if independent.
    yield Measured("C5:", high / value, high / value * float(np.hypot(high_error / high, error / value)))


@measures("C6", "C7")
def sms(lab: Lab) -> Iterable[Measured]:
    """C6 and C7: clicks, conversions and refusals per delivered SMS of an untargeted batch.

    A conversion is a last-click one: a purchase on our card in the offer's category within the attribution window after a click
    on that message, organic purchases of the clickers included, as a report of the vendor would count them.
    """
    batches = [untargeted(lab, seed, (("sms", 1.0),)) for seed in lab.seeds]
    for name, field in (("C6:click", "click"), ("C6:conversion", "sale"), ("C7:", "opt_out")):
        value, error = ratio([batch.share(getattr(batch, field)) for batch in batches])
        note = f"last click, {ATTRIBUTION_DAYS} days" if field == "sale" else ""
        yield Measured(name, PER_CENT * value, PER_CENT * error, note)


@measures("C8", "C9")
def email(lab: Lab) -> Iterable[Measured]:
    """C8 and C9: opens, clicks, unsubscribes and complaints per delivered e-mail of an untargeted batch, and clicks per open."""
    batches = [untargeted(lab, seed, (("email", 1.0),)) for seed in lab.seeds]
    for name, field in (
        ("C8:open", "notice"),
        ("C8:click", "click"),
        ("C9:unsubscribe", "opt_out"),
        ("C9:complaint", "complaint"),
    ):
        value, error = ratio([batch.share(getattr(batch, field)) for batch in batches])
        yield Measured(name, PER_CENT * value, PER_CENT * error)
    per_open = [(batch.click * batch.reached, batch.notice * batch.reached) for batch in batches]
    value, error = ratio(per_open)
    yield Measured("C8:click_to_open", PER_CENT * value, PER_CENT * error)


@measures("E16")
def instalment_acceptance(lab: Lab) -> Iterable[Measured]:
    """E16: instalments taken per instalment offer to somebody who has the need, last click, by SMS and push as banks send.

    Who has the need is known to the experimenter only; the bank's own figure would be over a list that it believes relevant.
    """
    parts = []
    for seed in lab.seeds:
        batch = untargeted(lab, seed, (("sms", 0.5), ("app_push", 0.5)), (CREDIT_CATEGORY,))
        people = lab.world(seed).state.people
        in_need = people["need"][batch.holders, CREDIT_CATEGORY] == NEED_ON
        parts.append(batch.rows(in_need).share(batch.rows(in_need).sale))
    value, error = ratio(parts)
    yield Measured("", PER_CENT * value, PER_CENT * error, f"last click, {ATTRIBUTION_DAYS} days")


@dataclass(frozen=True)
class Feed:
    """Expected clicks per placement on the app's feed, by person, for one world; arrays of shape (people,).

    Attributes:
        off: an offer by lot, generic: the switch is off.
        deep: the same offer, as deeply personalised as the person's consents allow.
        chosen: the offer chosen by what the bank has seen of the person, as deep.
    """

    off: np.ndarray
    deep: np.ndarray
    chosen: np.ndarray


def feed(lab: Lab, seed: int) -> Feed:
    """Return what a placement on the feed is expected to be worth to everybody who has not switched personalisation off."""
    return lab.once(("feed", seed), lambda: _feed(lab, seed))


def _feed(lab: Lab, seed: int) -> Feed:
    trial = Trial(variant(lab, seed, UNCAPPED))
    offers = np.arange(trial.world.rules.offers.size)
    by_depth = np.stack([trial.open_arms(offers, [IN_APP], depth)[:, :, 0] for depth in range(3)])
    people = np.flatnonzero((trial.world.state.accounts["personalisation_on"] == 1) & by_depth[0].any(axis=1))
    (lot,) = lots(2, trial.n, 1)
    by_lot = chosen_offer(by_depth[0, people], lot[people])
    liked = relevance(trial.view())[people][:, trial.world.rules.offers["category"]]
    best = np.where(by_depth[0, people], liked + 1e-6 * lot[people, None], -np.inf).argmax(axis=1)

    def clicks(offer: np.ndarray, is_deep: bool) -> np.ndarray:
        deepest = 2 - by_depth[::-1, people, offer].argmax(axis=0)
        hopes = expect(
            trial.world, people, offer, IN_APP, deepest if is_deep else 0, MINUTE[IN_APP], window=0
        )
        return hopes["notice"] * hopes["click"]

    return Feed(clicks(by_lot, False), clicks(by_lot, True), clicks(best, True))


@measures("C18")
def feed_without_personalisation(lab: Lab) -> Iterable[Measured]:
    """C18: clicks per placement that the feed loses when personalisation is switched off, for the same people.

    In the source the switch takes personal data out of the choice of content and of its form alike. So do we: on is the offer
    with the strongest trace of a need in what the bank has seen, as deeply personalised as the person's consents allow; off
    is an offer by lot, generic. The note says what depth alone does, at the same offers.
    """
    feeds = [feed(lab, seed) for seed in lab.seeds]
    kept, error = ratio([(own.off, own.chosen) for own in feeds])
    depth, _ = ratio([(own.off, own.deep) for own in feeds])
    yield Measured(
        "",
        PER_CENT * (1.0 - kept),
        PER_CENT * error,
        f"depth alone, same offers: {PER_CENT * (1.0 - depth):.1f} %",
    )
