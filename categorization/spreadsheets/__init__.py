"""A practice's types as a spreadsheet: out as a file or a Google Sheet, and back with what people changed."""
