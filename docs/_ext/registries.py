"""Reference pages that are written from the code's own registries each time the documentation is built.

A page is a function that returns Markdown; nothing on it is copied by hand. The pages stand in `reference/`, beside those
of the modules, and are not kept in the repository.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sphinx.application import Sphinx

PAGES: Final[dict[str, Callable[[], list[str]]]] = {}


def page(function: Callable[[], list[str]]) -> Callable[[], list[str]]:
    """Write what `function` returns to the page of its name."""
    PAGES[function.__name__.replace("_", "-")] = function
    return function


def write_pages(app: Sphinx) -> None:
    """Write every page that differs from what is on disk."""
    write_made(app, PAGES, ".md")


def write_made(app: Sphinx, made: Mapping[str, Callable[[], list[str]]], suffix: str) -> None:
    """Write to `reference/` each text that differs from what is on disk, under its name and `suffix`."""
    folder = Path(app.srcdir) / "reference"
    folder.mkdir(exist_ok=True)
    for name, lines in made.items():
        path, content = folder / f"{name}{suffix}", "\n".join(lines()) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for documents."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


# --- words


def text(value: Any) -> str:
    """Return plain text for a cell or a paragraph: on one line, nothing in it markup but formulas."""
    parts = " ".join(str(value).split()).split("$")
    if len(parts) % 2 == 0:  # a single dollar is a dollar
        parts = [r"\$".join(parts)]
    for at in range(0, len(parts), 2):
        for sign in "|<*[":
            parts[at] = parts[at].replace(sign, f"\\{sign}")
    return "$".join(parts).replace("~", r"\~")


def code(value: Any) -> str:
    """Return a name as code."""
    return f"`{value}`"


def number(value: Any) -> str:
    """Return a number as short as it is exact; several of them behind each other."""
    if isinstance(value, tuple | list):
        return " · ".join(number(item) for item in value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.10g}"


def clock(minute: int) -> str:
    """Return a minute of the day as hours and minutes."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def yes(value: Any) -> str:
    """Return a flag in words."""
    return "yes" if value else "no"


def sourced(entry: dict[str, Any]) -> str:
    """Return a sourced number: value and source, or nothing where it is not part of it."""
    return f"{number(entry['value'])} — {text(entry['source'])}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a Markdown table and the empty line after it."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]


# --- pages


@page
def metrics() -> list[str]:
    """Every metric, group by group."""
    from cardarena.benchmarks.metrics import GROUPS, METRICS, RANKING_METRIC

    lines = [
        "# Metrics",
        "",
        f"Pure functions of a run's log and of the silent run of the same scenario and seed. `{RANKING_METRIC}` ranks.",
        "$N_0$ are the people whose account is open on day 0, $T$ the decision days, $b$ the daily discount factor.",
        "",
    ]
    for group in GROUPS:
        lines += [f"## {group.capitalize()}", ""]
        own = [metric for metric in METRICS.values() if metric.group == group]
        lines += table(
            ["Metric", "Formula", "Unit", "Better"],
            [
                [
                    f"{code(m.name)} {text(m.title)}",
                    text(m.formula),
                    text(m.unit),
                    {"neither": "—"}.get(m.direction, m.direction),
                ]
                for m in own
            ],
        )
        lines += ["What each stands for:", ""]
        for estimand in dict.fromkeys(m.estimand for m in own):
            named = ", ".join(code(m.name) for m in own if m.estimand == estimand)
            lines += [f"- {text(estimand)} {named}."]
        lines += [""]
    return lines


@page
def economics() -> list[str]:
    """What things earn and cost."""
    from cardarena.simulator.bank.economics import load_economics

    entries = load_economics().entries
    return [
        "# Economics",
        "",
        "What a cardholder's day earns and costs the bank beside the offers and the channels.",
        "",
        *table(
            ["Entry", "Value", "Unit", "Source"],
            [
                [code(name), number(entry.value), text(entry.unit), text(entry.source)]
                for name, entry in entries.items()
            ],
        ),
    ]


@page
def complaint_desk() -> list[str]:
    """How complaints are handled, and by when."""
    from cardarena.simulator.bank.desk_terms import load_desk_terms

    return [
        "# The complaint desk",
        "",
        "Who handles complaints, how much work they are, and by when the law wants them closed. A scenario changes the number of",
        "handlers and their hours under `capacity`.",
        "",
        *table(
            ["Entry", "Value", "Unit", "Source"],
            [
                [code(name), number(entry.value), text(entry.unit), text(entry.source)]
                for name, entry in load_desk_terms().entries.items()
            ],
        ),
    ]


