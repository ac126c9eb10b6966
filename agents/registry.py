"""The one registry of policies: names, cards, and how a policy is made from a name, a user's file or a trained folder."""

import hashlib
import importlib.util
import inspect
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

from cardarena.agents.bandits import LinUcb, Thompson
from cardarena.agents.base import PRIVILEGED, BasePolicy
from cardarena.agents.learned import CappedPropensity, LoggedPolicy, Propensity
from cardarena.agents.mpc import Mpc
from cardarena.agents.oracle import OracleMyopic
from cardarena.agents.planning import OraclePlanner
from cardarena.agents.practice import SimulatedLog
from cardarena.agents.priced import GreedyPriced, Uplift
from cardarena.agents.recovering import RecoveringBandit
from cardarena.agents.reference import Caretaker, Random, Silent, StatusQuo
from cardarena.agents.rl.card import AgentCard, TunedCard
from cardarena.agents.rl.folder import CARD, is_agent_folder, read_card
from cardarena.agents.rl.playing import trained_card, trained_policy
from cardarena.agents.rules import Blast, Cadence, Rfm, Segment
from cardarena.agents.whittle import Whittle
from cardarena.simulator.contracts import LEAGUES, Policy
from cardarena.simulator.errors import PolicyError, UnknownNameError, nearest

_CLASSES: Final[tuple[type[BasePolicy], ...]] = (
    Silent,
    StatusQuo,
    Caretaker,
    Random,
    Blast,
    Cadence,
    Rfm,
    Segment,
    LinUcb,
    Thompson,
    Propensity,
    CappedPropensity,
    Uplift,
    GreedyPriced,
    RecoveringBandit,
    Whittle,
    Mpc,
    OracleMyopic,
    OraclePlanner,
)
_POLICIES: Final = {cls.name: cls for cls in _CLASSES}
_METHODS: Final = ("reset", "decide", "learn", "explain", "state", "load_state")
SIMULATOR: Final = "simulator"
_TYPES: Final[dict[str, type]] = {
    "name": str,
    "league": str,
    "every_days": int,
    "decide_minute": int,
    "oracle": bool,
}


def trained_folders() -> dict[str, Path]:
    """Return the shipped trained agents: the folder of each name, sorted."""
    root = Path(__file__).resolve().parent / "trained"
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{CARD}"))}


def policy_names() -> tuple[str, ...]:
    """Return the registered names, reference policies first and trained agents last."""
    return (*_POLICIES, *trained_folders())


def policy_table() -> list[dict[str, Any]]:
    """Return one card a policy: name, league, title, description, dial, dial_values, dial_default, every_days."""
    return [
        {
            "name": cls.name,
            "league": cls.league,
            "title": cls.title,
            "description": cls.summary,
            "dial": cls.dial_spec.name,
            "dial_values": cls.dial_spec.values,
            "dial_default": cls.dial_spec.default,
            "every_days": cls.every_days,
        }
        for cls in _CLASSES
    ] + [_folder_card(read_card(folder)) for folder in trained_folders().values()]


def make_policy(spec: str, dial: float | None = None) -> Policy:
    """Make a policy from a registered name, a user's file or the folder of a trained agent.

    Args:
        spec: a registered name, or `FILE.py:NAME`, NAME being a class of the file or anything that gives a policy when
            it is called: a factory, a class that the file imports; or the folder of a trained agent.
        dial: value of the policy's knob; its default if left out.

    Returns:
        A policy that has not been reset yet.

    Raises:
        UnknownNameError: no policy has this name.
        PolicyError: the file cannot be read or run, has no such class, or what it makes is not a policy; the folder is no
            trained agent; or the dial is out of range.

    Example:
        >>> make_policy("cadence", dial=7).name
        'cadence'
    """
    path, colon, class_name = spec.rpartition(":")
    if colon and path.endswith(".py"):
        return _from_file(spec, Path(path), class_name, dial)
    if spec.endswith(".py"):
        raise PolicyError(f"policy {spec!r}: expected FILE.py:Class, found no class name")
    if spec in _POLICIES:
        return _POLICIES[spec](dial)
    shipped = trained_folders()
    if spec in shipped:
        return _from_folder(shipped[spec], dial)
    if is_agent_folder(spec) or Path(spec).is_dir():
        return _from_folder(Path(spec), dial)
    raise UnknownNameError("policy", spec, policy_names())


def _from_folder(folder: Path, dial: float | None) -> Policy:
    """Make a policy from the folder of a trained agent or of a tuned policy."""
    card = read_card(folder)
    return tuned_policy(card, dial) if isinstance(card, TunedCard) else trained_policy(card, folder, dial)


def tuned_policy(card: TunedCard, dial: float | None = None) -> BasePolicy:
    """Make the policy that a card speaks of, with its values, under its name, in the simulator's league.

    Raises:
        UnknownNameError: no policy of that name can be tuned, or it has no such knob.
        PolicyError: a value or the dial is out of range, or a log is given to what learns from none.
    """
    policy = tunable_policy(card.policy, card.values, card.practice)
    if dial is not None:
        policy.dial = type(policy)(dial).dial
    policy.name, policy.title, policy.summary = card.name, card.title, card.summary
    policy.league = SIMULATOR
    return policy


def tunable_names() -> tuple[str, ...]:
    """Return the policies that declare what may be tuned."""
    return tuple(name for name, cls in _POLICIES.items() if cls.knobs)


