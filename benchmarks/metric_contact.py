"""Metrics of contacts: volume, funnel, conversion, and the rules that were met or broken."""

from cardarena.benchmarks.facts import Facts
from cardarena.benchmarks.metric_registry import TOTAL_EFFECT, register
from cardarena.benchmarks.run_tables import ratio
from cardarena.simulator.names import RULES


def intended(facts: Facts) -> int:
    """Return the contacts that the policy asked for on decision days."""
    decisions = facts.policy.run.table("decisions")
    return int((facts.policy.in_decision_days("decisions") & (decisions["offer"] >= 0)).sum())


def accepted(facts: Facts) -> int:
    """Return the contacts that passed the rules at the decision."""
    decisions = facts.policy.run.table("decisions")
    asked = facts.policy.in_decision_days("decisions") & (decisions["offer"] >= 0)
    return int((asked & (decisions["passed"] == 1)).sum())


def noticed(facts: Facts) -> int:
    """Return the delivered own contacts that were noticed."""
    return int((facts.policy.delivered & (facts.policy.run.table("contacts")["noticed"] == 1)).sum())


def clicked(facts: Facts) -> int:
    """Return the clicks on own contacts."""
    return int(facts.policy.responses("clicked").sum())


def purchased(facts: Facts) -> int:
    """Return the purchases on decision days that a contact made or whose offer they redeem."""
    return int(facts.policy.redeemed.sum())


_FUNNEL = (
    ("intended", "Contacts intended", "decisions of the policy, on decision days", intended),
    (
        "accepted",
        "Contacts accepted",
        "decisions that passed every rule, or were let through in audit mode",
        accepted,
    ),
    (
        "delivered",
        "Contacts delivered",
        "own contacts that reached the cardholder",
        lambda f: f.policy.n_delivered,
    ),
    ("noticed", "Contacts noticed", "delivered own contacts that were noticed", noticed),
    ("clicked", "Contacts clicked", "clicks or answers to own contacts", clicked),
    (
        "purchased",
        "Contacts redeemed",
        "purchases that a contact made or whose offer they redeem, on decision days",
        purchased,
    ),
)
for _name, _title, _formula, _count in _FUNNEL:
    register(_name, _title, _formula, "count", "neither", "contact", lambda f, count=_count: float(count(f)))

register(
    "contacts_per_head_month",
    "Contacts",
    "delivered own contacts divided by holder-months (open accounts x days / 30) of the decision days",
    "contacts/head/month",
    "neither",
    "contact",
    lambda f: ratio(f.policy.n_delivered, f.policy.holder_months),
)
register(
    "notice_rate",
    "Notice rate",
    "noticed / delivered",
    "share",
    "higher",
    "contact",
    lambda f: ratio(noticed(f), f.policy.n_delivered),
)
register(
    "click_rate",
    "Click rate",
    "clicked / delivered",
    "share",
    "higher",
    "contact",
    lambda f: ratio(clicked(f), f.policy.n_delivered),
)
register(
    "conversion_gross",
    "Conversion, gross",
    "purchases on decision days that a contact made or whose offer they redeem / delivered own contacts",
    "share",
    "higher",
    "contact",
    lambda f: ratio(purchased(f), f.policy.n_delivered),
    "Last touch: counts those who would have bought anyway. Never ranked.",
)
register(
    "conversion_incremental",
    "Conversion, incremental",
    "(purchases under the policy - purchases in the silent world, redeemed and organic, decision days) / delivered",
    "share",
    "higher",
    "contact",
    lambda f: ratio(f.policy.n_purchases - f.silent.n_purchases, f.policy.n_delivered),
    TOTAL_EFFECT,
)
register(
    "breaches",
    "Compliance breaches",
    "own contacts delivered in violation of any rule (audit mode; the gate of enforce mode leaves none)",
    "count",
    "lower",
    "compliance",
    lambda f: float(f.policy.breaches_by_rule.sum()),
)
register(
    "blocked",
    "Contacts blocked",
    "own contacts stopped by a rule, at the decision or at delivery",
    "count",
    "lower",
    "compliance",
    lambda f: float(f.policy.blocked_by_rule.sum()),
)
for _code, _rule in enumerate(RULES[1:], start=1):
    _words = _rule.replace("_", " ")
    register(
        f"breaches_{_rule}",
        f"Breaches: {_words}",
        f"breaches of the rule {_rule}",
        "count",
        "lower",
        "compliance",
        lambda f, code=_code: float(f.policy.breaches_by_rule[code]),
    )
    register(
        f"blocked_{_rule}",
        f"Blocked: {_words}",
        f"blocked by the rule {_rule}",
        "count",
        "lower",
        "compliance",
        lambda f, code=_code: float(f.policy.blocked_by_rule[code]),
    )