@page
def policies() -> list[str]:
    """Every shipped policy."""
    from cardarena.agents.registry import policy_table
    from cardarena.simulator.contracts import LEAGUES

    cards = policy_table()
    lines = [
        "# Policies",
        "",
        "Leagues are ranked apart. The dial is the one knob of a policy; the arena runs its values for the curve of value",
        "against complaints, and the policy competes at its default.",
        "",
    ]
    for league in LEAGUES:
        own = [card for card in cards if card["league"] == league]
        lines += [f"## League {code(league)}", ""]
        if not own:
            lines += ["No shipped policy.", ""]
            continue
        lines += table(
            ["Policy", "What it does", "Decides", "Dial"],
            [
                [
                    f"{code(card['name'])} {text(card['title'])}",
                    text(card["description"]),
                    "daily" if card["every_days"] == 1 else f"every {card['every_days']} days",
                    "—"
                    if len(card["dial_values"]) < 2
                    else f"{text(card['dial'])}: {number(card['dial_values'])}; default {number(card['dial_default'])}",
                ]
                for card in own
            ],
        )
    return lines


@page
def scenarios() -> list[str]:
    """Every shipped scenario."""
    from cardarena.simulator.scenario import load_scenario, scenario_names

    lines = [
        "# Scenarios",
        "",
        "The shipped scenarios. `cardarena show scenario NAME` prints one in full.",
        "",
    ]
    for name in scenario_names():
        lines += _scenario(name, load_scenario(name))
    return lines


def _scenario(name: str, s: Any) -> list[str]:
    caps, h = s.compliance.caps, s.horizon
    before = ", then ".join(f"{phase.days} days of {code(phase.policy)}" for phase in h.phases()) or "none"
    jitter = f", moved by up to {s.start_date_jitter_days} days a seed" if s.start_date_jitter_days else ""
    budget = s.budget.cny_per_cardholder_per_30_days
    shown = [
        ("Part of the published arena", yes(s.is_main)),
        ("Cardholders", f"{s.population.cardholders:,}, mode {code(s.population.mode)}"),
        ("First decision day", f"{s.start_date}{jitter}"),
        ("Burn-in", before),
        ("Decision days, run-out", f"{h.days} days; {h.run_out_days} days under {code(h.run_out_policy)}"),
        ("Logged history", yes(s.logged_history)),
        ("Offers", f"{len(s.catalogue())}"),
        ("Compliance", code(s.compliance.mode)),
        ("Caps", f"day {caps.day}, week {caps.week}, month {caps.month}; a channel and week: "
         + (", ".join(f"{c} {v}" for c, v in caps.channel_week.items()) or "none")),
        ("Budget", "none" if budget is None else f"{number(budget)} CNY a cardholder and 30 days"),
        ("Limits", ", ".join(f"{code(k)} {v}" for k, v in s.limits.model_dump().items())),
    ]  # fmt: skip
    if s.population.new_share:
        off = ", without consents" if s.population.new_consents_off else ""
        shown.append(
            (
                "New accounts",
                f"{s.population.new_share:.0%}, at most {s.population.new_tenure_max_days} days old{off}",
            )
        )
    if s.parameters:
        shown.append(("Parameters", ", ".join(f"{code(k)} {text(v)}" for k, v in s.parameters.items())))
    for shock in s.shocks:
        said = shock.model_dump(exclude={"kind"})
        shown.append(
            (f"Shock: {shock.kind.replace('_', ' ')}", ", ".join(f"{code(k)} {v}" for k, v in said.items()))
        )
    for flag in ("word_of_mouth", "collisions"):
        if getattr(s, flag):
            shown.append((flag.replace("_", " ").capitalize(), "yes"))
    return [
        f"## {name}",
        "",
        f"**{text(s.title)}.** {text(s.description)}",
        "",
        *table(["Setting", "Value"], shown),
    ]


_SAID: Final = ("title", "description", "category", "service", "dimension", "reach", "eligibility")


