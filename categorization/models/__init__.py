"""What is kept of appointment types: the types, every change of their categories, who reviews them, their sheets."""

from categorization.models.changes import CategoryBatch, CategoryChange
from categorization.models.reviews import Invitation, SignOff
from categorization.models.sheets import PracticeSheet
from categorization.models.types import AppointmentType, ConfirmedVia

__all__ = [
    "AppointmentType",
    "CategoryBatch",
    "CategoryChange",
    "ConfirmedVia",
    "Invitation",
    "PracticeSheet",
    "SignOff",
]
