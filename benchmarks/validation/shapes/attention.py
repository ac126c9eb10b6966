"""Attention and wear: it falls with recent contacts and recovers, a creative wears in and out, the moment passes."""

from typing import Final

import numpy as np
from matplotlib.axes import Axes

from cardarena.agents.registry import make_policy
from cardarena.benchmarks.validation.drawing import INK, curve_with_band, draw, draw_panels, legend
from cardarena.benchmarks.validation.expected import expect
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.shapes.campaign import APP_PUSH, SMS, AfterVisit, Campaign
from cardarena.benchmarks.validation.shapes.shape import Shape, finding, mean_curve
from cardarena.benchmarks.validation.shapes.worlds import branch, played, uncapped
from cardarena.simulator.names import Kind
from cardarena.simulator.world import World

PEOPLE: Final = 2_000
#: Offer that is sent: the grocery coupon, relevant to nearly everybody.
_OFFER: Final = 0
DOSES: Final = (0, 1, 2, 4, 7, 14)
DOSE_DAYS: Final = 14
GAPS: Final = (1, 3, 7, 14, 28, 56)
EXPOSURES: Final = 30
SPACING_DAYS: Final = 1
DELAYS: Final = (0, 60, 120, 240, 480)
TRIGGER_DAYS: Final = 28


def _probed(world: World, sent: list[int], day: int) -> np.ndarray:
    """Return with which probability each would notice a text message `day` days on, after those sent; NaN if not reached.

    Args:
        world: where to begin.
        sent: days from now on which everybody gets a text message.
        day: the probe's day from now.
    """
    first = world.day
    arm, _ = played(world, [(Campaign(_OFFER, SMS, [first + d for d in sent]), day)])
    _, log = played(arm, [(Campaign(_OFFER, SMS, [first + day]), 1)], [Kind.CONTACT])
    contacts = log.table("contacts")
    delivered = contacts["status"] == 0
    chance = np.full(world.n, np.nan)
    chance[contacts["cardholder"][delivered]] = contacts["p_notice_ppb"][delivered] * 1e-9
    return chance


def _against(treated: np.ndarray, silent: np.ndarray) -> float:
    """Return the mean chance over that of the silent twins, of those who were reached in both worlds."""
    both = ~np.isnan(treated) & ~np.isnan(silent)
    return float(treated[both].mean() / silent[both].mean())