@page
def offers() -> list[str]:
    """Every shipped offer."""
    from cardarena.simulator.bank.catalogue import load_offers

    catalogue = load_offers()
    lines = [
        "# Offers",
        "",
        "The shipped catalogue. What is left out of an offer is zero or no. Money in CNY, shares as fractions, `appeal` and",
        "`wallet_benefit` in logit units. `public`: every buyer in the category gets it; `contact_only`: only who was contacted.",
        "",
    ]
    for name, offer in zip(catalogue.names, catalogue.offers, strict=True):
        said = offer.model_dump(mode="json")
        flags = [key for key, value in said.items() if value is True]
        lines += [
            f"## {name}",
            "",
            f"**{text(offer.title)}.** {text(offer.description)}",
            "",
            f"Category {code(offer.category)}, service {code(offer.service)}, dimension {code(offer.dimension)}, "
            f"reach {code(offer.reach)}" + "".join(f", {code(flag)}" for flag in flags) + ".",
            "",
        ]
        numbers = {
            k: v for k, v in said.items() if k not in _SAID and isinstance(v, dict) and v["value"] != 0.0
        }
        lines += table(
            ["Number", "Value", "Source"],
            [[code(k), number(v["value"]), text(v["source"])] for k, v in numbers.items()],
        )
        defaults = type(offer.eligibility).model_fields
        bounds = [
            f"{code(key)} {text(', '.join(value) if isinstance(value, list) else value)}"
            for key, value in said["eligibility"].items()
            if key != "source" and value != defaults[key].default
        ]
        lines += [
            f"For whom: {'; '.join(bounds) or 'everybody'}. {text(said['eligibility']['source']).capitalize()}",
            "",
        ]
    return lines


@page
def channels() -> list[str]:
    """Every channel."""
    from cardarena.simulator.bank.catalogue import load_channel_table

    lines = [
        "# Channels",
        "",
        "The chances are those of a generic batch message to somebody without the need; what need, moment, liking and",
        "weariness make of them is the model's ({doc}`../model`). A scenario changes a channel by name under `channels`.",
        "",
    ]
    for name, channel in load_channel_table().items():
        said = channel.model_dump(mode="json")
        hours = channel.quiet_hours
        quiet = (
            "never"
            if hours.from_minute == hours.to_minute
            else f"{clock(hours.from_minute)}–{clock(hours.to_minute)}"
        )
        flags = "".join(f", {code(key)}" for key, value in said.items() if value is True)
        lines += [
            f"## {name}",
            "",
            f"Shown {said['shown'].replace('_', ' ')}{flags}. Quiet hours: {quiet} ({text(hours.source)}).",
            "",
            *table(
                ["Number", "Value", "Source"],
                [
                    [code(key), number(value["value"]), text(value["source"])]
                    for key, value in said.items()
                    if isinstance(value, dict) and "value" in value and value["value"] != 0.0
                ],
            ),
        ]
    return lines


@page
def compliance() -> list[str]:
    """The rules between a policy and a cardholder."""
    from cardarena.simulator.bank.economics import load_economics, load_rules
    from cardarena.simulator.names import RULES

    fines = load_economics().fine_mfen
    return [
        "# Compliance rules",
        "",
        "One function asks them in a fixed order: for the mask of a view, at the decision, and again at delivery. In mode",
        "`enforce` a breach is blocked and charged; in mode `audit` it is let through, counted and fined. `closed`,",
        "`unreachable` and `budget` block in either mode. A scenario may switch the legal ones off under `compliance.gates`.",
        "",
        *table(
            ["Rule", "Law", "Article", "May be switched off", "Expected fine, CNY", "Source"],
            [
                [
                    f"{code(name)} {text(rule.title)} {text(rule.title_zh)}",
                    f"{text(rule.law)} {text(rule.law_zh)}" if rule.law != "-" else "—",
                    text(rule.article) if rule.article != "-" else "—",
                    yes(rule.legal),
                    number(fines[RULES.index(name)] / 100_000),
                    text(rule.source),
                ]
                for name, rule in load_rules().items()
                if name != "none"
            ],
        ),
    ]


@page
def log_tables() -> list[str]:
    """The tables of a run's log."""
    from cardarena.benchmarks.cli import schema_page
    from cardarena.simulator.log import SCHEMA_VERSION, TABLES, TRUTH_COLUMNS, columns_of

    lines = [
        "# Log tables",
        "",
        f"Schema version {SCHEMA_VERSION}; columns are only ever added. Rows are in the order of (`day`, `cardholder`,",
        "`ordinal`). Money is",
        "whole milli-fen (`_mfen`, a thousandth of 0.01 CNY) or fen (`_fen`), chances are whole parts per thousand million",
        "(`_ppb`). Written to disk, what only the harness may read goes to the folder `truth/`: the columns marked so, and the",
        "whole of `state_daily`.",
        "",
    ]
    for name in TABLES:
        hidden = TRUTH_COLUMNS.get(name, ())
        about = schema_page._TABLES.get(name) or schema_page._TABLES.get(f"truth/{name}", "")
        rows = []
        for column, dtype in columns_of(name).items():
            unit, meaning = schema_page.described(column)
            is_truth = column in hidden or name == "state_daily"
            rows.append([code(column), dtype.name, text(unit), text(meaning), "truth" if is_truth else ""])
        lines += [f"## {name}", "", text(about), "", *table(["Column", "Type", "Unit", "Meaning", ""], rows)]
    return [*lines, *(text(line) if line.startswith("-") else line for line in schema_page._codes())]


