"""The practice file: one JSON document that sets up a practice, and the same document back.

``reading`` turns the text into parts and names every mistake by its path, ``checking`` compares the parts
with what is stored, ``importing`` writes them in one transaction, ``exporting`` writes the document.
"""
