"""CRM custom-field folders that more than one EMR writes.

An EMR's folder may import nothing of another EMR's, so what two of them declare in common stands here. A
practice that moves from one of them to the other keeps its fields, and with them every automation that reads
them.
"""

from integrations.contract.manifest import DataType, FolderField

# PatientNow Pro and PatientNow Essentials fill the same folder. Some of its fields go by a longer name too (in
# guides, and in sub-accounts that were set up by hand): those are the aliases.
PATIENTNOW_FOLDER = "PatientNow"
PATIENTNOW_PREFIX = "PNOW"
PATIENTNOW_FIELDS: tuple[FolderField, ...] = (
    FolderField("PNOW ID"),
    FolderField("PNOW Appt Status", aliases=("PNOW Appointment Status",)),
    FolderField("PNOW Location"),
    FolderField("PNOW DOB", DataType.DATE),
    FolderField("PNOW Unsubscribed"),
    FolderField("PNOW Last Order ID"),
    FolderField("PNOW Last Appt ID", aliases=("PNOW Last Appointment ID",)),
    FolderField("PNOW Membership Sold Date", DataType.DATE),
    FolderField("PNOW Membership Program Name"),
    FolderField("PNOW Membership ID"),
    FolderField("PNOW Membership Amount", DataType.MONETARY),
    FolderField("PNOW Primary Employee"),
    FolderField("PNOW Event Type"),
    FolderField("PNOW Appt Reason", aliases=("PNOW Appointment Reason",)),
    FolderField("PNOW Appt Comments", aliases=("PNOW Appointment Comments",)),
)
