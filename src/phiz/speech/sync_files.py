"""Kinds of files that hold judges of sound and mouth: our own of curves, and the published one of pixels."""

from __future__ import annotations

from phiz.speech.published_sync import PixelSyncConfig, PixelSyncNet
from phiz.speech.sync_network import SyncConfig, SyncNet
from phiz.trained import Kind, about, load, save

__all__ = ["PIXEL_SYNC", "SYNC", "Kind", "about", "load", "save"]

SYNC = Kind(name="speech_sync", config=SyncConfig, make=SyncNet, trainer="phiz train syncnet")
PIXEL_SYNC = Kind(
    name="speech_pixel_sync", config=PixelSyncConfig, make=PixelSyncNet, trainer="phiz import syncnet"
)
