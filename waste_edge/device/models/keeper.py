"""Keeper of a running station's models: follows what is installed, shows a candidate the items, exchanges the model.

All that takes time is done in a thread of its own: a model is opened, checked and loaded there, and the loop, between
two items, only changes from one loaded model to another. A model with other labels, or another site, changes more than
that: then the station's parts are put together anew, in the same process.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from waste_edge.device.answers.question import ReviewedItem, ReviewListener
from waste_edge.device.clock import Clock
from waste_edge.device.decision.item_tracker import Event, ItemTracker
from waste_edge.device.loop import Listener, ModelChange, Seen
from waste_edge.device.models.figures import CONFIGURED, Figures, WatchFigures, read_figures, write_figures
from waste_edge.device.models.in_use import TAKEN_BACK, ModelInUse, load_installed, load_model
from waste_edge.device.models.install import REFUSED_NAME, FolderWatch, Installer, Refusal, read_refusal
from waste_edge.device.models.probation import Watch, fault_of
from waste_edge.device.models.roles import ROLES_NAME, Change, Entry, Roles
from waste_edge.device.models.shadow.contests import Contests
from waste_edge.device.models.store import ModelStore, in_charge
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.system.health import Health
from waste_edge.errors import ConfigError, WasteEdgeError

PART = "model"  # of health
EVERY_S = 2.0
_FIGURES_EVERY = 15  # looks around; a card wears by what is written
_STOP_S = 2.0
_ANEW = "another model is in charge, with other labels or another site"


@dataclass(frozen=True)
class KeeperParts:
    """Parts of the station that a keeper works with.

    Attributes:
        installer: of the station.
        items: decides with the model.
        health: is told how the models fare.
        exchanged: told of the model that took over, in the loop's thread; must not block.
        still_images: the source is a folder of pictures.
    """

    installer: Installer
    items: ItemTracker
    health: Health
    exchanged: Callable[[ModelInUse], None]
    still_images: bool = False


class ModelKeeper(Listener, ReviewListener):
    """Keeps the models of a station until `stop`.

    Args:
        parts: of the station.
        model: what it uses at the start.
        clock: paces the looks around.

    Attributes:
        used: the model that is used now.
        anew: the station's parts must be put together anew, for a model that needs others.
    """

    def __init__(self, parts: KeeperParts, model: ModelInUse, clock: Clock) -> None:
        self.used = model
        self.anew = False
        self._parts = parts
        self._clock = clock
        self._store = ModelStore(parts.installer.state, patience_s=0.0)
        watch_folder = parts.installer.config.watch_folder
        self._folder = None if watch_folder is None else FolderWatch(Path(watch_folder))
        figures = read_figures(self._store.folder)
        self._watch = Watch(_watched(figures, model))
        self._contests = Contests(parts.installer, figures.shadow)
        self._roles, self._signature = Roles(), (-1, -1, -1)
        self._told = _newest_change(self._store)
        self._ready: ModelInUse | None = None
        self._left: deque[ModelInUse] = deque()
        self._changes: deque[ModelChange] = deque()
        self._unusable: set[str] = set()
        self._refusal: Refusal | None = None
        self._refused_signature = (-1, -1, -1)
        self._kept = Figures()
        self._looks_around = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="models", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and the candidate's process, and keep the figures."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_S)
        self._contests.stop()
        self._keep_figures()
        for model in filter(None, (self._ready, *self._left)):
            model.bundle.close()

    # The loop's thread.

    def step(self, tell: Callable[[ModelChange], None]) -> str:
        """See `loop.Models.step`."""
        while self._changes:
            tell(self._changes.popleft())
        ready = self._ready
        if ready is None or not self._parts.items.between_items:
            return ""
        if not _is_like(self.used, ready):
            self.anew = True
            return _ANEW
        self._parts.items.take_up(ready.policy, ready.classifier, ready.looks)
        self._left.append(self.used)
        seen = self._watch.figures.seen
        self._watch = Watch(WatchFigures(digest=_digest(ready.entry), before=seen))
        self.used, self._ready = ready, None
        self._parts.health.set(ready.condition(self._parts.still_images))
        self._parts.exchanged(ready)
        return ""

    def seen(self, seen: Seen) -> None:
        """See `Listener.seen`."""
        self._watch.look(seen.prediction)
        self._contests.seen(seen)

    def decided(self, event: Event) -> None:
        """See `Listener.decided`."""
        self._watch.decided(event)
        self._contests.decided(event)

    def answered(self, item: ReviewedItem) -> None:
        """See `ReviewListener.answered`."""
        self._contests.answered(item)

    # The keeper's own thread.

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look_around()
            except WasteEdgeError as error:
                self._parts.health.set(Condition(PART, Level.WARN, f"{error}"))
            except Exception as error:  # noqa: BLE001 - whatever happens here, the loop goes on with its model
                self._parts.health.set(Condition(PART, Level.BAD, f"internal error: {error!r}; please report it"))
            self._clock.sleep(EVERY_S, self._stopping)

    def look_around(self) -> None:
        """One look: at the folder, the roles, the candidate, the probation."""
        if self._folder is not None:
            self._folder.look(self._parts.installer)
        self._follow_roles()
        self._follow_refusals()
        self._judge()
        self._looks_around += 1
        if self._looks_around % _FIGURES_EVERY == 0:
            self._keep_figures()
        while self._left:
            self._left.popleft().bundle.close()
        self._parts.health.set(self._condition())

    def _follow_roles(self) -> None:
        """Do what the file of roles says, if it changed; other processes change it, too."""
        signature = _signature(self._store.folder / ROLES_NAME)
        if signature == self._signature:
            return
        self._roles = self._store.roles()
        self._signature = signature
        self._tell_changes()
        self._prepare()
        self._contests.follow(self._roles, self._ready or self.used)

    def _follow_refusals(self) -> None:
        """Read what another process refused while nobody watched, if that changed."""
        signature = _signature(self._store.folder / REFUSED_NAME)
        if signature != self._refused_signature:
            self._refusal = read_refusal(self._store)
            self._refused_signature = signature

    def _tell_changes(self) -> None:
        """Have the loop tell what changed since the keeper's start."""
        new = [change for change in self._store.history() if change.number > self._told]
        self._changes.extend(map(_as_told, new))
        self._told = 0 if self._roles.last is None else self._roles.last.number

    def _prepare(self) -> None:
        """Load the model that is in charge by now, unless it is what is used."""
        wish, used = self._parts.installer.wish, self._ready or self.used
        if wish.bundle_named:
            return
        entry, fault = in_charge(self._store)
        if _digest(entry) == _digest(used.entry):
            return
        if self._ready is not None:
            self._left.append(self._ready)
            self._ready = None
        if _digest(entry) == _digest(self.used.entry) or _digest(entry) in self._unusable:
            return
        try:
            self._ready = load_model(wish) if entry is None else load_installed(wish, self._store, entry, fault)
        except WasteEdgeError as error:
            self._unusable.add(_digest(entry))
            if entry is None or entry != self._roles.current:
                raise
            self._store.rollback(f"{TAKEN_BACK}: it cannot be loaded: {error}")

    def _judge(self) -> None:
        """Act on the candidate's comparison, and on the probation of the model in charge."""
        config, judgement = self._parts.installer.config, self._contests.judgement
        candidate = self._roles.candidate
        if judgement is not None and candidate is not None:
            if judgement.verdict == "promote":
                self._store.activate(candidate, judgement.reason, on_probation=config.probation_items > 0)
            elif judgement.verdict == "refuse":
                self._store.withdraw(judgement.reason)
        entry = self.used.entry
        if not self._roles.on_probation or entry is None or entry != self._roles.current:
            return
        fault, items = fault_of(self._watch), self._watch.figures.seen.items
        if fault:
            self._store.rollback(fault)
        elif items >= config.probation_items:
            self._store.confirm(f"its probation ended well: {self._watch.figures.text}")

    def _condition(self) -> Condition:
        roles, folder = self._roles, self._folder
        text = f"{self.used.title} is in charge"
        if roles.on_probation:
            text += f", on probation: {self._watch.figures.text}"
        if roles.candidate is not None:
            text += f"; {roles.candidate.title} is compared with it: {self._contests.text}"
        if folder is not None and folder.trouble:
            return Condition(PART, Level.WARN, f"{text}; not installed: {folder.trouble}")
        if self._refusal is not None:
            when = self._refusal.time_utc
            return Condition(PART, Level.WARN, f"{text}; not installed ({when}): {self._refusal.reason}")
        last = roles.last
        if last is not None and last.action == "rolled_back" and last.reason.startswith(TAKEN_BACK):
            left = CONFIGURED if last.before is None else last.before.title
            return Condition(PART, Level.WARN, f"{text}; {left} was {last.reason}")
        return Condition(PART, Level.OK, text)

    def _keep_figures(self) -> None:
        figures = Figures(shadow=self._contests.figures, watched=self._watch.figures)
        if figures != self._kept:
            self._kept = figures
            write_figures(self._store.folder, figures)


