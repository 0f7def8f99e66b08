"""The staff's pages of categories: the table of types, and every change with its undo."""

from categorization.admin.changes import CategoryBatchAdmin
from categorization.admin.types import AppointmentTypeAdmin

__all__ = ["AppointmentTypeAdmin", "CategoryBatchAdmin"]
