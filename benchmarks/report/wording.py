"""Numbers and names as a reader sees them, and the sentences of the first screen."""

import math
from collections.abc import Sequence

from cardarena.benchmarks.report.standings import REFERENCE, Estimate, Standing, Standings

LEAGUES = {
    "cold": "learns within the run",
    "logged": "given 180 days of randomised history",
    "simulator": "trained in the simulator",
    "reference": "a fixed point to compare with, without a rank",
    "privileged": "knows the hidden state: a reference, not a contender",
}


# metric, clause with its own value and the status quo's, decimals, whether it is a share, whether higher is better
CLAUSES = (
    ("contacts_per_head_month", "sends {} contacts a head and month ({})", 1, False, None),
    (
        "marketing_complaints_expected",
        "draws {} complaints per 1,000 holders and month ({})",
        2,
        False,
        False,
    ),
    ("opt_outs_expected", "loses {} permissions per 1,000 holders and month ({})", 1, False, False),
    ("fatigue_mean", "leaves a mean fatigue of {} ({})", 2, False, False),
    ("permissions_kept", "keeps {} of its permissions ({})", 1, True, True),
    ("click_rate", "has {} of its contacts clicked ({})", 1, True, True),
    ("real_share", "makes {} of its sales where none would have happened ({})", 0, True, True),
)