def _watched(figures: Figures, model: ModelInUse) -> WatchFigures:
    """The figures from before a restart, as far as they are about this model."""
    digest, watched = _digest(model.entry), figures.watched
    if watched is None:
        return WatchFigures(digest=digest)
    return watched if watched.digest == digest else WatchFigures(digest=digest, before=watched.seen)


def _newest_change(store: ModelStore) -> int:
    """Number of the newest change of the roles; 0 if there is none, or the file is damaged, which is told later."""
    try:
        last = store.roles().last
    except ConfigError:
        return 0
    return 0 if last is None else last.number


def _digest(entry: Entry | None) -> str:
    return "" if entry is None else entry.digest


def _is_like(old: ModelInUse, new: ModelInUse) -> bool:
    """Return whether one model can take the other's place while everything else stays."""
    one, other = old.bundle.manifest, new.bundle.manifest
    # What is collected, and whether an answer fits, depends on the view and the labels.
    same = (one.labels, one.tree, one.input.view) == (other.labels, other.tree, other.input.view)
    return same and old.site == new.site


def _as_told(change: Change) -> ModelChange:
    entry, before = change.entry, change.before
    return ModelChange(
        number=change.number,
        time_utc=change.time_utc,
        action=change.action,
        model=CONFIGURED if entry is None else entry.title,
        digest=_digest(entry),
        before=CONFIGURED if before is None else before.title,
        reason=change.reason,
    )


def _signature(path: Path) -> tuple[int, int, int]:
    """Inode, time and size of a file, which change whenever it is replaced; zeros if there is none."""
    try:
        state = path.stat()
    except OSError:
        return (0, 0, 0)
    return (state.st_ino, state.st_mtime_ns, state.st_size)
