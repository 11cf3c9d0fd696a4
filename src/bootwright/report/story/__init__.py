"""An investigation retold for a reader: plain values that every form of report is made from."""

from bootwright.report.story.story import Story, tell

__all__ = ["Story", "tell"]