def attention(lab: Lab) -> Shape:
    """Attention falls with recent contacts and recovers without them.

    Design: twins of one world get 0 to 14 text messages in a fortnight, then all get one more: the probe. In a second series
    all get 14 and the probe comes 1 to 56 days later. Estimator: the logged probability that the probe is noticed, over that
    of the same people in the silent twin on the same day.
    """
    falls, recovers = [], []
    for seed in lab.seeds:
        world = uncapped(lab, seed, PEOPLE)
        silent = _probed(world, [], DOSE_DAYS)
        spread = [[DOSE_DAYS - 1 - i * DOSE_DAYS // k for i in range(k)] for k in DOSES]
        falls.append([_against(_probed(world, days, DOSE_DAYS), silent) for days in spread])
        last = DOSE_DAYS - 1
        recovers.append(
            [
                _against(_probed(world, list(range(DOSE_DAYS)), last + gap), _probed(world, [], last + gap))
                for gap in GAPS
            ]
        )
    fall, back = np.array(falls), np.array(recovers)
    at_28 = GAPS.index(28)
    regained = (back[:, at_28] - back[:, 0]) / np.maximum(1e-9, 1.0 - back[:, 0])

    def doses(axes: Axes) -> None:
        curve_with_band(axes, DOSES, *mean_curve(fall))
        axes.set_xlabel("text messages in the fortnight before")
        axes.set_ylabel("notice of the next, silent twin = 1")
        axes.set_ylim(0.0, 1.08)

    def gaps(axes: Axes) -> None:
        curve_with_band(axes, GAPS, *mean_curve(back))
        axes.axhline(1.0, color=INK, linewidth=0.8, linestyle=":")
        axes.set_xlabel("days since the last of 14 daily messages")
        axes.set_ylabel("notice, silent twin = 1")
        axes.set_ylim(0.0, 1.08)

    return Shape(
        (
            finding(
                "attention_falls",
                "loss of notice after a text message every second day, a fortnight long",
                1.0 - fall[:, DOSES.index(7)],
                low=0.05,
                unit="share",
                note="Twins on the same day; logged probabilities of notice, so no luck of the probe is in it.",
            ),
            finding(
                "attention_recovers",
                "share of the lost attention that is back four weeks after daily messages end",
                regained,
                low=0.5,
                high=1.5,
                unit="share",
                note="1 is the whole; undefined where nothing was lost.",
            ),
        ),
        draw_panels(
            "shape_attention",
            "Attention falls with recent contacts and comes back without them",
            "Left: the more text messages in a fortnight, the less the next one is noticed. Right: four weeks of silence "
            "bring most of it back. Bands: two standard errors over worlds.",
            [doses, gaps],
        ),
    )


def _exposed(world: World) -> tuple[list[float], list[float]]:
    """Expose the reachable to the same text message again and again, as a laboratory does: who refuses it gets it all the same.

    Returns:
        After each exposure, the mean attitude (awareness of the offer's category less annoyance) beyond the silent twin's;
        before each, the mean expected click once noticed over that of a creative nobody has seen, same people and moment.
    """
    accounts = world.state.accounts
    reached = np.flatnonzero(
        (accounts["is_open"] == 1)
        & (accounts["permitted"][:, SMS] == 1)
        & (accounts["marketing_consent"] == 1)
    )
    k = int(world.rules.offers["category"][_OFFER])
    arm, twin = branch(world), branch(world)
    attitude, click = [], []
    for exposure in range(EXPOSURES):
        arm.state.accounts["permitted"][reached, SMS] = 1
        click.append(_clicks(arm, reached) / _clicks(_unseen(arm, k), reached))
        arm.play(Campaign(_OFFER, SMS, [arm.day]), SPACING_DAYS)
        twin.play(make_policy("silent"), SPACING_DAYS, reset=exposure == 0)
        felt = [
            w.state.people["awareness"][reached, k] - w.state.people["annoyance"][reached]
            for w in (arm, twin)
        ]
        attitude.append(float((felt[0] - felt[1]).mean()))
    return attitude, click


def _clicks(world: World, rows: np.ndarray) -> float:
    """Return the mean expected click of a text message, once noticed, of some people."""
    return float(expect(world, rows, _OFFER, SMS, window=0)["click"].mean())


def _unseen(world: World, category: int) -> World:
    """Return a branch of the world in which nobody has seen the category's creative."""
    made = branch(world)
    made.state.people["wear"][:, category] = 0.0
    return made


def wear(lab: Lab) -> Shape:
    """The same creative wears in, then out.

    Design: everybody whom text messages reach gets the same offer once a day, refused or not. Estimator: after each exposure,
    their mean attitude (awareness of the offer's category less annoyance) beyond that in the silent twin, and the expected
    click of those who notice over that of a new creative. It wears in if attitude rises from the first exposure, and out if it
    falls again before the last.
    """
    attitudes, clicks = [], []
    for seed in lab.seeds:
        attitude, click = _exposed(uncapped(lab, seed, PEOPLE))
        attitudes.append(attitude)
        clicks.append(click)
    attitudes = np.array(attitudes)
    peak = attitudes.max(axis=1)
    number = np.arange(1, EXPOSURES + 1)

    def feeling(axes: Axes) -> None:
        curve_with_band(axes, number, *mean_curve(attitudes), label="awareness less annoyance")
        axes.set_xlabel("exposures to the same creative, one a day")
        axes.set_ylabel("attitude beyond the silent twin's")

    def clicking(axes: Axes) -> None:
        curve_with_band(axes, number, *mean_curve(clicks), label="simulated")
        axes.plot(number, number**-0.43, color=INK, linestyle="--", label="published, without rest")
        axes.set_xlabel("exposures to the same creative, one a day")
        axes.set_ylabel("click once noticed, new creative = 1")
        axes.set_ylim(0.0, 1.08)
        legend(axes)

    return Shape(
        (
            finding(
                "wear_in",
                "rise of attitude from the first exposure to its peak",
                peak - attitudes[:, 0],
                low=0.01,
                unit="attitude",
                note="The same offer by text message once a day, as target D5 is measured.",
            ),
            finding(
                "wear_out",
                "fall of attitude from its peak to the last exposure, as a share of the rise",
                (peak - attitudes[:, -1]) / np.maximum(1e-9, peak - attitudes[:, 0]),
                low=0.05,
                unit="share",
                note=f"{EXPOSURES} exposures; peak at number {int(np.median(attitudes.argmax(axis=1))) + 1}.",
            ),
            finding(
                "wear_clicks",
                "clicks lost, once noticed, at the tenth exposure against a creative nobody has seen",
                1.0 - np.array(clicks)[:, 9],
                low=0.02,
                unit="share",
            ),
        ),
        draw_panels(
            "shape_wear",
            "The same creative wears in, then out",
            "Left: attitude towards the offer, awareness less annoyance. Right: clicks of those who notice, against a new "
            "creative; the dashed line is the published curve for repeats without rest.",
            [feeling, clicking],
        ),
    )


def moment(lab: Lab) -> Shape:
    """A triggered message beats a batch one, and its edge decays with delay.

    Design: the same push offer goes, to each person on one day in a week, right after the day's first app visit or 1 to 8
    hours later; the batch goes at ten o'clock on the same rhythm whether they visit or not. Estimator: mean logged
    probability of notice per delivered push, of those whom the bank may track.
    """
    triggered, batches = [], []
    for seed in lab.seeds:
        world = uncapped(lab, seed, PEOPLE)
        rates = []
        for delay in DELAYS:
            _, log = played(world, [(AfterVisit(_OFFER, APP_PUSH, delay), TRIGGER_DAYS)], [Kind.CONTACT])
            rates.append(_notice(log.table("contacts")))
        rhythm = Campaign(_OFFER, APP_PUSH, whom=lambda day, ids: ids[ids % 7 == day % 7])
        _, log = played(world, [(rhythm, TRIGGER_DAYS)], [Kind.CONTACT])
        # The batch is compared on those who could have been triggered.
        contacts = log.table("contacts")
        can = world.state.accounts["tracked"][contacts["cardholder"]] > 0
        can &= world.state.people["visit_rate"][contacts["cardholder"]] > 0.0
        batches.append(_notice({name: column[can] for name, column in contacts.items()}))
        triggered.append(rates)
    edge = np.array(triggered) / np.array(batches)[:, None]

    def plot(axes: Axes) -> None:
        curve_with_band(axes, np.array(DELAYS) / 60.0, *mean_curve(edge), label="triggered")
        axes.axhline(1.0, color=INK, linewidth=1.2, linestyle="--", label="batch at ten o'clock")
        axes.set_xlabel("delay after the app visit, hours")
        axes.set_ylabel("notice of a push, batch = 1")
        axes.set_ylim(bottom=0.0)
        legend(axes)

    return Shape(
        (
            finding(
                "trigger_edge",
                "notice of a push right after an app visit, over that of a batch push, less 1",
                edge[:, 0] - 1.0,
                low=0.05,
                unit="share",
                note="The bank learns of a visit at the next full hour.",
            ),
            finding(
                "trigger_decay",
                "share of that edge which is gone after eight hours",
                (edge[:, 0] - edge[:, -1]) / np.maximum(1e-9, edge[:, 0] - 1.0),
                low=0.3,
                unit="share",
            ),
        ),
        draw(
            "shape_moment",
            "A triggered push beats a batch one, and the edge fades within hours",
            "The same offer to the same kind of people; only the minute differs.",
            plot,
        ),
    )


def _notice(contacts: dict[str, np.ndarray]) -> float:
    """Return the mean logged probability of notice of what was delivered."""
    return float(contacts["p_notice_ppb"][contacts["status"] == 0].mean() * 1e-9)
