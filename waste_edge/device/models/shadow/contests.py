"""The comparison that is under way, if any: begun when a candidate is proposed, ended with its role."""

from __future__ import annotations

from pathlib import Path

from waste_edge.device.answers.question import ReviewedItem
from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.loop import Seen
from waste_edge.device.models.checks import network_for
from waste_edge.device.models.figures import ShadowFigures
from waste_edge.device.models.in_use import ModelInUse
from waste_edge.device.models.install import Installer
from waste_edge.device.models.promotion import Judgement
from waste_edge.device.models.roles import Entry, Roles
from waste_edge.device.models.shadow.child import ShadowOrder
from waste_edge.device.models.shadow.comparison import Contest, Shadow
from waste_edge.device.models.shadow.process import ShadowProcess
from waste_edge.errors import WasteEdgeError

_UNJUDGED = "this station asks nobody ([answers] is missing), so nothing is compared"


class Contests:
    """Holds at most one `Shadow`. `follow` and `stop` are for the keeper's thread, what listens for the loop's.

    Args:
        installer: of the station.
        kept: figures from before a restart.
    """

    def __init__(self, installer: Installer, kept: ShadowFigures | None) -> None:
        self._installer = installer
        self._kept = kept
        self._candidate: Entry | None = None
        self._proposal = 0
        self._beside = ""
        self._shadow: Shadow | None = None
        self._trouble = ""

    def follow(self, roles: Roles, model: ModelInUse) -> None:
        """Compare the candidate, if there is one, with this model from now on."""
        candidate, beside = roles.candidate, model.bundle.digest
        now = (candidate, roles.proposal, beside)
        if now == (self._candidate, self._proposal, self._beside) or candidate is None is self._candidate:
            return
        self.stop()
        self._candidate, self._proposal, self._beside = now
        self._trouble = ""
        if candidate is None:
            return
        if not self._installer.has_answers:
            self._trouble = _UNJUDGED
            return
        try:
            self._shadow = self._begun(candidate, model)
        except WasteEdgeError as error:
            self._trouble = str(error)
            return
        self._shadow.start()

    def _begun(self, candidate: Entry, model: ModelInUse) -> Shadow:
        installer = self._installer
        wish, store, config = installer.wish, installer.store, installer.config
        with wish.opened(str(store.path(candidate))) as bundle:
            manifest = bundle.manifest
            artifact, plugin = network_for(bundle, wish.engine)
            policy = DecisionPolicy(manifest, wish.site_of(manifest))
        order = ShadowOrder(
            bundle=str(Path(store.path(candidate)).absolute()),
            digest=candidate.digest,
            artifact=artifact,
            engine=plugin,
            looks=model.looks,
        )
        views = (manifest.input.view, model.bundle.manifest.input.view)
        kept = self._kept
        now = ShadowFigures(candidate=candidate.digest, in_charge=model.bundle.digest, proposal=self._proposal)
        # Not by the digests alone: one that won, was taken back and is proposed again must win again.
        if kept is not None and (kept.candidate, kept.in_charge, kept.proposal) == (
            now.candidate,
            now.in_charge,
            now.proposal,
        ):
            now = kept
        contest = Contest(policy, views, config.judge_by, config.most_answers)
        return Shadow(ShadowProcess(order, list(manifest.labels)), contest, now)

    def stop(self) -> None:
        """End the comparison, and keep its figures."""
        shadow, self._shadow = self._shadow, None
        if shadow is not None:
            shadow.stop()
            self._kept = shadow.figures

    @property
    def judgement(self) -> Judgement | None:
        """The newest verdict; None while nothing is compared."""
        return None if self._shadow is None else self._shadow.judgement

    @property
    def figures(self) -> ShadowFigures | None:
        """Figures of the comparison so far, or of the last one."""
        return self._kept if self._shadow is None else self._shadow.figures

    @property
    def text(self) -> str:
        """One line for people."""
        return self._trouble if self._shadow is None else self._shadow.figures.text

    # The loop's thread.

    def seen(self, seen: Seen) -> None:
        """See `Listener.seen`."""
        if (shadow := self._shadow) is not None:
            shadow.seen(seen)

    def decided(self, event: Event) -> None:
        """See `Listener.decided`."""
        if (shadow := self._shadow) is not None:
            shadow.decided(event)

    def answered(self, item: ReviewedItem) -> None:
        """See `ReviewListener.answered`."""
        if (shadow := self._shadow) is not None:
            shadow.answered(item)
