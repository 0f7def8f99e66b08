"""This folder keeps the contract, and every fixture is read as its expectation says."""

from pathlib import Path

from integrations.contract.testing import FolderChecks


class TestFolder(FolderChecks):
    folder = Path(__file__).resolve().parents[1]