def number(value: float | None, digits: int = 1, *, sign: bool = False) -> str:
    """Return a number with a true minus sign and thousands, or a dash where there is none.

    Example:
        >>> number(-1234.56), number(3.0, sign=True), number(float("nan"))
        ('−1,234.6', '+3.0', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{abs(value):,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        return text
    return ("−" if value < 0 else "+" if sign else "") + text


def digits_for(*values: float) -> int:
    """Return how many decimals amounts of this size deserve: two below ten, one above.

    Example:
        >>> digits_for(3.2, -9.9), digits_for(3.2, -12.0)
        (2, 1)
    """
    return 2 if max((abs(value) for value in values if math.isfinite(value)), default=0.0) < 10 else 1


def money(value: float, *, sign: bool = False) -> str:
    """Return an amount per head.

    Example:
        >>> money(12.44), money(-3), money(3, sign=True)
        ('CNY 12.4', '−CNY 3.00', '+CNY 3.00')
    """
    text = number(value, digits_for(value), sign=sign)
    return f"{text[0]}CNY {text[1:]}" if text[0] in "−+" else f"CNY {text}"


def span(estimate: Estimate | None, digits: int | None = None) -> str:
    """Return an interval as `12.1 to 13.4`, or a dash where there is none."""
    if estimate is None or not estimate.has_interval:
        return "–"
    digits = digits_for(estimate.low, estimate.high) if digits is None else digits
    if estimate.is_clear and min(abs(estimate.low), abs(estimate.high)) < 0.5 * 10**-digits:
        digits += 1  # an interval that leaves out zero must not read as if it began there
    return f"{number(estimate.low, digits)} to {number(estimate.high, digits)}"


def share(value: float, digits: int = 0) -> str:
    """Return a share as a percentage."""
    return "–" if not math.isfinite(value) else f"{number(100 * value, digits)} %"


def listed(words: Sequence[str]) -> str:
    """Return words as a sentence lists them.

    Example:
        >>> listed(["a", "b", "c"])
        'a, b and c'
    """
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1] if words else ""


def count(n: int, word: str) -> str:
    """Return a number with its noun.

    Example:
        >>> count(1, "policy"), count(2, "policy")
        ('1 policy', '2 policies')
    """
    plural = word[:-1] + "ies" if word.endswith("y") else word + "s"
    return f"{n:,} {word if n == 1 else plural}"


def apart(standings: Standings, policy: str, other: str, scenario: str | None = None) -> str:
    """Return what must be added to a claim that `policy` is ahead of `other`: nothing where that is sure."""
    return "" if standings.is_surely_ahead(policy, other, scenario) else "within chance"


def tie_of(standings: Standings) -> str:
    """Return the names of those who share the first place as far as the seeds can tell; empty where one leads."""
    if not standings.tied:
        return ""
    names = [standings.ranked[0].policy, *standings.tied]
    if len(names) > 3:
        names = [*names[:2], count(len(names) - 2, "other")]
    return listed([name if len(name) <= 40 else name[:39] + "…" for name in names])


def winner_sentence(standings: Standings) -> str:
    """Say who wins."""
    ranked = standings.ranked
    if not ranked:
        return "Nobody wins: no policy finished its runs within the limits."
    first = ranked[0]
    n = len(standings.arena.scenarios)
    if first.inv.mean <= 0:
        return (
            f"No ranked policy earns more than sending nothing; {first.policy} ({first.league} league) comes nearest, "
            f"with {money(first.inv.mean)} a head of incremental net value."
        )
    where = "the one scenario that ran" if n == 1 else f"{n} scenarios"
    value = f"{money(first.inv.mean)} a head of incremental net value"
    if first.inv.n < 2:
        return (
            f"{first.policy} ({first.league} league) has the highest value in {where}, {value}: "
            "one seed cannot tell it from chance."
        )
    if tie := tie_of(standings):
        return (
            f"{tie} cannot be told apart: {first.policy} ({first.league} league) is ahead "
            f"{'in' if n == 1 else 'over'} {where}, within chance, "
            f"with {value}."
        )
    beats = first.gain is None or not first.gain.n or first.gain.is_clear
    text = f"{first.policy} ({first.league} league) wins {'' if n == 1 else 'over '}{where}, with {value}"
    return text + ("." if beats else ", within chance of the status quo.")


def leagues_sentence(standings: Standings) -> str:
    """Say who leads the other leagues, and whether a reference without a rank earns more than the winner."""
    ranked = standings.ranked
    if not ranked:
        return ""
    others = []
    for one in ranked:
        if one.rank != 1 or one.league == ranked[0].league:
            continue
        text = f"{one.policy} leads the {one.league} league with {money(one.inv.mean)}"
        second = next((other for other in ranked if other.league == one.league and other is not one), None)
        if second and apart(standings, one.policy, second.policy):
            text += f" (within chance of {second.policy})"
        others.append(text)
    above = [
        one.policy + (f" ({chance})" if (chance := apart(standings, one.policy, ranked[0].policy)) else "")
        for one in standings.all
        if one.league == "reference" and one.keeps_limits and one.inv.mean > ranked[0].inv.mean
    ]
    text = f"{listed(others)}." if others else ""
    if above:
        text += f" But the reference {listed(above)} earned more than the first."
    return text.strip()


def margin_sentence(standings: Standings) -> str:
    """Say by how much."""
    if not standings.ranked:
        return "There is no margin to state."
    first, parts = standings.ranked[0], []
    if first.gain is not None and first.gain.n:
        text = f"{money(first.gain.mean, sign=True)} a head over the status quo"
        if first.gain.has_interval:
            chance = "" if first.gain.is_clear else "; within chance"
            text += f" (95 % interval {span(first.gain)}{chance})"
        parts.append(text)
    elif first.policy == REFERENCE:
        parts.append("It is the status quo itself: nothing else beat what banks do today")
    if len(standings.ranked) > 1:
        second = standings.ranked[1]
        lead = standings.overall(first.policy, second.policy)
        if lead.n:
            chance = "" if lead.is_clear else " (within chance)"
            parts.append(f"{money(lead.mean, sign=True)} over the runner-up, {second.policy}{chance}")
    oracle = standings.oracle
    if oracle and oracle.inv.mean > 0 and first.inv.mean > 0:
        part = share(first.inv.mean / oracle.inv.mean)
        parts.append(f"{part} of what {oracle.policy}, which knows the hidden state, earns")
    return "; ".join(parts) + "." if parts else "There is nothing to compare it with."


def certainty_sentence(standings: Standings) -> str:
    """Say how sure that is."""
    if not standings.ranked:
        return "Nothing is sure."
    first = standings.ranked[0]
    n_seeds = first.inv.n
    if n_seeds < 2:
        return "One seed says nothing of chance: there are no intervals, and no rank is sure. Run at least four seeds."
    if len(standings.ranked) == 1:
        return f"It has no ranked rival. {count(n_seeds, 'seed')} per scenario."
    second = standings.ranked[1]
    stability = standings.board["overall"]["rank_stability"]["all"]
    lead, pairs = standings.overall(first.policy, second.policy), standings.pairs(first.policy, second.policy)
    wins = int((pairs > 0).sum())
    clear = lead.is_clear and lead.mean > 0
    verdict = "is surer than chance" if clear else "is within chance: call it a tie"
    led = sum(
        standings.mean(standings.metric, name, first.policy)
        > standings.mean(standings.metric, name, second.policy)
        for name in standings.arena.scenarios
    )
    n = len(standings.arena.scenarios)
    where = f", ahead in {led} of {n} scenarios and" if n > 1 else ", ahead"
    if clear and n > 1 and 2 * led <= n:
        verdict += " on the mean, not scenario by scenario"
    sizes = [standings.detectable(name) for name in standings.arena.scenarios]
    sizes = [size for size in sizes if math.isfinite(size)]
    text = (
        f"The lead over {second.policy} {verdict}: 95 % interval {span(lead)}{where} "
        f"in {wins} of {pairs.size} paired runs."
    )
    if sizes:
        size = money(sum(sizes) / len(sizes))
        text += f" With {count(n_seeds, 'seed')}, one scenario alone shows differences from about {size} up."
    if stability is not None:
        text += (
            f" Two halves of the seeds agree on the order with a rank correlation of {number(stability, 2)}."
        )
    return text


def limits_sentence(standings: Standings, titles: dict[str, str]) -> str:
    """Say who broke a limit."""
    broken = [one for one in standings.all if one.breaches and not one.is_reference]
    if not standings.has_limits:
        return "The scenarios state no limits."
    if not any(math.isfinite(one.inv.mean) for one in standings.all):
        return "No policy finished, so there is nothing to judge."
    if not broken:
        return "Every policy kept every limit."
    parts = []
    for one in broken[:4]:
        words = [titles.get(breach.metric, breach.metric).lower() for breach in one.breaches]
        metrics = list(dict.fromkeys(word.removesuffix(", expected") for word in words))
        where = len({breach.scenario for breach in one.breaches})
        parts.append(
            f"{one.policy} ({listed(metrics)}; {where} of {count(len(standings.arena.scenarios), 'scenario')})"
        )
    more = f" and {len(broken) - 4} more" if len(broken) > 4 else ""
    names = listed(parts) if not more else ", ".join(parts) + more
    stand = "stands" if len(broken) == 1 else "stand"
    return (
        f"{count(len(broken), 'policy')} broke a limit and {stand} below the line, without a rank: {names}."
    )


def why(one: Standing, base: Standing | None) -> str:
    """Say in one sentence what a policy does differently from the status quo: what speaks for its place, then against.

    What is better than the status quo speaks for a policy that earns more than it, and what is worse for one that earns
    less or broke a limit.
    """
    if base is None or one is base:
        return ""
    mine, theirs = dict(one.metrics), dict(base.metrics)
    for values in (mine, theirs):
        gross, extra = values.get("conversion_gross"), values.get("conversion_incremental")
        if gross and extra is not None:
            values["real_share"] = extra / gross
    is_good = one.keeps_limits and one.gain is not None and one.gain.mean > 0
    speaks_for: list[tuple[float, str]] = []
    against: list[tuple[float, str]] = []
    for metric, text, digits, is_share, higher_is_better in CLAUSES:
        a, b = mine.get(metric), theirs.get(metric)
        if a is None or b is None or not (math.isfinite(a) and math.isfinite(b)):
            continue
        shown = [share(v, digits) if is_share else number(v, digits) for v in (a, b)]
        weight = abs(a - b) / max(abs(a), abs(b), 1e-9)
        if weight > 0.03 and shown[0] != shown[1]:
            fits = higher_is_better is None or (higher_is_better == (a > b)) == is_good
            (speaks_for if fits else against).append((weight, text.format(*shown)))
    chosen = [text for _, text in sorted(speaks_for, key=lambda pair: -pair[0])[:3]]
    but = [
        text for weight, text in sorted(against, key=lambda pair: -pair[0])[:1] if weight > 0.25 or not chosen
    ]
    if not chosen and not but:
        return ""
    text = f"{listed(chosen)}{', though it ' if chosen and but else ''}{listed(but)}."
    return text.replace("(", "(status quo ", 1)


def budget_sentence(
    title: str, budget: float, used: Sequence[tuple[str, float]], stopped: Sequence[str] | None
) -> str:
    """Say how much of a scenario's budget each policy used, and whether the budget bound anybody.

    Args:
        title: the scenario's.
        budget: CNY a head over the decision days.
        used: policies and their marketing cost, CNY a head.
        stopped: those of them whose contacts the budget stopped; None where that was not recorded.

    Example:
        >>> budget_sentence("Tight", 0.5, [("a", 0.25), ("b", 0.1)], [])
        'Tight, a budget of CNY 0.5 a head: a used 50.0 %, b 20.0 %. It did not bind: it stopped none of their contacts.'
    """
    parts = [
        f"{name} {'used ' if i == 0 else ''}{share(cost / budget, 1)}" for i, (name, cost) in enumerate(used)
    ]
    text = f"{title}, a budget of CNY {budget:.3g} a head: {', '.join(parts)}."
    if stopped:
        return text + f" It stopped contacts of {listed(stopped)}."
    spent = any(cost >= 0.995 * budget for _, cost in used)
    return text if spent or stopped is None else text + " It did not bind: it stopped none of their contacts."


def unbroken(text: str) -> str:
    """Return text in which no line may break between an amount and its unit."""
    return text.replace(" %", "\u00a0%").replace("CNY ", "CNY\u00a0")


def league_note(league: str) -> str:
    """Return what a league means."""
    return LEAGUES.get(league, "")
