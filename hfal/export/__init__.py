"""Exports of a run: files, pictures, cards, data sets on the Hub."""