def tunable_policy(
    name: str, values: Mapping[str, float] | None = None, practice: SimulatedLog | None = None
) -> BasePolicy:
    """Make a policy that declares what may be tuned, with values of its knobs, fitted to a simulated log if one is given.

    Raises:
        UnknownNameError: no policy of that name can be tuned, or it has no such knob.
        PolicyError: a value is out of range, or a log is given to what learns from none.
    """
    if name not in tunable_names():
        raise UnknownNameError("policy that can be tuned", name, tunable_names())
    policy = _POLICIES[name]()
    policy.turn(values or {})
    if practice is not None:
        if not isinstance(policy, LoggedPolicy):
            raise PolicyError(f"policy {name!r}: practice: expected none, since it learns from no log")
        policy.practice, policy.league = practice, SIMULATOR
    return policy


def _folder_card(card: AgentCard | TunedCard) -> dict[str, Any]:
    """Return what the table of policies says of a folder."""
    if isinstance(card, AgentCard):
        return trained_card(card)
    policy = tuned_policy(card)
    return {
        "name": card.name,
        "league": policy.league,
        "title": card.title,
        "description": card.summary,
        "dial": policy.dial_spec.name,
        "dial_values": _with_own(policy.dial_spec.values, policy.dial),
        "dial_default": policy.dial,
        "every_days": policy.every_days,
    }


def _with_own(values: tuple[float, ...], own: float) -> tuple[float, ...]:
    """Return the values of a curve, the nearest one moved to the policy's own."""
    nearest_one = min(values, key=lambda value: abs(value - own))
    return tuple(own if value == nearest_one else value for value in values)


def _from_file(spec: str, path: Path, class_name: str, dial: float | None) -> Policy:
    module = _loaded(spec, path)
    make = vars(module).get(class_name)
    if not callable(make):
        raise PolicyError(
            f"policy {spec!r}: no class {class_name!r} in {path.name}; {_hint(module, class_name)}"
        )
    try:
        policy = make() if dial is None else _with_dial(spec, class_name, make, dial)
    except PolicyError:
        raise
    except Exception as error:
        raise PolicyError(f"policy {spec!r}: making {class_name}: {_told(error, path)}") from error
    _check_shape(spec, policy)
    return cast(Policy, policy)


def _hint(module: ModuleType, name: str) -> str:
    """Say which names of the file come nearest: its own first, since it may import a hundred others."""
    usable = {
        key: value for key, value in vars(module).items() if callable(value) and not key.startswith("_")
    }
    own = [key for key, value in usable.items() if getattr(value, "__module__", "") == module.__name__]
    return nearest(name, own or usable) if usable else "it defines none"


def _told(error: BaseException, path: Path) -> str:
    """Return what was raised, and the last line of the user's file on the way there as file:line."""
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
    ]
    where = f"{path.name}:{lines[-1]}" if lines else ""
    text = str(error)
    if isinstance(error, SyntaxError):
        where, text = f"{Path(error.filename or path).name}:{error.lineno}", error.msg
    return f"{type(error).__name__}: {text}" + (f" ({where})" if where else "")


def _loaded(spec: str, path: Path) -> ModuleType:
    """Run the file as a module of its own name, so that two files with equal names do not meet."""
    if not path.is_file():
        raise PolicyError(f"policy {spec!r}: no file {path}")
    tag = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    description = importlib.util.spec_from_file_location(f"cardarena_user_{path.stem}_{tag}", path)
    if description is None or description.loader is None:
        raise PolicyError(f"policy {spec!r}: {path} is not a Python file")
    module = importlib.util.module_from_spec(description)
    # Dataclasses and pickle look their module up by name.
    import sys

    sys.modules[description.name] = module
    try:
        description.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[description.name]
        raise PolicyError(f"policy {spec!r}: running {path.name}: {_told(error, path)}") from error
    return module


def _with_dial(spec: str, name: str, make: Callable[..., Any], dial: float) -> Any:
    if "dial" not in inspect.signature(make).parameters:
        raise PolicyError(f"policy {spec!r}: {name}() takes no dial, found dial {dial:g}")
    return make(dial=dial)


def _check_shape(spec: str, policy: Any) -> None:
    """Raise unless `policy` has every attribute and method of the protocol, with values that can be used."""
    if inspect.isclass(policy):
        raise PolicyError(f"policy {spec!r}: expected a policy, found the class {policy.__name__}; call it")
    missing = [name for name in _METHODS if not callable(getattr(policy, name, None))]
    missing += [name for name in _TYPES if not hasattr(policy, name)]
    if missing:
        raise PolicyError(
            f"policy {spec!r}: not a policy: expected the methods {', '.join(_METHODS)} and the attributes "
            f"{', '.join(_TYPES)}; it lacks {', '.join(missing)}"
        )
    for name, kind in _TYPES.items():
        value = getattr(policy, name)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise PolicyError(f"policy {spec!r}: {name}: expected {kind.__name__}, found {value!r}")
    if not policy.name:
        raise PolicyError(f"policy {spec!r}: name: expected a name, found ''")
    if policy.league not in LEAGUES:
        raise PolicyError(
            f"policy {spec!r}: league: expected one of {', '.join(LEAGUES)}, found {policy.league!r}"
        )
    if policy.oracle and policy.league != PRIVILEGED:
        raise PolicyError(
            f"policy {spec!r}: league: expected {PRIVILEGED!r} of a policy marked oracle, found {policy.league!r}"
        )
    if policy.every_days < 1:
        raise PolicyError(f"policy {spec!r}: every_days: expected 1 or more, found {policy.every_days}")
    if not 0 <= policy.decide_minute < 1440:
        raise PolicyError(f"policy {spec!r}: decide_minute: expected 0 to 1439, found {policy.decide_minute}")
