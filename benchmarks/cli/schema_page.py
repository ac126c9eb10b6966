"""The schema page of a generated world: table, column, type, unit, meaning, and the words behind the codes."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cardarena.simulator import names

_TABLES: Final = {
    "cardholders": "One row a cardholder: what the bank has on file, and its permissions on the first decision day.",
    "transactions": "One row a purchase on our card.",
    "visits": "One row a visit to the app, the mini-program or a branch.",
    "contacts": "One row a marketing contact that was asked for: delivered, failed, blocked or expired.",
    "responses": "One row a reaction to a contact, or an organic purchase.",
    "complaints": "One row a complaint.",
    "cases": "One row a step of a complaint at the desk: opened, extended, late, closed. What was opened and not closed is open.",
    "consents": "One row a change of a consent or permission, or the closing of an account.",
    "decisions": "One row a contact that a policy decided, with what it could have chosen.",
    "truth/contacts": "What only the simulator knows of a contact; keys as in `contacts`.",
    "truth/state_daily": "A nightly census of the latent state: histograms and sums.",
    "truth/cardholders": "The latent traits of each cardholder.",
}
#: Unit and meaning by column; `table.column` where a column means different things.
_COLUMNS: Final = {
    "day": ("days", "day since the first decision day"),
    "cardholder": ("", "id of the cardholder"),
    "bank": ("", "the bank; 0 is ours"),
    "ordinal": ("", "place in the order of this cardholder's day"),
    "minute": ("minutes", "minute of the day, from midnight"),
    "context": ("code: categories", "spending context"),
    "amount_fen": ("fen", "amount of the purchase"),
    "value_mfen": ("milli-fen", "the bank's margin on this row; costs are negative"),
    "place": ("code: places", "where"),
    "decided_day": ("days", "day on which the contact was decided; with decided_ordinal its key"),
    "decided_ordinal": ("", "ordinal of the contact's decision on that day"),
    "offer": ("code: catalogue", "offer code, a position in `offers.csv`; -1 for none"),
    "channel": ("code: channels", "channel; -1 for none"),
    "depth": ("code: depths", "depth of personalisation"),
    "status": ("code: statuses", "what became of the contact"),
    "rule": ("code: rules", "the rule that blocked it"),
    "action": ("code: responses", "what the cardholder did"),
    "category": ("code: categories", "product category"),
    "complaint": ("code: complaints", "kind of complaint"),
    "step": ("code: case steps", "what became of the case"),
    "filed_day": (
        "days",
        "day on which the complaint was filed; with cardholder and filed_ordinal its key in `complaints`",
    ),
    "filed_ordinal": ("", "ordinal of the complaint on that day"),
    "is_simple": ("0/1", "whether the case is simple and clear, so that the law's first limit holds"),
    "due_day": ("days", "last day on which closing it is in time"),
    "is_late": ("0/1", "whether its limit has passed"),
    "is_escalated": ("0/1", "whether it went on to the regulator because it was late"),
    "change": ("code: changes", "what changed"),
    "propensity_ppm": ("millionths", "probability with which the policy chose this contact"),
    "candidates": ("bits: catalogue", "bit o set: offer o was considered"),
    "open_channels": ("bits: channels", "bit c set: channel c was permitted"),
    "passed": ("0/1", "whether it passed the rules at the decision"),
    "p_notice_ppb": ("thousand-millionths", "true probability of being noticed"),
    "p_complaint_ppb": ("thousand-millionths", "true probability of a complaint"),
    "p_opt_out_ppb": ("thousand-millionths", "true probability of refusing the channel"),
    "noticed": ("0/1", "whether it was noticed"),
    "measure": ("code: state measures", "which sum or histogram"),
    "bin": ("", "bin of the histogram, or position in the vector"),
    "count": ("", "count or sum"),
    "age": ("years", "age"),
    "income_band": ("CNY a month", "household income, as declared"),
    "tenure_days": ("days", "age of the account"),
    "limit_fen": ("fen", "credit limit"),
    "is_open": ("0/1", "whether the account is open"),
    "marketing_consent": ("0/1", "consent to marketing"),
    "personalisation_on": ("0/1", "whether the personalisation switch is on"),
    "partner_consent": ("0/1", "separate consent to partners' data"),
    "sensitive_consent": ("0/1", "separate consent to sensitive data"),
}
_UNITS: Final = {"_mfen": "milli-fen", "_fen": "fen", "_ppm": "millionths", "_ppb": "thousand-millionths",
                 "_days": "days", "_cny": "CNY", "_minutes": "minutes"}  # fmt: skip


def schema_page(folder: Path, scenario: str) -> str:
    """Return the page for the Parquet files below `folder`, in Markdown."""
    import pyarrow.parquet as pq

    lines = [
        f"# The tables of this world ({scenario})",
        "",
        "Days count from the first decision day, minutes from midnight. A row is found by (day, cardholder, bank,",
        "ordinal). What lies in `truth/` no bank can see: do not train on it. Everybody in it is synthetic.",
        "",
    ]
    for path in sorted(folder.rglob("*.parquet"), key=lambda item: (item.parent != folder, item.name)):
        table = path.relative_to(folder).with_suffix("").as_posix()
        lines += [f"## {table}", "", _TABLES.get(table, ""), ""]
        lines += ["| column | type | unit | meaning |", "| --- | --- | --- | --- |"]
        for field in pq.read_schema(path):
            unit, meaning = described(field.name)
            lines.append(f"| `{field.name}` | {_type(str(field.type))} | {unit} | {meaning} |")
        lines.append("")
    return "\n".join([*lines, *_codes()])


def described(column: str) -> tuple[str, str]:
    """Return the unit and the meaning of a column."""
    if column in _COLUMNS:
        return _COLUMNS[column]
    if column.startswith("permitted_"):
        return (
            "0/1",
            f"whether the bank may contact by {column.removeprefix('permitted_')} on the first decision day",
        )
    unit = next((unit for ending, unit in _UNITS.items() if column.endswith(ending)), "")
    return unit, column.replace("_", " ")


def _type(arrow: str) -> str:
    return "category" if arrow.startswith("dictionary") else arrow


def _codes() -> Iterable[str]:
    from cardarena.simulator.behaviour.census import STATE_MEASURES

    words = {
        "categories": names.CATEGORIES,
        "channels": names.CHANNELS,
        "depths": names.DEPTHS,
        "statuses": names.STATUSES,
        "rules": names.RULES,
        "responses": names.RESPONSES,
        "complaints": names.COMPLAINT_KINDS,
        "case steps": names.CASE_STEPS,
        "changes": names.CONSENT_CHANGES,
        "state measures": STATE_MEASURES,
    }
    yield "## The words behind the codes"
    yield ""
    for kind, known in words.items():
        yield f"- {kind}: " + ", ".join(f"{code} {word}" for code, word in enumerate(known))
    yield ""