def feature_rows() -> list[tuple[int, str, str, str, tuple[str, ...]]]:
    """Return position, name, meaning and unit of every feature, and which consents it is zero without.

    The consents are found by asking the feature function.
    """
    import numpy as np

    from cardarena.simulator.bank.feature_table import FEATURE_TABLE
    from cardarena.simulator.bank.features import feature_row
    from cardarena.simulator.bank.records import ACCOUNT
    from cardarena.simulator.rules import TODAY

    def row(**changed: int) -> np.ndarray:
        account = np.zeros(1, ACCOUNT).view(np.recarray)
        for field in ACCOUNT.names or ():
            account[field] = 1
        for field, value in {
            "personalisation_on": 1,
            "sensitive_consent": 1,
            "tracked": 2,
            **changed,
        }.items():
            account[field] = value
        today = np.ones(1, TODAY).view(np.recarray)
        today["day"] = 5
        out = np.zeros(len(FEATURE_TABLE))
        feature_row(account[0], today[0], out)
        return out

    whole = row()
    switches = {name: row(**{name: 0}) for name in ("personalisation_on", "sensitive_consent", "tracked")}

    def hangs_on(j: int, column: str) -> tuple[str, ...]:
        return tuple(
            name for name, less in switches.items() if whole[j] != 0.0 and less[j] == 0.0 and column != name
        )

    return [
        (j, name, meaning, unit, hangs_on(j, name)) for j, (name, unit, meaning) in enumerate(FEATURE_TABLE)
    ]


@page
def features() -> list[str]:
    """The columns of a view, and which consent each hangs on."""
    rows = feature_rows()
    return [
        "# Features of a view",
        "",
        f"The {len(rows)} columns of a view, in order, one row a cardholder, float32.",
        "They are computed from the bank's account record",
        "alone. A column that hangs on a consent or a switch is zero where it is off, and `behaviour_missing` or",
        "`visits_missing` says so. `_28d`, `_112d` and `_7d` outside `contacts_7d` are sums that fade by 1/28, 1/112 or 1/7",
        "a day, not",
        "windows; `days_since_…` and `recency_days` end at 400, `days_since_contact_<channel>` at 7.",
        "",
        *table(
            ["", "Column", "Meaning", "Unit", "Zero without"],
            [
                [str(j), code(name), text(meaning), unit, ", ".join(map(code, consents))]
                for j, name, meaning, unit, consents in rows
            ],
        ),
    ]


@page
def triggers() -> list[str]:
    """What a policy may react to within the day."""
    from cardarena.simulator import triggers as t

    return [
        "# Triggers",
        "",
        "A policy that names some in its attribute `triggers` is asked",
        f"every {t.WINDOW_MINUTES} minutes from {clock(t.FIRST_MINUTE)} to "
        f"{clock(t.LAST_MINUTE)}, where something matched.",
        "Not seen are visits and clicks of cardholders who block tracking, transactions of those without the",
        "consent to sensitive data, and anything of those who switched personalisation off.",
        "Usage: {doc}`../write-a-policy`.",
        "",
        *table(["Trigger", "What matches"], [[code(name), what] for name, what in t.TRIGGERS.items()]),
    ]


@page
def command_line() -> list[str]:
    """Each command's own help."""
    import typer

    from cardarena.benchmarks.cli import commands
    from cardarena.benchmarks.cli.app import app

    commands.register(app)
    lines = [
        "# Command line",
        "",
        "Exit codes: 0 all well; 1 runs failed, or the machine did; 2 bad input; 130 interrupted.",
        "",
    ]

    def help_of(command: Any, words: list[str], parent: Any) -> None:
        context = typer.Context(
            command, info_name=words[-1], parent=parent, terminal_width=100, max_content_width=100
        )
        lines.extend([f"## {' '.join(words)}", "", "```text", command.get_help(context).strip(), "```", ""])
        for name, child in getattr(command, "commands", {}).items():
            help_of(child, [*words, name], context)

    help_of(typer.main.get_command(app), ["cardarena"], None)
    return lines
